import type { Context } from '../context.js';
import { AcervoError } from '../errors/error.js';
import { maySee } from '../keys/bound-agent.js';
import type { Session, SessionSummary } from './schemas.js';

export type SessionStatus = 'active' | 'paused' | 'completed' | 'failed' | 'abandoned';

/** What a change decides of a session; the query adds id, times and revision. */
export interface SessionColumns {
  user?: string | undefined;
  agent_id?: string | undefined;
  status: SessionStatus;
  state: Record<string, unknown>;
  metadata: Record<string, unknown>;
  vector_names: string[];
  /** Of its vectors. */
  embedding_space?: string | undefined;
}

/** What the query adds. */
export interface SessionTimes {
  id: string;
  created_at: string;
  updated_at: string;
  last_active_at: string;
  ended_at?: string;
  revision: number;
  vectors_revision: number;
}

/** A session as the database has it. */
export type SessionRow = SessionColumns & SessionTimes;

/**
 * A session that this key may read.
 * @throws AcervoError `session:not_found` when there is none, or it belongs to another agent than the key's
 */
export async function readSession(ctx: Context, id: string): Promise<SessionRow> {
  const row = await ctx.db.query<SessionRow | null | undefined>('sessions/get', { id });
  if (!row || !maySee(ctx.principal, row)) throw new AcervoError('session:not_found');
  return row;
}

/** The columns that clients see in lists: all but the state. */
export function sessionSummary(row: Omit<SessionRow, 'state'>): SessionSummary {
  const { id, user, agent_id, status, metadata, vector_names, embedding_space } = row;
  const { created_at, updated_at, last_active_at, ended_at, revision } = row;
  const whose = { id, user, agent_id, status, metadata, vector_names, embedding_space };
  return { ...whose, created_at, updated_at, last_active_at, ended_at, revision };
}

/** The columns that clients see. */
export const publicSession = (row: SessionRow): Session => ({ ...sessionSummary(row), state: row.state });
