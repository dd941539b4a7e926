import { type ClientRequest, Agent as HttpAgent, type IncomingMessage, request as requestHttp } from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';
import type { LookupFunction } from 'node:net';
import type { Context, Services } from '../context.js';
import { VERSION } from '../version.js';
import { ForbiddenAddressError, guardedLookup, isPublicAddress, literalAddress } from './address.js';
import type { HookEvent } from './event.js';
import { retryAfterOf } from './health.js';
import { signedHeaders } from './secret.js';

/** More of an answer than this is not read. */
const MAX_ANSWER_BYTES = 65_536;
/** What is left of an answer when its status has come is awaited for so long, so that the connection can be used again. */
const ANSWER_REST_MS = 2_000;

/** Why a delivery was not taken. */
export type AttemptError = 'status' | 'redirect' | 'timeout' | 'address_forbidden' | 'name' | 'tls' | 'connection';

/** What came of one request. */
export interface Attempt {
  delivered: boolean;
  status_code?: number | undefined;
  error?: AttemptError | undefined;
  duration_ms: number;
  /** What the receiver asks for; 0: nothing. */
  retryAfterMs: number;
}

type Options = Pick<Context['config']['hooks'], 'allowPrivate' | 'timeoutMs'>;

function errorOf(error: NodeJS.ErrnoException): AttemptError {
  if (error instanceof ForbiddenAddressError) return 'address_forbidden';
  if (error instanceof SlowReceiverError) return 'timeout';
  if (error.syscall === 'getaddrinfo') return 'name';
  return /^(ERR_TLS|ERR_SSL|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO|EPROTO)/.test(error.code ?? '')
    ? 'tls'
    : 'connection';
}

/** Sends deliveries. Connections are kept for the next one; redirects are not followed, proxies not asked. */
export class Sender {
  readonly #options: Options;
  readonly #clock: () => Date;
  readonly #lookup: LookupFunction;
  readonly #http = new HttpAgent({ keepAlive: true });
  readonly #https = new HttpsAgent({ keepAlive: true });

  constructor({ config, clock }: Pick<Services, 'config' | 'clock'>) {
    this.#options = config.hooks;
    this.#clock = clock;
    this.#lookup = guardedLookup(config.hooks.allowPrivate);
  }

  /**
   * Sends one event, signed now with each of the secrets.
   * @throws what `signal` was aborted with: then nobody knows whether it has arrived
   */
  async send(url: string, event: HookEvent, secrets: readonly Buffer[], signal: AbortSignal): Promise<Attempt> {
    const began = performance.now();
    const now = this.#clock();
    const timestampSeconds = Math.floor(now.getTime() / 1000);
    const headers = signedHeaders(secrets, { id: event.id, timestampSeconds, body: event.body });
    const took = () => Math.round(performance.now() - began);
    try {
      const answer = await this.#post(new URL(url), headers, event.body, signal);
      const status_code = answer.statusCode ?? 0;
      const error = status_code < 300 ? undefined : status_code < 400 ? 'redirect' : 'status';
      const asked = status_code === 429 || status_code === 503 ? answer.headers['retry-after'] : undefined;
      const retryAfterMs = retryAfterOf(asked, now);
      return { delivered: error === undefined, status_code, error, duration_ms: took(), retryAfterMs };
    } catch (error) {
      signal.throwIfAborted();
      const why = errorOf(error as NodeJS.ErrnoException);
      return { delivered: false, error: why, duration_ms: took(), retryAfterMs: 0 };
    }
  }

  async #post(url: URL, headers: Record<string, string>, body: string, signal: AbortSignal): Promise<IncomingMessage> {
    const literal = literalAddress(url);
    // A socket does not look up what is an address already.
    if (literal !== undefined && !this.#options.allowPrivate && !isPublicAddress(literal))
      throw new ForbiddenAddressError(literal);
    const options = {
      method: 'POST',
      headers: {
        ...headers,
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(body),
        'user-agent': `Acervo/${VERSION}`,
      },
      lookup: this.#lookup,
      signal,
    };
    const once = () =>
      url.protocol === 'https:'
        ? requestHttps(url, { ...options, agent: this.#https })
        : requestHttp(url, { ...options, agent: this.#http });
    try {
      return await answered(once(), body, this.#options.timeoutMs);
    } catch (error) {
      // The receiver had closed a kept connection: that is no failure of its own.
      if (!(error instanceof StaleConnectionError)) throw error;
      return await answered(once(), body, this.#options.timeoutMs);
    }
  }

  close(): void {
    this.#http.destroy();
    this.#https.destroy();
  }
}

class StaleConnectionError extends Error {}
class SlowReceiverError extends Error {}

/** Resolves with the head of the answer; its body is thrown away as it comes. */
function answered(request: ClientRequest, body: string, timeoutMs: number): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => request.destroy(new SlowReceiverError()), timeoutMs);
    request.once('response', (answer) => {
      clearTimeout(timer);
      resolve(answer);
      discard(answer);
    });
    request.once('close', () => {
      clearTimeout(timer);
      // When nothing else has been said; the first outcome stands.
      reject(new Error('closed without an answer'));
    });
    request.on('error', (error: NodeJS.ErrnoException) => {
      const stale = request.reusedSocket && (error.code === 'ECONNRESET' || error.code === 'EPIPE');
      reject(stale ? new StaleConnectionError() : error);
    });
    request.end(body);
  });
}

/** Reads an answer to its end, unless it is too long or too slow. */
function discard(answer: IncomingMessage): void {
  let bytes = 0;
  const timer = setTimeout(() => answer.destroy(), ANSWER_REST_MS);
  answer.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > MAX_ANSWER_BYTES) answer.destroy();
  });
  answer.on('error', () => undefined);
  answer.once('close', () => clearTimeout(timer));
}
