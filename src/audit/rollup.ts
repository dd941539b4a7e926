import { randomUUID } from 'node:crypto';
import type { Services } from '../context.js';
import { isAcervoError } from '../errors/error.js';
import { startRounds } from '../rounds.js';
import type { Database } from '../surreal/database.js';
import { withLease } from '../surreal/lease.js';
import { settledCursor } from './reader.js';
import { FINE_ROLLUPS, type Minute, rollupRows } from './rollup-rows.js';
import { earlier, nanosOf, timeOf } from './time.js';

const LEASE_TTL_MS = 60_000;
const SECOND_NS = 1_000_000_000n;
/** A window with more rows is taken in smaller ones: a transaction must stay short. */
const MANY_ROWS = 2_000;
const FEW_ROWS = MANY_ROWS / 4;
const HOUR_NS = 3_600n * SECOND_NS;
const DAY_NS = 24n * HOUR_NS;
const MAX_WIDTH_NS = DAY_NS;
/** Rows of one INSERT: longer ones take far longer. */
const BATCH_ROWS = 1_000;
/** Pruned by one run. */
const MAX_PRUNED_HOURS = 100;

interface RolledThrough {
  through?: string;
  fine_from?: string;
  oldest?: string;
}

const rolledThrough = (db: Database) => db.query<RolledThrough>('audit/rolled-through');

/** Where the counting goes on: the mark, or for the first time just before the oldest row. */
async function markOf(db: Database): Promise<bigint | undefined> {
  const { through } = await rolledThrough(db);
  if (through !== undefined) return nanosOf(through);
  const { oldest } = await db.query<{ oldest?: string }>('audit/span');
  return oldest === undefined ? undefined : nanosOf(oldest) - SECOND_NS;
}

/**
 * Counts the settled rows of a window into the rollups. They are read before the transaction that adds them: nothing
 * appears among settled rows, and the mark says whether another node has added them meanwhile.
 * @returns how many rows were counted; undefined when another node has
 */
async function countWindow(
  db: Database,
  window: { from: string; to: string },
  isEmpty: boolean,
): Promise<number | undefined> {
  const minutes = isEmpty ? [] : await db.query<Minute[]>('audit/count-minutes', { ...window });
  const rows = rollupRows(minutes);
  const batches = Array.from({ length: Math.ceil(rows.length / BATCH_ROWS) }, (_, n) =>
    rows.slice(n * BATCH_ROWS, (n + 1) * BATCH_ROWS),
  );
  const added = await db.query<boolean>('audit/roll-up', { ...window, batches });
  return added ? minutes.reduce((sum, { count }) => sum + count, 0) : undefined;
}

/** Counts one window of settled rows after another. @returns how many rows were counted */
async function countSettled(db: Database, signal: AbortSignal): Promise<number> {
  // Behind this edge no row can appear any more, so each row is counted once and none is missed.
  const edge = nanosOf(await settledCursor(db));
  let mark = await markOf(db);
  let width = 60n * SECOND_NS;
  let counted = 0;
  while (mark !== undefined && mark < edge && !signal.aborted) {
    const to = earlier(mark + width, edge);
    const window = { from: timeOf(mark), to: timeOf(to) };
    const rows = await db.query<number>('audit/count', window);
    if (rows > MANY_ROWS && width > SECOND_NS) {
      width /= 4n;
      continue;
    }
    const added = await countWindow(db, window, rows === 0);
    if (added === undefined) return counted;
    counted += added;
    mark = to;
    // A time without rows, however long, is passed in a few steps.
    if (rows === 0 || (rows < FEW_ROWS && width < MAX_WIDTH_NS)) width *= 4n;
  }
  return counted;
}

/** Drops what is finer than an hour and older than so many days, an hour after the other, oldest first. */
async function pruneFine(db: Database, days: number, signal: AbortSignal): Promise<void> {
  const { through, oldest, fine_from = oldest } = await rolledThrough(db);
  if (through === undefined || fine_from === undefined) return;
  const edge = ((nanosOf(through) - BigInt(days) * DAY_NS) / HOUR_NS) * HOUR_NS;
  let before = nanosOf(fine_from);
  for (let hours = 0; hours < MAX_PRUNED_HOURS && before < edge && !signal.aborted; hours += 1) {
    before += HOUR_NS;
    for (const rollup of FINE_ROLLUPS) await db.query('audit/prune-rollup', { rollup, before: timeOf(before) });
  }
}

export interface RollUpOptions {
  holder: string;
  /** How long counts finer than an hour are kept, in days. */
  fineSeriesDays: number;
}

/**
 * Adds the audit rows that are settled and not yet counted to the rollups, and drops the fine ones that are too old. Of
 * several nodes the one that holds the lease does it; what another has done meanwhile is left alone.
 * @returns how many rows were counted; undefined when another node is at it
 * @throws AcervoError `database:unavailable`: the next run goes on from the mark
 */
export async function rollUp(
  { db, control }: Pick<Services, 'db' | 'control'>,
  { holder, fineSeriesDays }: RollUpOptions,
) {
  return withLease(control, { name: 'audit-rollup', holder, ttlMs: LEASE_TTL_MS }, async (signal) => {
    try {
      const counted = await countSettled(db, signal);
      await pruneFine(db, fineSeriesDays, signal);
      return counted;
    } catch (error) {
      // The mark was moved by a node that had lost its lease.
      if (isAcervoError(error, 'database:conflict')) return 0;
      throw error;
    }
  });
}

/** Keeps the rollups up to date every `intervalMs`, until stopped; see `startRounds`. */
export function startRollup(services: Services, intervalMs: number): () => Promise<void> {
  const holder = randomUUID();
  const failed = 'the audit log could not be rolled up; the next run tries again';
  return startRounds(services.log, { intervalMs, failed, atOnce: true }, async () => {
    await rollUp(services, { holder, fineSeriesDays: services.config.auditFineSeriesDays });
    const { through } = await rolledThrough(services.db);
    if (through !== undefined) services.metrics.auditRollupThrough.set(Date.parse(through) / 1000);
  });
}
