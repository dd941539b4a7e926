import type { Context } from '../context.js';
import { digestOf } from '../http/digest.js';
import { parseJson } from '../http/json.js';
import { compileList } from '../search/compile.js';
import { DECISION_COLUMNS } from '../search/filter/ast.js';
import { parseFilter } from '../search/filter/parse.js';
import { visibleTo } from '../search/plan.js';
import { publicDecision } from './row.js';
import type { Decision } from './schemas.js';

const CURSOR_KIND = 'decisions';

export interface ListInput {
  /** The filter of a search over decisions, as JSON text. */
  filter?: string | undefined;
  order: 'asc' | 'desc';
  limit: number;
  cursor?: string | undefined;
}

/**
 * A page of decisions in the order of their ids (for ids made here: of their making), without their reasoning.
 * @throws AcervoError `filter:*`, `cursor:*`, `request:malformed_json`
 */
export async function listDecisions(
  ctx: Context,
  { filter: filterText, order, limit, cursor }: ListInput,
): Promise<{ decisions: Decision[]; cursor?: string }> {
  const digest = digestOf([ctx.principal.key_id, filterText, order]);
  const after = cursor === undefined ? undefined : String(ctx.cursors.verify(CURSOR_KIND, cursor, digest).after);
  const filter = parseFilter(filterText === undefined ? {} : parseJson(Buffer.from(filterText)), DECISION_COLUMNS);
  // One more than asked for tells whether there is another page.
  const page = { after, descending: order === 'desc', limit: limit + 1 };
  const rows = await ctx.db.run<Decision[]>(compileList('agent_decisions', visibleTo(ctx, filter) ?? filter, page));
  const decisions = rows.slice(0, limit).map(publicDecision);
  const last = decisions.at(-1);
  const more = rows.length > limit && last !== undefined;
  return { decisions, ...(more ? { cursor: ctx.cursors.sign(CURSOR_KIND, { after: last.id }, digest) } : {}) };
}
