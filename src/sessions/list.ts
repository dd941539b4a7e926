import type { Context } from '../context.js';
import { SESSION_COLUMNS } from '../search/filter/ast.js';
import { type ListInput, listRows } from '../search/list-rows.js';
import { type SessionRow, type SessionStatus, sessionSummary } from './row.js';
import type { SessionSummary } from './schemas.js';

const LISTED = { table: 'workspace_sessions', columns: SESSION_COLUMNS, cursorKind: 'sessions' } as const;

/** A page of sessions, without their states. @throws AcervoError `filter:*`, `cursor:*` */
export async function listSessions(
  ctx: Context,
  {
    user,
    agent_id,
    status,
    ...input
  }: ListInput & { user?: string | undefined; agent_id?: string | undefined; status?: SessionStatus | undefined },
): Promise<{ sessions: SessionSummary[]; cursor?: string }> {
  const { rows, ...page } = await listRows<SessionRow>(ctx, LISTED, input, { user, agent_id, status });
  return { sessions: rows.map(sessionSummary), ...page };
}
