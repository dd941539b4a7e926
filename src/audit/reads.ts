import { v7 as uuidv7 } from 'uuid';
import type { Services } from '../context.js';
import type { Gate } from '../http/authenticate.js';
import type { Route } from '../http/route.js';
import { auditDraft } from './draft.js';
import { resourceOf } from './failures.js';

/** Rows that wait at most; what comes beyond them is dropped, counted and told. */
export const MAX_WAITING = 10_000;
const BATCH_ROWS = 200;
const FLUSH_MS = 1_000;

export interface ReadRecorder {
  onRead: NonNullable<Gate['onRead']>;
  /** Writes what waits and ends. */
  stop(): Promise<void>;
}

/** Is this a read of one resource, of its content, or a search? Lists and reads of the log itself are not recorded. */
function isRead({ method, path, scope }: Route): boolean {
  if (scope === 'public' || scope === 'own' || path.startsWith('/v1/audit')) return false;
  return path.endsWith('/search') || (method === 'GET' && path.includes('{id}'));
}

/**
 * Records reads in the audit log, in batches a second apart. **Best effort**: reads that have waited when the process
 * is killed are lost, and so are those that come while 10 000 wait; these are counted and logged. A read's time is that
 * of its batch. A change or a refusal is never recorded this way.
 */
export function createReadRecorder({ db, log, metrics }: Pick<Services, 'db' | 'log' | 'metrics'>): ReadRecorder {
  let waiting: object[] = [];
  let dropped = 0;
  let flushing: Promise<void> | undefined;

  const drop = (rows: number) => {
    dropped += rows;
    metrics.auditRowsDropped.inc({ kind: 'read' }, rows);
  };
  async function writeBatch(rows: object[]): Promise<void> {
    try {
      const operation = { id: uuidv7(), request_digest: '' };
      await db.transact({ query: 'audit/record-many', params: { rows }, operation, audit: { resource: 'route' } });
    } catch (error) {
      log.warn({ err: error, rows: rows.length }, 'reads could not be recorded');
      drop(rows.length);
    }
  }
  async function flush(): Promise<void> {
    while (waiting.length > 0) await writeBatch(waiting.splice(0, BATCH_ROWS));
    if (dropped > 0) log.warn({ dropped }, 'reads were not recorded');
    dropped = 0;
    flushing = undefined;
  }
  const timer = setInterval(() => {
    flushing ??= flush();
  }, FLUSH_MS);

  return {
    onRead(ctx, route, id) {
      if (!isRead(route)) return;
      if (waiting.length >= MAX_WAITING) return drop(1);
      waiting.push({ ...auditDraft(ctx, resourceOf(route, id)), action: 'READ', status: 'SUCCESS' });
    },
    async stop() {
      clearInterval(timer);
      await flushing;
      await flush();
      waiting = [];
    },
  };
}
