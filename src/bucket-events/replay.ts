import type { Context } from '../context.js';
import { AcervoError } from '../errors/error.js';
import { retryConflicts } from '../surreal/retry-conflicts.js';
import { publicEvent, type StoredRow } from './list.js';
import type { StoredEvent } from './schemas.js';

/**
 * Takes a dead letter up again, as if it had just come.
 * @throws AcervoError `event:not_found`, `event:not_dead`
 */
export async function replayEvent(ctx: Context, id: string): Promise<StoredEvent> {
  if (ctx.principal.agent_id !== undefined) throw new AcervoError('event:not_found');
  const row = await retryConflicts(() => ctx.db.query<StoredRow>('bucket-events/replay', { id }));
  ctx.bucketEvents.wake();
  return publicEvent(row);
}
