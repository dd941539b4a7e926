import type { Context } from '../context.js';
import { retryConflicts } from '../surreal/retry-conflicts.js';
import { configuredKeyId } from './admin-key.js';
import { namingTheKey } from './create.js';
import { holderCacheOf } from './holder-cache.js';
import { type KeyRow, type KeyWithToken, publicKey, type RotateInput } from './schemas.js';
import { newToken } from './token.js';

/**
 * Puts a new key with the same name, scopes, agent and expiry in the place of one that works; the old token ends at
 * once or after the grace.
 * @throws AcervoError `key:not_found`, `key:ended`, `key:configured`, `key:exists`, `idempotency:key_reused`,
 *   `auth:scope_missing` (the key has scopes that the asking key lacks), `auth:invalid` (the asking key has ended)
 */
export async function rotateKey(ctx: Context, id: string, { grace_seconds }: RotateInput): Promise<KeyWithToken> {
  const now = ctx.clock();
  const { operation, principal } = ctx;
  const { token, prefix, hash } = newToken();
  const params = {
    id,
    new_id: operation.id,
    hash,
    prefix,
    request_digest: operation.request_digest === '' ? undefined : operation.request_digest,
    actor: principal.key_id,
    bound_agent: principal.agent_id,
    configured: configuredKeyId(ctx.config),
    now,
    grace_ends_at: grace_seconds === 0 ? undefined : new Date(now.getTime() + grace_seconds * 1000),
  };
  let row: Omit<KeyRow, 'id'>;
  try {
    row = await retryConflicts(() => ctx.control.query<Omit<KeyRow, 'id'>>('keys/rotate', params));
  } catch (error) {
    throw namingTheKey(error, operation.id);
  }
  holderCacheOf(ctx.control).drop(id);
  const facts = { changed_key_id: id, new_key_id: operation.id, actor_key_id: principal.key_id, action: 'rotate' };
  ctx.log.info(facts, 'key rotated');
  return { ...publicKey({ ...row, id: operation.id }), token };
}
