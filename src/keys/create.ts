import type { Context } from '../context.js';
import { AcervoError, isAcervoError } from '../errors/error.js';
import { retryConflicts } from '../surreal/retry-conflicts.js';
import { actingAgent } from './bound-agent.js';
import { requireScopes } from './require-scopes.js';
import type { CreateInput, KeyWithToken } from './schemas.js';
import { newToken } from './token.js';

function expiryOf(input: CreateInput, now: Date): Date | undefined {
  if (input.expires_in_seconds !== undefined) return new Date(now.getTime() + input.expires_in_seconds * 1000);
  if (input.expires_at === undefined) return undefined;
  const expiry = new Date(input.expires_at);
  if (expiry > now) return expiry;
  throw new AcervoError('request:invalid', { faults: [{ path: 'expires_at', message: 'is in the past' }] });
}

/** The token cannot be shown again; what helps is to know which key it was. */
export function namingTheKey(error: unknown, id: string): unknown {
  if (!isAcervoError(error, 'key:exists')) return error;
  return new AcervoError('key:exists', { detail: `It made the key ${id}. If its token was lost, rotate that key.` });
}

/**
 * Makes a key and returns its token, this once. Its id is the operation's: a request sent again under its
 * Idempotency-Key makes no second key.
 * @throws AcervoError `auth:scope_missing`, `auth:agent_mismatch`, `key:exists`, `idempotency:key_reused`,
 *   `request:invalid`, `auth:invalid` (the asking key has ended meanwhile)
 */
export async function createKey(ctx: Context, input: CreateInput): Promise<KeyWithToken> {
  // No key grants what it lacks.
  requireScopes(ctx, input.scopes);
  const now = ctx.clock();
  const { id, request_digest } = ctx.operation;
  const { token, prefix, hash } = newToken();
  const row = {
    name: input.name,
    prefix,
    scopes: input.scopes,
    agent_id: actingAgent(ctx, input.agent_id),
    created_at: now,
    expires_at: expiryOf(input, now),
  };
  const stored = { ...row, hash, request_digest: request_digest === '' ? undefined : request_digest };
  const params = { id, actor: ctx.principal.key_id, row: stored, now };
  try {
    await retryConflicts(() => ctx.control.query('keys/create', params));
  } catch (error) {
    throw namingTheKey(error, id);
  }
  ctx.log.info({ changed_key_id: id, actor_key_id: ctx.principal.key_id, action: 'create' }, 'key created');
  return { id, ...row, created_at: now.toISOString(), expires_at: row.expires_at?.toISOString(), token };
}
