import type { Context } from '../context.js';
import { digestOf } from '../http/digest.js';
import type { ListInput, StoredEvent } from './schemas.js';

const CURSOR_KIND = 'bucket-events';

/**
 * A page of events of one status, newest first. A key that is bound to an agent sees none: they belong to nobody.
 * @throws AcervoError `cursor:invalid`, `cursor:expired`
 */
export async function listEvents(
  ctx: Context,
  { cursor, limit, ...filter }: ListInput,
): Promise<{ events: StoredEvent[]; cursor?: string }> {
  const digest = digestOf([ctx.principal.key_id, filter]);
  const before = cursor === undefined ? undefined : ctx.cursors.verify(CURSOR_KIND, cursor, digest);
  if (ctx.principal.agent_id !== undefined) return { events: [] };
  const { status, bucket, outcome } = filter;
  // One more than asked for tells whether there is another page.
  const page = { status, bucket, outcome, before, limit: limit + 1 };
  const rows = (await ctx.db.query<StoredRow[]>('bucket-events/list', page)).map(publicEvent);
  const events = rows.slice(0, limit);
  const last = events.at(-1);
  if (rows.length <= limit || last === undefined) return { events };
  const { id, received_at } = last;
  return { events, cursor: ctx.cursors.sign(CURSOR_KIND, { id, received_at }, digest) };
}

export type StoredRow = StoredEvent & { due_at: string };

/** What clients see of a row. */
export function publicEvent({ due_at: _due, ...event }: StoredRow): StoredEvent {
  return event;
}
