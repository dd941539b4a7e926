import { auditDraft } from '../audit/draft.js';
import type { Context } from '../context.js';

/**
 * Deletes a document with its content, passages and vectors, in one transaction.
 * @throws AcervoError `knowledge:not_found`, `revision:mismatch`
 */
export async function deleteDocument(
  ctx: Context,
  id: string,
  ifMatch?: number,
): Promise<{ id: string; revision: number; audit_id: string | undefined }> {
  const { answer, audit_id } = await ctx.db.transact<{ id: string; revision: number }>({
    query: 'knowledge/delete',
    params: { id, bound_agent: ctx.principal.agent_id, expected_revision: ifMatch },
    operation: ctx.operation,
    audit: auditDraft(ctx, `knowledge:${id}`),
  });
  return { ...answer, audit_id };
}
