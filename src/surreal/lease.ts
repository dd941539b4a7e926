import { setTimeout as sleep } from 'node:timers/promises';
import { isAcervoError } from '../errors/error.js';
import type { Database } from './database.js';

async function tryAcquire(control: Database, name: string, holder: string, ttlMs: number): Promise<boolean> {
  try {
    return await control.query<boolean>('leases/acquire', { name, holder, ttl_ms: ttlMs });
  } catch (error) {
    // Somebody else took it in the same instant.
    if (isAcervoError(error, 'database:conflict')) return false;
    throw error;
  }
}

export interface LeaseOptions {
  name: string;
  holder: string;
  ttlMs: number;
  waitMs?: number;
  stop?: AbortSignal;
}

/**
 * Runs `work` while holding the lease `name`, so that of several nodes one does it. The lease is renewed at a third of
 * its life; when it cannot be renewed `signal` aborts, and `work` should stop: another node may begin.
 *
 * @param waitMs how long to wait for the lease; 0 tries once
 * @param stop aborts `signal` too, with its own reason. Not by AbortSignal.any: what that hangs on a signal of the whole
 *   process stays there
 * @returns what `work` returned, or undefined when the lease was not to be had
 */
export async function withLease<Result>(
  control: Database,
  { name, holder, ttlMs, waitMs = 0, stop }: LeaseOptions,
  work: (signal: AbortSignal) => Promise<Result>,
): Promise<Result | undefined> {
  const deadline = performance.now() + waitMs;
  while (!(await tryAcquire(control, name, holder, ttlMs))) {
    if (performance.now() >= deadline) return undefined;
    await sleep(50 + Math.random() * 100);
  }
  const over = new AbortController();
  const end = () => over.abort(stop?.reason);
  stop?.addEventListener('abort', end);
  if (stop?.aborted) end();
  const renewal = setInterval(() => {
    tryAcquire(control, name, holder, ttlMs)
      .then((held) => held || over.abort())
      .catch(() => over.abort());
  }, ttlMs / 3);
  try {
    return await work(over.signal);
  } finally {
    clearInterval(renewal);
    stop?.removeEventListener('abort', end);
    await control.query('leases/release', { name, holder }).catch(() => undefined);
  }
}
