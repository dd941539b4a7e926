import { createHash } from 'node:crypto';
import type { Context, Principal } from '../context.js';
import { AcervoError } from '../errors/error.js';
import type { Metrics } from '../health/metrics.js';
import type { Scope } from '../keys/scopes.js';
import type { HttpContext } from './env.js';
import type { RateLimit } from './rate-limit.js';
import type { Route } from './route.js';

/** What a key opens. */
export interface KeyHolder {
  key_id: string;
  scopes: Iterable<Scope>;
  agent_id?: string | undefined;
}

export interface Authenticator {
  /** The holder of a key; undefined when it is unknown, expired or revoked. @throws AcervoError `database:unavailable` */
  authenticate(token: string): Promise<KeyHolder | undefined>;
}

/** What the HTTP layer asks of the keys. */
export interface Gate {
  authenticator: Authenticator;
  /** Records the denial of a known key. It is awaited; when it fails, that is logged and the denial stands. */
  onDenied?(ctx: Context, route: Route): Promise<void>;
  /** Records a refused write of a known key. Never rejects, and takes a bounded time. `id` is that of the path. */
  onFailed?(ctx: Context, route: Route, id: string | undefined, error: unknown): Promise<void>;
  /** Takes note of a request that was answered well, at once. */
  onRead?(ctx: Context, route: Route, id: string | undefined): void;
}

/** RFC 6750: `Bearer` and a token68; 512 characters are twice what a configured admin key may have. */
const BEARER = /^bearer +([A-Za-z0-9._~+/=-]{1,512})$/i;
const MAX_PROVEN = 10_000;

function presentedToken(header: string | undefined): string {
  if (header === undefined || !/^bearer\b/i.test(header)) throw new AcervoError('auth:missing');
  const token = BEARER.exec(header)?.[1];
  if (token === undefined) throw new AcervoError('auth:invalid');
  return token;
}

/**
 * Finds out who asks. An address that guesses keys is refused unasked, except for keys that this node has seen to be
 * good: behind a proxy all clients share an address, and one bad client must not lock out the others.
 * @throws AcervoError `auth:missing`, `auth:invalid`, `request:rate_limited` from the returned function
 */
export function authentication(
  authenticator: Authenticator,
  rateLimit: RateLimit,
  metrics: Metrics,
): (c: HttpContext) => Promise<Principal> {
  /** Digests of good keys; never the keys. Only spares the guessing check: each use is authenticated again. */
  const proven = new Set<string>();
  const holderOf = async (token: string, address: string) => {
    const digest = createHash('sha256').update(token).digest('base64');
    if (!proven.has(digest)) await rateLimit.refuseGuesser(address);
    const holder = await authenticator.authenticate(token);
    if (holder === undefined) {
      proven.delete(digest);
      await rateLimit.countFailure(address);
      throw new AcervoError('auth:invalid');
    }
    if (proven.size >= MAX_PROVEN) proven.clear();
    proven.add(digest);
    return holder;
  };
  return async function authenticate(c) {
    const address = c.env?.incoming?.socket.remoteAddress;
    try {
      const holder = await holderOf(presentedToken(c.req.header('authorization')), address ?? 'unknown');
      return {
        key_id: holder.key_id,
        scopes: new Set(holder.scopes),
        agent_id: holder.agent_id,
        address,
        user_agent: c.req.header('user-agent')?.slice(0, 256),
      };
    } catch (error) {
      if (error instanceof AcervoError && error.status === 401) metrics.authDenied.inc({ code: error.code });
      throw error;
    }
  };
}

/** Has the denial of a known key recorded; a failure to do so is logged. */
export async function recordDenied(gate: Gate, ctx: Context, route: Route): Promise<void> {
  ctx.metrics.authDenied.inc({ code: 'auth:scope_missing' });
  try {
    await gate.onDenied?.(ctx, route);
  } catch (error) {
    ctx.log.error({ err: error }, 'a denial could not be recorded');
  }
}
