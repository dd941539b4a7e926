import { v7 as uuidv7 } from 'uuid';
import type { Context } from '../context.js';
import { actingAgent } from '../keys/bound-agent.js';
import { checkMetadata } from '../knowledge/prepare.js';
import { type ChangedSession, writeSession } from './change.js';
import type { SessionColumns } from './row.js';
import type { CreateSessionInput } from './schemas.js';
import { checkState } from './states.js';

/**
 * The columns of a new session, checked.
 * @throws AcervoError `session:state_too_large`, `knowledge:metadata_too_large`, `auth:agent_mismatch`, `request:invalid`
 */
export function newSession(ctx: Context, input: Omit<CreateSessionInput, 'id'>): SessionColumns {
  const { user, state = {}, metadata = {} } = input;
  checkState(state);
  checkMetadata(metadata);
  const agent_id = actingAgent(ctx, input.agent_id);
  return { user, agent_id, status: 'active', state, metadata, vector_names: [] };
}

/**
 * Begins a session.
 * @throws AcervoError `session:id_unavailable`, and those of `newSession`
 */
export function createSession(ctx: Context, input: CreateSessionInput): Promise<ChangedSession> {
  const row = newSession(ctx, input);
  return writeSession(ctx, input.id ?? uuidv7(), { row }, { revision: 0, operation: ctx.operation });
}
