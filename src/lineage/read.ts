import type { Context } from '../context.js';
import type { Scope } from '../keys/scopes.js';
import { KINDS, type Kind, type LineageEdge, type LineageNode, RELATIONS, type Relation } from './schemas.js';
import type { Direction, LineageReader } from './walk.js';

const TABLES = {
  knowledge: 'knowledge_index',
  artifact: 'minio_references',
  decision: 'agent_decisions',
  session: 'workspace_sessions',
  agent: 'agents',
} as const satisfies Record<Kind, string>;

const KIND_OF = new Map<string, Kind>(KINDS.map((kind) => [TABLES[kind], kind]));

/** What a key needs beside `lineage:read` to see a kind. An agent is no more than its name, which its works carry. */
const SCOPE_OF: Record<Kind, Scope> = {
  knowledge: 'knowledge:read',
  artifact: 'artifacts:read',
  decision: 'decisions:read',
  session: 'sessions:read',
  agent: 'lineage:read',
};

const isKind = (text: string): text is Kind => KIND_OF.has(TABLES[text as Kind]);

/** @throws Error when it is no resource: callers have checked */
function recordOf(resource: string): [table: string, id: string] {
  const colon = resource.indexOf(':');
  const kind = resource.slice(0, colon);
  if (!isKind(kind)) throw new Error(`not a resource: ${resource}`);
  return [TABLES[kind], resource.slice(colon + 1)];
}

type NodeRow = Omit<LineageNode, 'resource' | 'kind'> & { table: string };
type EdgeRow = { table: string; id: string } & Record<Relation, string[][]>;

const resourceOf = (kind: string, id = ''): string => `${kind}:${id}`;

function nodeOf({ table, ...columns }: NodeRow): LineageNode[] {
  const kind = KIND_OF.get(table);
  return kind === undefined ? [] : [{ resource: resourceOf(kind, columns.id), kind, ...columns }];
}

/** Both ends of an edge from its id; surql/schema/edges.surql and knowledge.surql say how ids are made. */
function edgeOf(kind: Relation, [first = '', second, third]: string[]): LineageEdge {
  if (kind === 'decides' && third === undefined)
    return { kind, from: resourceOf('agent', first), to: resourceOf('decision', second) };
  if (kind === 'decides') return { kind, from: resourceOf(first, second), to: resourceOf('decision', third) };
  if (kind === 'supports') return { kind, from: resourceOf('knowledge', first), to: resourceOf('decision', second) };
  if (kind === 'derived_from')
    return { kind, from: resourceOf('knowledge', first), to: resourceOf('artifact', second) };
  return { kind, from: resourceOf(first, second), to: resourceOf('artifact', third) };
}

function edgesByRecord(rows: EdgeRow[]): Map<string, LineageEdge[]> {
  return new Map(
    rows.map((row) => [
      resourceOf(KIND_OF.get(row.table) ?? '', row.id),
      RELATIONS.flatMap((kind) => row[kind].map((id) => edgeOf(kind, id))),
    ]),
  );
}

/**
 * Reads the graph as this key may see it: of a bound key only what is its agent's, and of every key only kinds that it
 * has the read scope of.
 */
export function lineageReader(ctx: Context): LineageReader {
  const { scopes, agent_id: agent } = ctx.principal;
  const kinds = new Set(KINDS.filter((kind) => scopes.has(SCOPE_OF[kind])));
  const seesAll = kinds.size === KINDS.length && agent === undefined;
  const readable = (resources: string[]) =>
    resources.map(recordOf).filter(([table]) => kinds.has(KIND_OF.get(table) ?? 'agent'));
  return {
    nodes: async (resources) => {
      const rows = await ctx.db.query<NodeRow[]>('lineage/nodes', { records: readable(resources), agent });
      return rows.flatMap(nodeOf);
    },
    edges: async (from) => {
      const records = { up: from.up.map(recordOf), down: from.down.map(recordOf) };
      const restriction = { agent, tables: [...kinds].map((kind) => TABLES[kind]) };
      const rows = seesAll
        ? await ctx.db.query<Record<Direction, EdgeRow[]>>('lineage/edges', records)
        : await ctx.db.query<Record<Direction, EdgeRow[]>>('lineage/readable-edges', { ...records, ...restriction });
      return { up: edgesByRecord(rows.up), down: edgesByRecord(rows.down) };
    },
  };
}
