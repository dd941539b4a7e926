import type { Principal } from '../context.js';
import { AcervoError } from '../errors/error.js';
import {
  ARTIFACT_COLUMNS,
  COLUMNS,
  type ColumnTable,
  DECISION_COLUMNS,
  type Filter,
  SESSION_COLUMNS,
} from '../search/filter/ast.js';
import { evaluateFilter } from '../search/filter/evaluate.js';
import { parseFilter } from '../search/filter/parse.js';
import { type Change, KIND_SCOPES, KINDS, type Kind, mayKnow } from './change.js';

/** What somebody follows: all of it must hold of a change. */
export interface Interest {
  kinds: ReadonlySet<Kind>;
  resource: string | undefined;
  /** As read for each kind; undefined: every change. */
  filters: ReadonlyMap<Kind, Filter> | undefined;
}

export interface InterestInput {
  kinds?: readonly Kind[] | undefined;
  resource?: string | undefined;
  filter?: unknown;
}

function only(table: ColumnTable, ...names: string[]): ColumnTable {
  return Object.fromEntries(Object.entries(table).filter(([name]) => names.includes(name)));
}

/** What the audit log keeps of each kind for filters; a column that is not kept would match nothing, unnoticed. */
const KEPT: Record<Kind, ColumnTable> = {
  knowledge: only(
    COLUMNS,
    ...['id', 'revision', 'title', 'language', 'agent_id', 'artifact_id'],
    ...Object.keys(COLUMNS).filter((name) => name.startsWith('minio_ref.')),
  ),
  artifact: only(
    ARTIFACT_COLUMNS,
    ...['id', 'revision', 'bucket', 'name', 'status', 'agent_id', 'session_id', 'content_type', 'size_bytes'],
  ),
  session: only(SESSION_COLUMNS, 'id', 'revision', 'user', 'agent_id', 'status'),
  decision: only(
    DECISION_COLUMNS,
    ...['id', 'revision', 'agent_id'],
    ...['session_id', 'decision_type', 'outcome.status', 'outcome.summary', 'outcome.recorded_at'],
  ),
};

/**
 * Reads what somebody wants to follow.
 * @throws AcervoError `filter:*` when the filter does not fit each of the kinds
 */
export function readInterest({ kinds, resource, filter }: InterestInput): Interest {
  const named = resource === undefined ? undefined : kindOf(resource);
  const wanted = new Set(named === undefined ? (kinds ?? KINDS) : [named]);
  if (filter === undefined) return { kinds: wanted, resource, filters: undefined };
  return {
    kinds: wanted,
    resource,
    filters: new Map([...wanted].map((kind) => [kind, parseFilter(filter, KEPT[kind])])),
  };
}

function kindOf(resource: string): Kind {
  const kind = KINDS.find((known) => resource.startsWith(`${known}:`));
  if (kind !== undefined) return kind;
  const message = `must begin with one of ${KINDS.map((known) => `${known}:`).join(' ')}`;
  throw new AcervoError('request:invalid', { faults: [{ path: 'resource', message }] });
}

/** Is this change to be given to this key for this interest? */
export function wants(interest: Interest, principal: Pick<Principal, 'agent_id' | 'scopes'>, change: Change): boolean {
  if (!interest.kinds.has(change.kind) || !mayKnow(principal, change)) return false;
  if (interest.resource !== undefined && interest.resource !== change.resource) return false;
  const filter = interest.filters?.get(change.kind);
  // Without columns nobody knows whether it matched: it is given.
  if (filter === undefined || change.columns === undefined) return true;
  const id = change.resource.slice(change.kind.length + 1);
  return evaluateFilter(filter, { ...change.columns, id, revision: change.revision });
}

/** The kinds of an interest that this key may read. */
export function readableKinds(interest: Interest, { scopes }: Pick<Principal, 'scopes'>): Kind[] {
  return KINDS.filter((kind) => interest.kinds.has(kind) && scopes.has(KIND_SCOPES[kind]));
}
