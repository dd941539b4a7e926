import type { Services } from '../context.js';
import { isAcervoError } from '../errors/error.js';
import type { Authenticator, KeyHolder } from '../http/authenticate.js';
import type { Database } from '../surreal/database.js';
import { CONFIGURED_ID } from './admin-key.js';
import { type CachedKey, holderCacheOf } from './holder-cache.js';
import { ALL_SCOPES, scopesOf } from './scopes.js';
import { hashOf } from './token.js';

/** How exact `last_used_at` is. */
const TOUCH_INTERVAL_MS = 60_000;

interface FoundKey {
  id: string;
  scopes: string[];
  agent_id?: string;
  expires_at?: string;
  last_used_at?: string;
}

const timeMs = (text: string | undefined, absent: number): number => (text === undefined ? absent : Date.parse(text));

/**
 * Says whom a token belongs to. What the database said is used for 3 s at most; expiry is judged at every use, by this
 * node's clock; unknown tokens are asked about each time (the HTTP layer bounds guessing).
 */
export function createAuthenticator(
  control: Database,
  { clock, log, adminKey }: Pick<Services, 'clock' | 'log'> & { adminKey?: string | undefined },
): Authenticator {
  const cache = holderCacheOf(control);
  const adminHash = adminKey === undefined ? undefined : hashOf(adminKey);

  /** While the database is away the configured key still opens /health and /metrics: then they are needed most. */
  function whileAway(hash: string, error: unknown): KeyHolder {
    const isAdmin = hash === adminHash && isAcervoError(error, 'database:unavailable');
    if (!isAdmin) throw error;
    return { key_id: CONFIGURED_ID, scopes: ALL_SCOPES };
  }

  async function lookUp(hash: string): Promise<CachedKey | undefined> {
    const { generation } = cache;
    const askedAtMs = clock().getTime();
    const found = await control.query<FoundKey | undefined | null>('keys/find', { hash });
    if (!found) return undefined;
    const key = {
      holder: { key_id: found.id, scopes: scopesOf(found.scopes), agent_id: found.agent_id },
      expiresAtMs: timeMs(found.expires_at, Number.POSITIVE_INFINITY),
      lastUsedAtMs: timeMs(found.last_used_at, Number.NEGATIVE_INFINITY),
      askedAtMs,
    };
    cache.put(hash, key, generation);
    return key;
  }

  /** In the background: that a use could not be noted is no reason to refuse it. */
  function touch(key: CachedKey, nowMs: number): void {
    const sinceMs = nowMs - TOUCH_INTERVAL_MS;
    if (key.lastUsedAtMs > sinceMs) return;
    key.lastUsedAtMs = nowMs;
    const params = { id: key.holder.key_id, now: new Date(nowMs), since: new Date(sinceMs) };
    control.query('keys/touch', params).catch((error: unknown) => {
      log.debug({ err: error, key_id: key.holder.key_id }, 'the last use of a key was not noted');
    });
  }

  return {
    async authenticate(token) {
      const hash = hashOf(token);
      let key = cache.get(hash, clock().getTime());
      try {
        key ??= await lookUp(hash);
      } catch (error) {
        return whileAway(hash, error);
      }
      const nowMs = clock().getTime();
      if (key === undefined || key.expiresAtMs <= nowMs) return undefined;
      touch(key, nowMs);
      return key.holder;
    },
  };
}
