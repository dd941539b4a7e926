import { AcervoError } from '../errors/error.js';

/** Longer than any verb's own bounds (database 15 s, embedder 20 s), shorter than a proxy's patience. */
export const REQUEST_TIMEOUT_MS = 60_000;

/**
 * Runs `work` with a bound. Past it the signal aborts, the caller gets the error, and `late` (which never rejects)
 * gets what `work` comes to afterwards, so that nothing is dropped silently.
 * @throws AcervoError `request:timeout`
 */
export async function withDeadline<Result>(
  timeoutMs: number,
  work: (signal: AbortSignal) => Promise<Result>,
  late: (outcome: PromiseSettledResult<Result>) => Promise<void>,
): Promise<Result> {
  const expiry = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const expired = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      const error = new AcervoError('request:timeout', { retryAfterSeconds: 1 });
      reject(error);
      expiry.abort(error);
    }, timeoutMs);
  });
  const working = work(expiry.signal);
  try {
    return await Promise.race([working, expired]);
  } catch (error) {
    if (expiry.signal.aborted) void Promise.allSettled([working]).then(([outcome]) => late(outcome));
    throw error;
  } finally {
    clearTimeout(timer);
  }
}
