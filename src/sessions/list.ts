import type { Context } from '../context.js';
import { digestOf } from '../http/digest.js';
import { parseJson } from '../http/json.js';
import { compileList } from '../search/compile.js';
import { type Filter, SESSION_COLUMNS } from '../search/filter/ast.js';
import { parseFilter } from '../search/filter/parse.js';
import { visibleTo } from '../search/plan.js';
import { type SessionRow, type SessionStatus, sessionSummary } from './row.js';
import type { SessionSummary } from './schemas.js';

const CURSOR_KIND = 'sessions';

export interface ListInput {
  /** The filter algebra of a search over the columns of a session, as JSON text. */
  filter?: string | undefined;
  user?: string | undefined;
  agent_id?: string | undefined;
  status?: SessionStatus | undefined;
  order: 'asc' | 'desc';
  limit: number;
  cursor?: string | undefined;
}

function filterOf({ filter, user, agent_id, status }: ListInput): Filter {
  const named = Object.entries({ user, agent_id, status }).filter(([, value]) => value !== undefined);
  const given = parseFilter(filter === undefined ? {} : parseJson(Buffer.from(filter)), SESSION_COLUMNS);
  return named.length === 0
    ? given
    : { kind: 'and', of: [parseFilter(Object.fromEntries(named), SESSION_COLUMNS), given] };
}

/**
 * A page of sessions in the order of their ids (for ids made here: of their making), without their states.
 * @throws AcervoError `filter:*`, `cursor:*`, `request:malformed_json`
 */
export async function listSessions(
  ctx: Context,
  input: ListInput,
): Promise<{ sessions: SessionSummary[]; cursor?: string }> {
  const { cursor, limit, order, ...question } = input;
  const digest = digestOf([ctx.principal.key_id, question, order]);
  const after = cursor === undefined ? undefined : String(ctx.cursors.verify(CURSOR_KIND, cursor, digest).after);
  const filter = filterOf(input);
  const page = { after, descending: order === 'desc', limit: limit + 1 };
  // One more than asked for tells whether there is another page.
  const statement = compileList('workspace_sessions', visibleTo(ctx, filter) ?? filter, page);
  const rows = await ctx.db.run<SessionRow[]>(statement);
  const sessions = rows.slice(0, limit).map(sessionSummary);
  const last = sessions.at(-1);
  const more = rows.length > limit && last !== undefined;
  return { sessions, ...(more ? { cursor: ctx.cursors.sign(CURSOR_KIND, { after: last.id }, digest) } : {}) };
}
