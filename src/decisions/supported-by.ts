import type { Context } from '../context.js';
import type { Decision } from './schemas.js';

/** A decision, as what it stands on shows it. */
export type RelatedDecision = Pick<Decision, 'id' | 'decision_type' | 'outcome' | 'agent_id'>;

/**
 * The decisions that documents are evidence of, of those that this key may read: at most 20 a document (of its newest
 * 1 000), newest ids first, in one query. Whether the key may see the documents is the caller's concern.
 * @returns by document id; documents that support nothing are left out
 */
export async function decisionsSupportedBy(
  ctx: Context,
  knowledgeIds: string[],
): Promise<Map<string, RelatedDecision[]>> {
  if (knowledgeIds.length === 0) return new Map();
  const found = await ctx.db.query<{ id: string; decisions: RelatedDecision[] }[]>('decisions/supported-by', {
    ids: knowledgeIds,
    bound_agent: ctx.principal.agent_id,
  });
  return new Map(found.flatMap(({ id, decisions }) => (decisions.length > 0 ? [[id, decisions]] : [])));
}
