import { randomUUID } from 'node:crypto';
import type { Services } from '../../context.js';
import { isAcervoError } from '../../errors/error.js';
import { startRounds } from '../../rounds.js';
import type { Database } from '../../surreal/database.js';
import { withLease } from '../../surreal/lease.js';
import { type Head, SETTLE_SECONDS } from '../reader.js';
import { nanosOf, timeOf } from '../time.js';
import { hashNumbered, newestSeal } from './chain.js';
import { lateRows } from './late.js';
import { BEFORE_ALL, placeOfId, SECOND_NS, secondOf } from './place.js';
import { type PlacedRow, rowsAfter } from './rows.js';
import { hashOfSeal, makeSeal, type Seal, skipOf } from './seal.js';

const LEASE_TTL_MS = 60_000;
/** Rows of one seal. */
export const MAX_SEAL_ROWS = 1_000;
/** A window with more rows is read in smaller ones, down to a second, which is read whole. */
const MANY_ROWS = 4_000;
const FEW_ROWS = MANY_ROWS / 4;
const FIRST_WIDTH_NS = 60n * SECOND_NS;
const MAX_WIDTH_NS = 86_400n * SECOND_NS;

/** Another node has gone on with the chain: it does what is left. */
class ChainMoved extends Error {}

/** What one run has made. */
export interface Sealed {
  seals: number;
  rows: number;
  late_rows: number;
}

/** One run: the chain as it grows. */
class Run {
  readonly made: Sealed = { seals: 0, rows: 0, late_rows: 0 };

  constructor(
    readonly db: Database,
    readonly now: string,
    public newest: Seal | undefined,
  ) {}

  /** @throws ChainMoved */
  async append(rows: readonly PlacedRow[]): Promise<void> {
    const skipHash = await hashNumbered(this.db, skipOf((this.newest?.number ?? 0) + 1));
    const facts = { previous: this.newest, skipHash, sealedAt: this.now };
    const { seal, leaves } = makeSeal(
      rows.map(({ row }) => row),
      facts,
    );
    const params = { seal, leaves: leaves.toString('base64') };
    if (!(await this.db.query<boolean>('audit-seals/append', params))) throw new ChainMoved();
    this.newest = seal;
    this.made.seals += 1;
    this.made.rows += rows.length;
    if (seal.late) this.made.late_rows += rows.length;
  }
}

/** Settled rows that come after all that is sealed, window by window. */
async function* freshRows(run: Run, oldest: bigint, edge: bigint, signal: AbortSignal): AsyncGenerator<PlacedRow[]> {
  const frontier = run.newest === undefined ? BEFORE_ALL : placeOfId(run.newest.sealed_through);
  let since = secondOf(frontier.nanos > oldest ? frontier.nanos : oldest);
  let width = FIRST_WIDTH_NS;
  while (since < edge && !signal.aborted) {
    const until = since + width < edge ? since + width : edge;
    const rows = await run.db.query<number>('audit-seals/count', { from: timeOf(since), to: timeOf(until) });
    if (rows > MANY_ROWS && until - since > SECOND_NS) {
      width = secondOf(width / 4n) || SECOND_NS;
      continue;
    }
    const after = since <= frontier.nanos ? frontier : { nanos: since, uuid: '' };
    if (rows > 0) yield (await rowsAfter(run.db, after, until, Number.MAX_SAFE_INTEGER)) ?? [];
    since = until;
    if (rows < FEW_ROWS && width < MAX_WIDTH_NS) width *= 4n;
  }
}

async function sealAll(db: Database, signal: AbortSignal): Promise<Sealed> {
  const { now } = await db.query<Head>('audit/head');
  const { oldest } = await db.query<{ oldest?: string }>('audit/span');
  const run = new Run(db, now, await newestSeal(db));
  if (run.newest !== undefined && hashOfSeal(run.newest) !== run.newest.hash)
    throw new Error(`Seal ${run.newest.number} of the audit log is not as it was made: npm run audit:verify`);
  if (oldest === undefined) return run.made;
  // Only whole seconds: within one, keys are not in the order of time.
  const edge = secondOf(nanosOf(now) - BigInt(SETTLE_SECONDS) * SECOND_NS);
  const oldestNanos = nanosOf(oldest) - SECOND_NS;
  try {
    if (run.newest !== undefined)
      for await (const rows of lateRows(db, run.newest, oldestNanos)) if (!signal.aborted) await run.append(rows);
    let pending: PlacedRow[] = [];
    for await (const rows of freshRows(run, oldestNanos, edge, signal)) {
      pending = pending.concat(rows);
      while (pending.length >= MAX_SEAL_ROWS && !signal.aborted) await run.append(pending.splice(0, MAX_SEAL_ROWS));
    }
    if (pending.length > 0 && !signal.aborted) await run.append(pending);
  } catch (error) {
    // The lease was lost to a node that has gone on: its seals are as good.
    if (!(error instanceof ChainMoved) && !isAcervoError(error, 'database:conflict')) throw error;
  }
  return run.made;
}

/**
 * Seals all rows that are settled and not sealed yet. Of several nodes the one that holds the lease does it; should two
 * be at it all the same, a seal that is not the next one of the chain is refused (surql/queries/audit-seals/append).
 * @returns what was sealed; undefined when another node is at it
 * @throws AcervoError `database:unavailable`: the next run goes on from the newest seal
 */
export async function sealSettled(
  { db, control }: Pick<Services, 'db' | 'control'>,
  holder: string,
): Promise<Sealed | undefined> {
  return withLease(control, { name: 'audit-seal', holder, ttlMs: LEASE_TTL_MS }, (signal) => sealAll(db, signal));
}

/** Seals every `intervalSeconds`, until stopped; see `startRounds`. */
export function startSealer(services: Services, intervalSeconds: number): () => Promise<void> {
  const holder = randomUUID();
  const failed = 'the audit log could not be sealed; the next run tries again';
  return startRounds(services.log, { intervalMs: intervalSeconds * 1000, failed, atOnce: true }, async () => {
    const sealed = await sealSettled(services, holder);
    if (sealed !== undefined && sealed.late_rows > 0)
      services.log.warn({ rows: sealed.late_rows }, 'audit rows have appeared late; they are in a late seal');
    const newest = await newestSeal(services.db);
    if (newest) services.metrics.auditSealedThrough.set(Number(placeOfId(newest.sealed_through).nanos) / 1e9);
  });
}
