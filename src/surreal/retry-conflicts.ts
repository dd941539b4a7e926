import { setTimeout as sleep } from 'node:timers/promises';
import { isAcervoError } from '../errors/error.js';

const MAX_TRIES = 40;
const FIRST_BACKOFF_MS = 4;
const MAX_BACKOFF_MS = 250;

/**
 * Runs a query that is one transaction again for as long as it meets conflicts; with full jitter, so that two writers
 * that collided come back at different times. For what is not audited; changes of data go through `transact`.
 * @throws AcervoError `database:conflict` after 40 tries, else what `work` throws
 */
export async function retryConflicts<Result>(work: () => Promise<Result>): Promise<Result> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await work();
    } catch (error) {
      if (!isAcervoError(error, 'database:conflict') || tries === MAX_TRIES) throw error;
      await sleep(Math.random() * Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** tries));
    }
  }
}
