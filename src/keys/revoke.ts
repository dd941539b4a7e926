import type { Context } from '../context.js';
import { retryConflicts } from '../surreal/retry-conflicts.js';
import { configuredKeyId } from './admin-key.js';
import { holderCacheOf } from './holder-cache.js';

/**
 * Ends a key: at once on this node, within 5 s on others. Ending it again changes nothing.
 * @throws AcervoError `key:not_found`, `key:configured`, `key:last_admin` (nobody could manage keys any more)
 */
export async function revokeKey(ctx: Context, id: string): Promise<void> {
  const { principal } = ctx;
  const params = { id, bound_agent: principal.agent_id, configured: configuredKeyId(ctx.config), now: ctx.clock() };
  const ended = await retryConflicts(() => ctx.control.query<boolean>('keys/revoke', params));
  holderCacheOf(ctx.control).drop(id);
  if (ended) ctx.log.info({ changed_key_id: id, actor_key_id: principal.key_id, action: 'revoke' }, 'key revoked');
}
