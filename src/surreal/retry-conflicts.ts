import { setTimeout as sleep } from 'node:timers/promises';
import { isAcervoError } from '../errors/error.js';

/** Eight writers of one record come through within it: test/engine/transact.test.ts. */
export const MAX_CONFLICT_TRIES = 40;
const FIRST_BACKOFF_MS = 4;
const MAX_BACKOFF_MS = 250;

/** Full jitter: any two writers that collided come back at different times. In milliseconds. */
export function conflictBackoffMs(tries: number): number {
  return Math.random() * Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** tries);
}

/**
 * Runs a query that is one transaction again for as long as it meets conflicts. For what is not audited;
 * changes of data go through `transact`.
 * @throws AcervoError `database:conflict` after `maxTries`, else what `work` throws
 */
export async function retryConflicts<Result>(
  work: () => Promise<Result>,
  maxTries = MAX_CONFLICT_TRIES,
): Promise<Result> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await work();
    } catch (error) {
      if (!isAcervoError(error, 'database:conflict') || tries === maxTries) throw error;
      await sleep(conflictBackoffMs(tries));
    }
  }
}
