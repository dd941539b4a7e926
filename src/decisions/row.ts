import type { Context } from '../context.js';
import { AcervoError } from '../errors/error.js';
import { maySee } from '../keys/bound-agent.js';
import { visibleLinks } from './links.js';
import type { Decision, DecisionDetail } from './schemas.js';

/** A decision as the database has it, with what stands beside its row. */
export type DecisionRow = DecisionDetail;

/**
 * A decision that this key may read, with its reasoning, and with the ids of those of its evidence and products that it
 * may read too.
 * @throws AcervoError `decision:not_found` when there is none, or it belongs to another agent than the key's
 */
export async function readDecision(ctx: Context, id: string): Promise<DecisionRow> {
  const bound_agent = ctx.principal.agent_id;
  const row = await ctx.db.query<DecisionRow | undefined | null>('decisions/get', { id, bound_agent });
  if (!row || !maySee(ctx.principal, row)) throw new AcervoError('decision:not_found');
  return { ...row, ...visibleLinks(ctx, row) };
}

/** The columns that clients see in lists and hits: all but the reasoning. */
export function publicDecision(row: Decision): Decision {
  const { id, agent_id, session_id, decision_type, outcome, metadata, created_at, updated_at, revision } = row;
  const { passage_count, size_bytes, embedding_status, embedding_error } = row;
  const said = { id, agent_id, session_id, decision_type, outcome, metadata, created_at, updated_at, revision };
  return { ...said, passage_count, size_bytes, embedding_status, embedding_error };
}

/** @throws AcervoError `decision:not_found` */
export async function getDecision(ctx: Context, id: string): Promise<DecisionDetail> {
  const row = await readDecision(ctx, id);
  const { reasoning, evidence, products } = row;
  return { ...publicDecision(row), reasoning, evidence, products };
}
