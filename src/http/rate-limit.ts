import { createHash } from 'node:crypto';
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';
import { AcervoError } from '../errors/error.js';
import type { Metrics } from '../health/metrics.js';
import type { HttpContext } from './env.js';

const WINDOW_SECONDS = 60;
/** An address may fail this part of a key's rate: enough for a client with an old key, too little to guess with. */
const FAILURE_SHARE = 0.1;

export interface RateLimit {
  /** Counts one request of a known key and tells it how much is left. @throws AcervoError `request:rate_limited` */
  countRequest(c: HttpContext, keyId: string): Promise<void>;
  /** Refuses an address that has shown too many unknown keys. @throws AcervoError `request:rate_limited` */
  refuseGuesser(address: string): Promise<void>;
  countFailure(address: string): Promise<void>;
}

const OFF: RateLimit = {
  countRequest: async () => {},
  refuseGuesser: async () => {},
  countFailure: async () => {},
};

/**
 * Who guesses: an IPv4 address, or the /64 of an IPv6 one, since a single host owns all of that. Folded into 65 536
 * buckets, so that memory is bounded whatever is sent; two addresses that share one share its budget.
 */
function bucketOf(address: string): string {
  const mapped = address.replace(/^::ffff:(?=\d+\.)/, '');
  const network = mapped.includes(':') ? (mapped.split('::')[0] ?? '').split(':').slice(0, 4).join(':') : mapped;
  return createHash('sha256').update(network).digest('hex').slice(0, 4);
}

function refusal(state: RateLimiterRes, metrics: Metrics): AcervoError {
  metrics.rateLimited.inc();
  return new AcervoError('request:rate_limited', { retryAfterSeconds: state.msBeforeNext / 1000 });
}

/**
 * Fixed windows of a minute in this node's memory: per key, and per address for keys that do not exist.
 * Headers: draft-ietf-httpapi-ratelimit-headers-10 (`q` quota, `w` window, `r` remaining, `t` seconds to reset).
 */
export function createRateLimit(perMinute: number, metrics: Metrics): RateLimit {
  if (perMinute === 0) return OFF;
  const requests = new RateLimiterMemory({ points: perMinute, duration: WINDOW_SECONDS, keyPrefix: 'key' });
  const allowedFailures = Math.ceil(perMinute * FAILURE_SHARE);
  const failures = new RateLimiterMemory({ points: allowedFailures, duration: WINDOW_SECONDS, keyPrefix: 'address' });
  const consume = (limiter: RateLimiterMemory, name: string): Promise<RateLimiterRes> =>
    limiter.consume(name).catch((spent: unknown) => {
      if (spent instanceof RateLimiterRes) return spent;
      throw spent;
    });
  return {
    async countRequest(c, keyId) {
      const state = await consume(requests, keyId);
      c.header('ratelimit-policy', `"key";q=${perMinute};w=${WINDOW_SECONDS}`);
      c.header('ratelimit', `"key";r=${state.remainingPoints};t=${Math.ceil(state.msBeforeNext / 1000)}`);
      if (state.consumedPoints > perMinute) throw refusal(state, metrics);
    },
    async refuseGuesser(address) {
      const state = await failures.get(bucketOf(address));
      if (state !== null && state.consumedPoints >= allowedFailures) throw refusal(state, metrics);
    },
    async countFailure(address) {
      await consume(failures, bucketOf(address));
    },
  };
}
