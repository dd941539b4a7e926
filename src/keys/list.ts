import type { Context } from '../context.js';
import { digestOf } from '../http/digest.js';
import { type KeyPage, type KeyRow, publicKey } from './schemas.js';

const CURSOR_KIND = 'keys';

export interface ListInput {
  include_revoked: boolean;
  limit: number;
  cursor?: string | undefined;
}

/**
 * A page of the keys that the asking key may see, newest first.
 * @throws AcervoError `cursor:invalid`, `cursor:expired`
 */
export async function listKeys(ctx: Context, { include_revoked, limit, cursor }: ListInput): Promise<KeyPage> {
  const digest = digestOf([ctx.principal.key_id, include_revoked]);
  const rows = await ctx.control.query<KeyRow[]>('keys/list', {
    bound_agent: ctx.principal.agent_id,
    include_revoked,
    before: cursor === undefined ? undefined : ctx.cursors.verify(CURSOR_KIND, cursor, digest),
    // One more than asked for tells whether there is another page.
    limit: limit + 1,
  });
  const keys = rows.slice(0, limit).map(publicKey);
  const last = keys.at(-1);
  if (rows.length <= limit || last === undefined) return { keys };
  const { id, created_at } = last;
  return { keys, cursor: ctx.cursors.sign(CURSOR_KIND, { id, created_at }, digest) };
}
