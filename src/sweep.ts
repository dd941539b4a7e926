import { randomUUID } from 'node:crypto';
import type { Services } from './context.js';
import { startRounds } from './rounds.js';
import { withLease } from './surreal/lease.js';

const PAGE_ROWS = 500;
const LEASE_TTL_MS = 60_000;

/**
 * Forgets the operations whose time is over. Of several nodes the one that holds the lease does it.
 * @returns how many were forgotten
 * @throws AcervoError `database:unavailable`: the next sweep goes on from here
 */
export async function sweepOperations({ db, control }: Pick<Services, 'db' | 'control'>, holder: string) {
  const swept = await withLease(control, { name: 'sweep', holder, ttlMs: LEASE_TTL_MS }, async (signal) => {
    let total = 0;
    let page = PAGE_ROWS;
    while (page === PAGE_ROWS && !signal.aborted) {
      page = await db.query<number>('idempotency/sweep', { limit: PAGE_ROWS });
      total += page;
    }
    return total;
  });
  return swept ?? 0;
}

/** Sweeps now and then every `intervalMs`, until stopped; see `startRounds`. */
export function startSweep(services: Services, intervalMs: number): () => Promise<void> {
  const holder = randomUUID();
  const failed = 'old operations could not be forgotten; the next sweep tries again';
  return startRounds(services.log, { intervalMs, failed, atOnce: true }, async () => {
    const operations = await sweepOperations(services, holder);
    if (operations > 0) services.log.info({ operations }, 'old operations were forgotten');
  });
}
