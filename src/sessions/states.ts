import { AcervoError } from '../errors/error.js';
import { digestOf } from '../http/digest.js';
import { mergePatch } from '../knowledge/patch.js';
import { checkMetadata, depthOf, refuseInexact } from '../knowledge/prepare.js';
import type { SessionColumns, SessionRow, SessionStatus } from './row.js';

/** Bounds of a state, as JSON. */
export const MAX_STATE_BYTES = 262_144;
export const MAX_STATE_DEPTH = 32;

/**
 * The life of a session. A paused one may fail or be given up, but not complete: nobody works on it, so it is resumed
 * first. What is finished stays as it is: its status and state never change again; its metadata, artifacts and
 * vectors may, since they are often known only afterwards.
 */
export const NEXT: Record<SessionStatus, readonly SessionStatus[]> = {
  active: ['paused', 'completed', 'failed', 'abandoned'],
  paused: ['active', 'failed', 'abandoned'],
  completed: [],
  failed: [],
  abandoned: [],
};

export const isFinished = (status: SessionStatus): boolean => NEXT[status].length === 0;

/** A vector of a session, of unit length. */
export interface NamedVector {
  name: string;
  embedding: number[];
}

/** What one change writes. */
export interface Next {
  row: SessionColumns;
  /** They replace all that it has. */
  vectors?: NamedVector[];
  /** Ids of artifacts. */
  attach?: string[];
  detach?: string[];
}

/** What a client wants changed; null empties. */
export interface SessionPatch {
  /** JSON merge patch, RFC 7396. */
  state?: Record<string, unknown> | null | undefined;
  status?: SessionStatus | undefined;
  /** JSON merge patch, RFC 7396. */
  metadata?: Record<string, unknown> | null | undefined;
}

/** @throws AcervoError `session:state_too_large`; `request:invalid` for numbers that would not come back as they are */
export function checkState(state: Record<string, unknown>): void {
  const bytes = Buffer.byteLength(JSON.stringify(state));
  if (bytes > MAX_STATE_BYTES)
    throw new AcervoError('session:state_too_large', { detail: `${bytes} bytes; at most ${MAX_STATE_BYTES}` });
  if (depthOf(state, MAX_STATE_DEPTH) > MAX_STATE_DEPTH)
    throw new AcervoError('session:state_too_large', { detail: `more than ${MAX_STATE_DEPTH} levels deep` });
  refuseInexact(state, 'state');
}

function columnsOf(row: SessionRow): SessionColumns {
  const { user, agent_id, status, state, metadata, vector_names, embedding_space } = row;
  return { user, agent_id, status, state, metadata, vector_names, embedding_space };
}

type Json = Record<string, unknown>;

const merged = (current: Json, patch: Json | null | undefined): Json =>
  patch === null ? {} : (mergePatch(current, patch ?? {}) as Json);

/** @throws AcervoError `session:illegal_transition`, with the moves that are legal */
function refuseIllegal(from: SessionStatus, to: SessionStatus): void {
  if (from === to || NEXT[from].includes(to)) return;
  const legal = NEXT[from].length === 0 ? 'stays so' : `can become ${NEXT[from].join(', ')}`;
  throw new AcervoError('session:illegal_transition', { detail: `A session that is ${from} ${legal}, not ${to}.` });
}

/**
 * A session after a patch; undefined when that changes nothing. Status and state are judged by what the session was:
 * one patch can bring the last state and complete it.
 * @throws AcervoError `session:illegal_transition`, `session:finished`, `session:state_too_large`,
 *   `knowledge:metadata_too_large`, `request:invalid`
 */
export function patched(row: SessionRow, patch: SessionPatch): Next | undefined {
  const status = patch.status ?? row.status;
  refuseIllegal(row.status, status);
  const state = merged(row.state, patch.state);
  const metadata = merged(row.metadata, patch.metadata);
  const stateChanged = patch.state !== undefined && digestOf(state) !== digestOf(row.state);
  if (stateChanged && isFinished(row.status))
    throw new AcervoError('session:finished', { detail: `The session is ${row.status}.` });
  if (stateChanged) checkState(state);
  checkMetadata(metadata);
  if (!stateChanged && status === row.status && digestOf(metadata) === digestOf(row.metadata)) return undefined;
  return { row: { ...columnsOf(row), status, state, metadata } };
}

/** Nobody has worked on it for too long. Undefined when it is finished already. */
export function abandoned(row: SessionRow): Next | undefined {
  return isFinished(row.status) ? undefined : { row: { ...columnsOf(row), status: 'abandoned' } };
}

/** Its vectors are these from now on. */
export function withVectors(row: SessionRow, vectors: NamedVector[], space: string): Next {
  const vector_names = vectors.map(({ name }) => name);
  const embedding_space = vectors.length === 0 ? undefined : space;
  return { row: { ...columnsOf(row), vector_names, embedding_space }, vectors };
}

/** Its artifacts change; the row is written as it is, so that it goes on by a revision. */
export function withEdges(row: SessionRow, edges: { attach: string[] } | { detach: string[] }): Next {
  return { row: columnsOf(row), ...edges };
}
