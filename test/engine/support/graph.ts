import type { Context } from '../../../src/context.js';
import { ALL_SCOPES, type Scope } from '../../../src/keys/scopes.js';
import { type Kind, type LineageEdge, RELATIONS } from '../../../src/lineage/schemas.js';
import type { SessionDatabase } from '../../../src/surreal/session-database.js';

export interface PlainNode {
  kind: Kind;
  id: string;
  agent_id?: string | undefined;
  columns?: Record<string, unknown>;
}

export interface PlainGraph {
  nodes: PlainNode[];
  edges: LineageEdge[];
}

const TABLES: Record<Kind, string> = {
  knowledge: 'knowledge_index',
  artifact: 'minio_references',
  decision: 'agent_decisions',
  session: 'workspace_sessions',
  agent: 'agents',
};

export const nameOf = ({ kind, id }: PlainNode): string => `${kind}:${id}`;

/** Tables with the edges' definitions and no columns of their own: graphs of rows that only have what a lineage shows. */
export async function bareTables(db: SessionDatabase): Promise<void> {
  const text = Object.values(TABLES).map((table) => `REMOVE TABLE IF EXISTS ${table}; DEFINE TABLE ${table};`);
  await db.run({ text: text.join('\n'), params: {} });
}

const recordOf = (resource: string): [string, string] => {
  const [kind = '', id = ''] = resource.split(':');
  return [TABLES[kind as Kind], id];
};

function edgeId({ kind, from, to }: LineageEdge): string[] {
  const [fromKind = '', fromId = ''] = from.split(':');
  const ends = [fromId, to.split(':')[1]!];
  return kind === 'produces' || fromKind === 'session' ? [fromKind, ...ends] : ends;
}

export async function clearGraph(db: SessionDatabase): Promise<void> {
  const text = [...Object.values(TABLES), ...RELATIONS].map((table) => `DELETE ${table} RETURN NONE;`);
  await db.run({ text: text.join('\n'), params: {} });
}

/** Writes a graph as the product's own queries would have left it. */
export async function writeGraph(db: SessionDatabase, { nodes, edges }: PlainGraph): Promise<void> {
  for (const kind of Object.keys(TABLES) as Kind[]) {
    const rows = nodes
      .filter((node) => node.kind === kind)
      .map(({ id, agent_id, columns }) => ({ id, agent_id, created_at: new Date(0), ...columns }));
    await inBatches(rows, (some) =>
      db.run({ text: `INSERT INTO ${TABLES[kind]} $rows RETURN NONE`, params: { rows: some } }),
    );
  }
  for (const kind of RELATIONS) {
    const rows = edges
      .filter((edge) => edge.kind === kind)
      .map((edge) => ({ id: edgeId(edge), from: recordOf(edge.from), to: recordOf(edge.to) }));
    await inBatches(rows, (some) =>
      db.run({
        text: `INSERT RELATION IGNORE INTO ${kind} $rows.map(|$row| { id: $row.id,
          in: type::record($row.from[0], $row.from[1]), out: type::record($row.to[0], $row.to[1]) }) RETURN NONE`,
        params: { rows: some },
      }),
    );
  }
}

async function inBatches<Row>(rows: Row[], write: (rows: Row[]) => Promise<unknown>): Promise<void> {
  for (let at = 0; at < rows.length; at += 500) await write(rows.slice(at, at + 500));
}

/** What a lineage needs of a request by such a key. */
export function askedBy(db: SessionDatabase, agent_id?: string, without: Scope[] = []): Context {
  const scopes = new Set(ALL_SCOPES.filter((scope) => !without.includes(scope)));
  return {
    db,
    principal: { key_id: 'k', scopes, agent_id, address: undefined, user_agent: undefined },
  } as unknown as Context;
}
