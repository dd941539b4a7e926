import type { Context } from '../context.js';
import { DECISION_COLUMNS } from '../search/filter/ast.js';
import { type ListInput, listRows } from '../search/list-rows.js';
import { publicDecision } from './row.js';
import type { Decision } from './schemas.js';

const LISTED = { table: 'agent_decisions', columns: DECISION_COLUMNS, cursorKind: 'decisions' } as const;

/** A page of decisions, without their reasoning. @throws AcervoError `filter:*`, `cursor:*` */
export async function listDecisions(
  ctx: Context,
  input: ListInput,
): Promise<{ decisions: Decision[]; cursor?: string }> {
  const { rows, ...page } = await listRows<Decision>(ctx, LISTED, input);
  return { decisions: rows.map(publicDecision), ...page };
}
