import { auditDraft } from '../audit/draft.js';
import type { Context } from '../context.js';

/**
 * Deletes a decision with its reasoning, passages, vectors and edges, in one transaction.
 * @throws AcervoError `decision:not_found`, `revision:mismatch`
 */
export async function deleteDecision(
  ctx: Context,
  id: string,
  ifMatch?: number,
): Promise<{ id: string; revision: number; audit_id: string | undefined }> {
  const { answer, audit_id } = await ctx.db.transact<{ id: string; revision: number }>({
    query: 'decisions/delete',
    params: { id, bound_agent: ctx.principal.agent_id, expected_revision: ifMatch },
    operation: ctx.operation,
    audit: auditDraft(ctx, `decision:${id}`),
  });
  return { ...answer, audit_id };
}
