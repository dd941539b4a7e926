import type { Context } from '../context.js';
import { AcervoError, isAcervoError } from '../errors/error.js';
import { newSession } from '../sessions/create.js';
import { readSession, type SessionColumns, type SessionRow } from '../sessions/row.js';
import { type Next, patched, withEdges } from '../sessions/states.js';
import type { ExecutionInput } from './schemas.js';

type SessionInput = ExecutionInput['session'];

/** The session, if there is one that this key may read. */
export async function findSession(ctx: Context, id: string): Promise<SessionRow | undefined> {
  try {
    return await readSession(ctx, id);
  } catch (error) {
    if (isAcervoError(error, 'session:not_found')) return undefined;
    throw error;
  }
}

/** A patch over nothing: what a session begins with. */
function begun(ctx: Context, { user, agent_id, state, status, metadata }: SessionInput): SessionColumns {
  const empty = newSession(ctx, { user, agent_id });
  const unwritten = { id: '', created_at: '', updated_at: '', last_active_at: '', revision: 0, vectors_revision: 0 };
  return patched({ ...empty, ...unwritten }, { state, status, metadata })?.row ?? empty;
}

/** Whose session it is does not change. @throws AcervoError `session:id_unavailable` */
function refuseOtherOwner(row: SessionRow, { user, agent_id }: SessionInput): void {
  const otherUser = user !== undefined && user !== row.user;
  if (otherUser || (agent_id !== undefined && agent_id !== row.agent_id))
    throw new AcervoError('session:id_unavailable', {
      detail: `The session belongs to another ${otherUser ? 'user' : 'agent'}.`,
    });
}

/**
 * What a step makes of its session: begun, or patched when it exists. It is written in any case, since a step is a sign
 * of life; the step's artifact brings its edge along.
 * @throws AcervoError `session:*`, `knowledge:metadata_too_large`, `auth:agent_mismatch`, `request:invalid`
 */
export function nextSession(ctx: Context, input: SessionInput, row: SessionRow | undefined): Next {
  if (row === undefined) return { row: begun(ctx, input) };
  refuseOtherOwner(row, input);
  const { state, status, metadata } = input;
  return patched(row, { state, status, metadata }) ?? withEdges(row, { attach: [] });
}
