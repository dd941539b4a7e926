import { auditIdText, partsOfAuditId } from '../audit/id.js';
import { type AuditRow, isChange } from '../audit/reader.js';
import type { Principal } from '../context.js';
import { maySee } from '../keys/bound-agent.js';
import type { Scope } from '../keys/scopes.js';
import type { Database } from '../surreal/database.js';

/** The kinds of resources whose changes can be followed, and the scope that a key needs to read them. */
export const KIND_SCOPES = {
  knowledge: 'knowledge:read',
  artifact: 'artifacts:read',
  session: 'sessions:read',
  decision: 'decisions:read',
} as const satisfies Record<string, Scope>;

export type Kind = keyof typeof KIND_SCOPES;
export const KINDS = Object.keys(KIND_SCOPES) as [Kind, ...Kind[]];

/** An invalidation as clients get it; see docs/live.md. */
export interface Change {
  id: string;
  resource: string;
  kind: Kind;
  action: 'CREATE' | 'UPDATE' | 'DELETE';
  status: AuditRow['status'];
  revision: number;
  agent_id?: string | undefined;
  timestamp: string;
  columns?: Record<string, unknown> | undefined;
  repeat?: true;
}

/** A row of the audit log that is a change of a kind that can be followed. */
function changeOf(row: AuditRow, columns: Record<string, unknown> | undefined): Change | undefined {
  const kind = row.resource.slice(0, row.resource.indexOf(':')) as Kind;
  if (!isChange(row) || !KINDS.includes(kind)) return undefined;
  const { id, resource, action, status, revision, agent_id, timestamp } = row;
  return { id, resource, kind, action, status, revision, agent_id, timestamp, columns };
}

/**
 * The changes among audit rows, in their order, with the columns that filters look at.
 * @throws AcervoError `database:unavailable`
 */
export async function changesAmong(db: Database, rows: readonly AuditRow[]): Promise<Change[]> {
  const ids = rows.filter((row) => changeOf(row, undefined) !== undefined).map((row) => partsOfAuditId(row.id));
  if (ids.length === 0) return [];
  const found = await db.query<{ id: [string, string]; columns: Record<string, unknown> }[]>('live/columns', {
    times: ids.map(([time]) => time),
    uuids: ids.map(([, uuid]) => uuid),
  });
  const columns = new Map(found.map((row) => [auditIdText(row.id), row.columns]));
  return rows.flatMap((row) => changeOf(row, columns.get(row.id)) ?? []);
}

/** May this key know of the change? Its agent's alone when it is bound, and of the kinds that it may read. */
export function mayKnow(principal: Pick<Principal, 'agent_id' | 'scopes'>, change: Change): boolean {
  return principal.scopes.has(KIND_SCOPES[change.kind]) && maySee(principal, change);
}

const texts = new WeakMap<Change, string>();

/** A change as JSON; made once for all who get it. */
export function textOf(change: Change, withColumns: boolean): string {
  if (withColumns) return JSON.stringify(change);
  const made = texts.get(change);
  if (made !== undefined) return made;
  const text = JSON.stringify({ ...change, columns: undefined });
  texts.set(change, text);
  return text;
}
