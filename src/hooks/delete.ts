import { auditDraft } from '../audit/draft.js';
import type { Context } from '../context.js';
import { answeredBefore } from '../surreal/answered.js';
import { readHook } from './row.js';

/**
 * Deletes a hook; nothing more is sent.
 * @throws AcervoError `hook:not_found`, `revision:mismatch`
 */
export async function deleteHook(
  ctx: Context,
  id: string,
  expectedRevision: number | undefined,
): Promise<{ audit_id: string | undefined }> {
  const before = await answeredBefore(ctx.db, ctx.operation);
  if (before !== undefined) return before;
  const { row } = await readHook(ctx, id);
  return ctx.db.transact({
    query: 'hooks/delete',
    params: { id, expected_revision: expectedRevision },
    operation: ctx.operation,
    audit: auditDraft(ctx, `hook:${id}`, row.agent_id),
  });
}
