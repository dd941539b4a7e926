import type { Context } from '../context.js';
import { AcervoError } from '../errors/error.js';
import { type Key, type KeyRow, publicKey } from './schemas.js';

/**
 * A key that the asking key may see: any, or for a key bound to an agent those of the same agent.
 * @throws AcervoError `key:not_found`
 */
export async function getKey(ctx: Context, id: string): Promise<Key> {
  const row = await ctx.control.query<KeyRow | undefined | null>('keys/get', {
    id,
    bound_agent: ctx.principal.agent_id,
  });
  if (!row) throw new AcervoError('key:not_found');
  return publicKey(row);
}
