import { setTimeout as sleep } from 'node:timers/promises';
import { AcervoError, isAcervoError } from '../errors/error.js';
import { conflictBackoffMs } from './retry-conflicts.js';

/** So often at most when others write the same row at once: eight patches of one session come through (acceptance tests). */
const MAX_TRIES = 40;

interface Revised {
  revision: number;
}

const isOther = ({ revision }: Revised, expected: number | undefined): boolean =>
  expected !== undefined && revision !== expected;

/**
 * Is this still the revision that the client has seen? undefined: it does not mind.
 * @param expectedRevision from If-Match
 * @throws AcervoError `revision:mismatch`
 */
export function requireRevision(row: Revised, expectedRevision: number | undefined): void {
  if (isOther(row, expectedRevision)) throw new AcervoError('revision:mismatch');
}

/**
 * Reads a row, decides what it becomes, and writes that over the revision that was read; anew when somebody else came
 * between, so that nobody's change is lost. What `decide` does itself it may do several times.
 * @param steps.answered what this very request was answered before. First of all, since what was legal then may be
 *   illegal now; and before a revision is refused, which the same request may have just made at another node
 * @param steps.write throws `revision:mismatch` when the row is not what was read
 * @param expectedRevision from If-Match
 * @throws AcervoError `revision:mismatch` (If-Match), `revision:contended`, and what the steps throw
 */
export async function writeOver<Row extends Revised, Next, Result>(
  steps: {
    answered(): Promise<Result | undefined>;
    read(): Promise<Row>;
    decide(row: Row): Next | Promise<Next>;
    write(row: Row, next: Next): Promise<Result>;
  },
  expectedRevision: number | undefined,
): Promise<Result> {
  const before = await steps.answered();
  if (before !== undefined) return before;
  for (let tries = 0; tries < MAX_TRIES; tries += 1) {
    const row = await steps.read();
    if (isOther(row, expectedRevision)) {
      const justNow = await steps.answered();
      if (justNow !== undefined) return justNow;
    }
    requireRevision(row, expectedRevision);
    const next = await steps.decide(row);
    try {
      return await steps.write(row, next);
    } catch (error) {
      if (!isAcervoError(error, 'revision:mismatch')) throw error;
    }
    await sleep(conflictBackoffMs(tries));
  }
  throw new AcervoError('revision:contended', { retryAfterSeconds: 1 });
}
