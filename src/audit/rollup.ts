import { randomUUID } from 'node:crypto';
import type { Services } from '../context.js';
import { isAcervoError } from '../errors/error.js';
import type { Database } from '../surreal/database.js';
import { withLease } from '../surreal/lease.js';
import { settledCursor } from './reader.js';
import { earlier, nanosOf, timeOf } from './time.js';

const LEASE_TTL_MS = 60_000;
const SECOND_NS = 1_000_000_000n;
/** A window with more rows is taken in smaller ones: a transaction must stay short. */
const MANY_ROWS = 2_000;
const FEW_ROWS = MANY_ROWS / 4;
const MAX_WIDTH_NS = 86_400n * SECOND_NS;

/** Where the counting goes on: the mark, or for the first time just before the oldest row. */
async function markOf(db: Database): Promise<bigint | undefined> {
  const through = await db.query<string | undefined>('audit/rolled-through');
  if (typeof through === 'string') return nanosOf(through);
  const { oldest } = await db.query<{ oldest?: string }>('audit/span');
  return oldest === undefined ? undefined : nanosOf(oldest) - SECOND_NS;
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
    const added = await db.query<number | undefined>('audit/roll-up', window);
    if (typeof added !== 'number') return counted;
    counted += added;
    mark = to;
    if (rows < FEW_ROWS && width < MAX_WIDTH_NS) width *= 4n;
  }
  return counted;
}

/**
 * Adds the audit rows that are settled and not yet counted to the rollups. Of several nodes the one that holds the
 * lease does it; what another has done meanwhile is left alone.
 * @returns how many rows were counted; undefined when another node is at it
 * @throws AcervoError `database:unavailable`: the next run goes on from the mark
 */
export async function rollUp({ db, control }: Pick<Services, 'db' | 'control'>, holder: string) {
  return withLease(control, { name: 'audit-rollup', holder, ttlMs: LEASE_TTL_MS }, async (signal) => {
    try {
      return await countSettled(db, signal);
    } catch (error) {
      // The mark was moved by a node that had lost its lease.
      if (isAcervoError(error, 'database:conflict')) return 0;
      throw error;
    }
  });
}

/**
 * Keeps the rollups up to date every `intervalMs`, until stopped.
 * @returns stop; resolves when the run under way has ended
 */
export function startRollup(services: Services, intervalMs: number): () => Promise<void> {
  const holder = randomUUID();
  let running: Promise<void> | undefined;
  const run = async () => {
    try {
      await rollUp(services, holder);
      const through = await services.db.query<string | undefined>('audit/rolled-through');
      if (typeof through === 'string') services.metrics.auditRollupThrough.set(Date.parse(through) / 1000);
    } catch (error) {
      services.log.warn({ err: error }, 'the audit log could not be rolled up; the next run tries again');
    } finally {
      running = undefined;
    }
  };
  const next = () => {
    running ??= run();
  };
  next();
  const timer = setInterval(next, intervalMs);
  return async () => {
    clearInterval(timer);
    await running;
  };
}
