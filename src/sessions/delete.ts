import { auditDraft } from '../audit/draft.js';
import type { Context } from '../context.js';

/**
 * Deletes a session with its vectors and its edges; its artifacts stay.
 * @throws AcervoError `session:not_found`, `revision:mismatch`
 */
export async function deleteSession(
  ctx: Context,
  id: string,
  expectedRevision?: number,
): Promise<{ audit_id: string | undefined }> {
  const { audit_id } = await ctx.db.transact({
    query: 'sessions/delete',
    params: { id, bound_agent: ctx.principal.agent_id, expected_revision: expectedRevision },
    operation: ctx.operation,
    audit: auditDraft(ctx, `session:${id}`),
  });
  return { audit_id };
}
