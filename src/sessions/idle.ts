import { randomUUID } from 'node:crypto';
import { systemContext } from '../artifacts/system.js';
import type { Services } from '../context.js';
import { isAcervoError } from '../errors/error.js';
import { startRounds } from '../rounds.js';
import { withLease } from '../surreal/lease.js';
import { changeSession } from './change.js';
import type { SessionRow } from './row.js';
import { abandoned } from './states.js';

const PAGE_SESSIONS = 100;
const LEASE_TTL_MS = 15_000;
/** A round begins so often, or twice in the idle time where that is shorter. */
const MAX_INTERVAL_MS = 60_000;

interface Idle {
  id: string;
  revision: number;
  last_active_at: string;
}

/** @returns whether it was abandoned; not when it has come to life, or is gone, since it was found idle */
async function abandon(services: Services, { id, revision, last_active_at }: Idle): Promise<boolean> {
  try {
    // What is made in a session is a sign of life that leaves its revision.
    const decide = (row: SessionRow) => (row.last_active_at === last_active_at ? abandoned(row) : undefined);
    const options = { expectedRevision: revision };
    const { audit_id } = await changeSession(systemContext(services, 'sessions'), id, decide, options);
    return audit_id !== undefined;
  } catch (error) {
    if (isAcervoError(error, 'revision:mismatch') || isAcervoError(error, 'session:not_found')) return false;
    throw error;
  }
}

/**
 * One round: abandons the sessions that have shown no sign of life for `idleSeconds`, by the database's clock.
 * Whichever node holds the lease does it.
 * @returns how many
 * @throws AcervoError `database:unavailable`: the next round goes on from here
 */
export async function abandonIdle(services: Services, holder: string, idleSeconds: number): Promise<number> {
  const lease = { name: 'sessions-idle', holder, ttlMs: LEASE_TTL_MS };
  const count = await withLease(services.control, lease, async (signal) => {
    let total = 0;
    for (;;) {
      const query = { idle_seconds: idleSeconds, limit: PAGE_SESSIONS };
      const page = await services.db.query<Idle[]>('sessions/idle', query);
      let left = 0;
      for (const idle of page) {
        if (signal.aborted) return total;
        if (await abandon(services, idle)) left += 1;
      }
      total += left;
      services.metrics.sessionsAbandoned.inc(left);
      // What came to life is not found again; a page of which nothing could be done ends the round all the same.
      if (left === 0) return total;
    }
  });
  return count ?? 0;
}

/** Runs rounds until stopped, with 0 seconds none; see `startRounds`. */
export function startSessionWorker(services: Services, idleSeconds: number): () => Promise<void> {
  if (idleSeconds === 0) return () => Promise.resolve();
  const holder = randomUUID();
  const intervalMs = Math.min(MAX_INTERVAL_MS, idleSeconds * 500);
  const failed = 'idle sessions could not be abandoned; the next round tries again';
  return startRounds(services.log, { intervalMs, failed, atOnce: false }, async () => {
    const sessions = await abandonIdle(services, holder, idleSeconds);
    if (sessions > 0) services.log.info({ sessions }, 'idle sessions were abandoned');
  });
}
