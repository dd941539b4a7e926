import type { Services } from '../context.js';
import { withLease } from '../surreal/lease.js';

const PAGE_EVENTS = 500;
const LEASE_TTL_MS = 60_000;
/** Days after which an event is forgotten: by then no store sends it again, and nobody looks into a dead letter. */
const KEPT_DAYS = { applied: 30, ignored: 30, dead: 90 } as const;

/**
 * Forgets events that are long over. Of several nodes the one that holds the lease does it.
 * @returns how many were forgotten
 * @throws AcervoError `database:*`: the next time goes on from here
 */
export async function forgetEvents({ db, control }: Pick<Services, 'db' | 'control'>, holder: string): Promise<number> {
  const lease = { name: 'bucket-events-forget', holder, ttlMs: LEASE_TTL_MS };
  const forgotten = await withLease(control, lease, async (signal) => {
    let total = 0;
    for (const [status, days] of Object.entries(KEPT_DAYS)) {
      let page = PAGE_EVENTS;
      while (page === PAGE_EVENTS && !signal.aborted) {
        page = await db.query<number>('bucket-events/forget', { status, days, limit: PAGE_EVENTS });
        total += page;
      }
    }
    return total;
  });
  return forgotten ?? 0;
}
