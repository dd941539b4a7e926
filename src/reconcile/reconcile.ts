import { randomUUID } from 'node:crypto';
import { systemContext } from '../artifacts/system.js';
import type { Context, Services } from '../context.js';
import { AcervoError } from '../errors/error.js';
import { withLease } from '../surreal/lease.js';
import { retryConflicts } from '../surreal/retry-conflicts.js';
import { settleDue } from './due.js';
import { addStep, emptyReport, type Mode, type Position, type Step } from './report.js';
import type { ReconcileReport, ReconcileStatus, Unfinished } from './schemas.js';
import { abortUploads } from './uploads.js';
import { walkBucket } from './walk.js';

/** After a crash so long nobody else can begin. */
const LEASE_TTL_MS = 15_000;
const KEPT_RUNS = 100;

export interface ReconcileOptions {
  /** False: only look. */
  apply: boolean;
  /** Read objects back and compare digests. */
  checksums?: boolean;
  /** Go on where a run of the same kind was broken off; else everything is looked at from the beginning. */
  resume?: boolean;
  signal: AbortSignal;
}

interface Run {
  report: Unfinished;
  position: Position | undefined;
}

/**
 * Makes the database and the object store agree, or says where they do not: due pointers, then bucket by bucket a walk
 * of both sides and the unfinished uploads. One run at a time in an installation. Where it has come to is kept after
 * every step, in bounded memory.
 * @throws AcervoError `reconcile:running`, `objects:unavailable`, `database:unavailable`; the signal's reason when it is
 *   aborted
 */
export async function reconcile(services: Services, options: ReconcileOptions): Promise<ReconcileReport> {
  const lease = { name: 'reconcile', holder: randomUUID(), ttlMs: LEASE_TTL_MS, stop: options.signal };
  const report = await withLease(services.control, lease, (signal) =>
    run(systemContext(services, 'reconcile'), { ...options, signal }),
  );
  if (report === undefined) throw new AcervoError('reconcile:running', { retryAfterSeconds: LEASE_TTL_MS / 1000 });
  services.metrics.reconcileLastSuccess.set(services.clock().getTime() / 1000);
  return report;
}

async function run(ctx: Context, options: ReconcileOptions): Promise<ReconcileReport> {
  const mode: Mode = { apply: options.apply, checksums: options.checksums ?? false };
  const broken = options.resume ? await brokenOff(ctx, mode) : undefined;
  const { report, position } = broken ?? { report: emptyReport(mode, ctx.clock()), position: undefined };
  const adopts = ctx.config.objects.unknownObjects === 'adopt';
  for await (const step of steps(ctx, { report, position }, options.signal)) {
    countFindings(ctx, step);
    addStep(report, step, { adopts });
    await retryConflicts(() => ctx.db.query('reconcile/save', { position: step.position, report }));
  }
  const finished = { ...report, finished_at: ctx.clock().toISOString() };
  await retryConflicts(() => ctx.db.query('reconcile/finish', { id: report.id, report: finished, keep: KEPT_RUNS }));
  return finished;
}

/** The run that was broken off, if it was of this kind. */
async function brokenOff(ctx: Context, { apply, checksums }: Mode): Promise<Run | undefined> {
  const state = await ctx.db.query<Partial<Run> | undefined>('reconcile/state');
  const { report, position } = state ?? {};
  if (report === undefined || report.apply !== apply || report.checksums !== checksums) return undefined;
  return { report, position };
}

async function* steps(ctx: Context, { report, position }: Run, signal: AbortSignal): AsyncGenerator<Step> {
  const { apply, checksums } = report;
  const now = new Date(report.started_at);
  if (position === undefined || position.pass === 'due')
    yield* settleDue(ctx, { now, after: position?.key ?? '', apply, signal });
  const buckets = ctx.config.objects.buckets.map(({ name }) => name);
  const first = buckets.indexOf(position?.bucket ?? '');
  for (const bucket of buckets.slice(Math.max(0, first))) {
    const from = position?.bucket === bucket ? position : { pass: 'walk' as const, bucket, key: '' };
    if (from.pass === 'walk') yield* walkBucket(ctx, bucket, { apply, checksums, from, startedAt: now, signal });
    yield* abortUploads(ctx, bucket, { now, apply, signal });
  }
}

export function countFindings({ metrics }: Pick<Services, 'metrics'>, { findings }: Step): void {
  for (const { kind, settled } of findings) metrics.reconcileFindings.inc({ kind, settled: String(settled) });
}

/**
 * The last run that was finished, and whether one is under way.
 * @throws AcervoError `database:unavailable`
 */
export async function reconcileStatus({ db, control }: Pick<Services, 'db' | 'control'>): Promise<ReconcileStatus> {
  const [run, running] = await Promise.all([
    db.query<ReconcileReport | undefined>('reconcile/last'),
    control.query<boolean>('reconcile/running'),
  ]);
  return { run: run ?? null, running };
}
