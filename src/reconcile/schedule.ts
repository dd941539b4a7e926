import { randomUUID } from 'node:crypto';
import { systemContext } from '../artifacts/system.js';
import type { Services } from '../context.js';
import { isAcervoError } from '../errors/error.js';
import { startRounds } from '../rounds.js';
import { withLease } from '../surreal/lease.js';
import { settleDue } from './due.js';
import { countFindings, reconcile } from './reconcile.js';

const ROUND_MS = 60_000;
const LEASE_TTL_MS = 15_000;

/**
 * Settles what is due, without a walk: so that a reservation ends when it is over. Of several nodes the one that holds
 * the lease does it.
 * @returns how many were found
 * @throws AcervoError `objects:unavailable`, `database:unavailable`; the signal's reason when it is aborted
 */
export async function settleDueNow(services: Services, signal: AbortSignal): Promise<number> {
  const ctx = systemContext(services, 'reconcile');
  const lease = { name: 'reconcile-due', holder: randomUUID(), ttlMs: LEASE_TTL_MS, stop: signal };
  const found = await withLease(services.control, lease, async (over) => {
    let count = 0;
    const options = { now: ctx.clock(), after: '', apply: true, signal: over };
    for await (const step of settleDue(ctx, options)) {
      countFindings(ctx, step);
      count += step.findings.length;
    }
    return count;
  });
  return found ?? 0;
}

/**
 * Runs the walk when the last one that settled what it found, of whatever node, was so long ago: one that only looked
 * does not stand in for it. One that was broken off goes on.
 * @throws AcervoError those of `reconcile`
 */
export async function walkWhenDue(services: Services, intervalSeconds: number, signal: AbortSignal): Promise<void> {
  const [applied, running] = await Promise.all([
    services.db.query<string | undefined>('reconcile/applied'),
    services.control.query<boolean>('reconcile/running'),
  ]);
  const elapsedMs = services.clock().getTime() - Date.parse(applied ?? '1970-01-01T00:00:00Z');
  if (running || elapsedMs < intervalSeconds * 1000) return;
  const { id, counts, left, objects_seen } = await reconcile(services, { apply: true, resume: true, signal });
  if (Object.keys(counts).length > 0) services.log.info({ id, counts, left, objects_seen }, 'reconciled');
}

/**
 * Settles what is due every minute, and all of both sides every `intervalSeconds` (0: only by hand), until stopped. A
 * round that failed goes on in the next one; see `startRounds`.
 */
export function startReconcile(services: Services, intervalSeconds: number): () => Promise<void> {
  const failed = 'a reconcile was broken off; the next round goes on there';
  return startRounds(services.log, { intervalMs: ROUND_MS, failed, atOnce: false }, async (stopped) => {
    const found = await settleDueNow(services, stopped);
    if (found > 0) services.log.info({ found }, 'due artifacts were settled');
    try {
      if (intervalSeconds > 0) await walkWhenDue(services, intervalSeconds, stopped);
    } catch (error) {
      if (!isAcervoError(error, 'reconcile:running')) throw error;
    }
  });
}
