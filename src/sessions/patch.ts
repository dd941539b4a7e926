import type { Context } from '../context.js';
import { type ChangedSession, changeSession } from './change.js';
import { patched, type SessionPatch } from './states.js';

/**
 * Changes state, status or metadata of a session. Without `expectedRevision` the patch is applied to what is current:
 * patches of several writers all come through.
 * @throws AcervoError those of `changeSession` and `patched`
 */
export function patchSession(
  ctx: Context,
  id: string,
  patch: SessionPatch,
  expectedRevision?: number,
): Promise<ChangedSession> {
  return changeSession(ctx, id, (row) => patched(row, patch), { operation: ctx.operation, expectedRevision });
}
