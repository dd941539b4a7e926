import { AcervoClientError, errorOf } from './error.js';

export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/** So often is one thing tried in a row without getting on: over about 6 s. */
export const MAX_TRIES = 6;
const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 30_000;

/**
 * One request.
 * @throws AcervoClientError unless it was answered with 2xx
 * @throws what the signal was aborted with
 */
export async function request(fetch: Fetch, url: string, init: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url, init);
  } catch (cause) {
    init.signal?.throwIfAborted();
    throw new AcervoClientError('No answer came.', { code: 'client:network', retryable: true, cause });
  }
  if (response.ok) return response;
  throw await errorOf(response);
}

/** Reads a body that may break off. @throws AcervoClientError `client:network` */
export async function jsonOf<Body>(response: Response, signal: AbortSignal | undefined): Promise<Body> {
  try {
    return (await response.json()) as Body;
  } catch (cause) {
    signal?.throwIfAborted();
    throw new AcervoClientError('The answer broke off.', { code: 'client:network', retryable: true, cause });
  }
}

/** Waits before the next try: longer each time, at random so that clients do not come back together. */
export async function pause(tries: number, error: AcervoClientError, signal: AbortSignal | undefined): Promise<void> {
  const backoffMs = FIRST_PAUSE_MS * 2 ** (tries - 1) * (0.5 + Math.random() / 2);
  const ms = Math.min(LONGEST_PAUSE_MS, Math.max(backoffMs, error.retry_after_seconds * 1000));
  signal?.throwIfAborted();
  await new Promise<void>((resolve, reject) => {
    const end = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', aborted);
    };
    const aborted = () => {
      end();
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      end();
      resolve();
    }, ms);
    signal?.addEventListener('abort', aborted);
  });
}

/** Runs `work` again after an error that may pass. @throws AcervoClientError the last one */
export async function retried<Result>(work: () => Promise<Result>, signal: AbortSignal | undefined): Promise<Result> {
  for (let tries = 1; ; tries += 1)
    try {
      return await work();
    } catch (error) {
      if (!mayPass(error) || tries === MAX_TRIES) throw error;
      await pause(tries, error, signal);
    }
}

/** Bytes that have not all arrived do not arrive by waiting. */
function mayPass(error: unknown): error is AcervoClientError {
  return error instanceof AcervoClientError && error.retryable && error.code !== 'artifact:upload_incomplete';
}
