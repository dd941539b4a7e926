import { type ArtifactRow, publicArtifact } from '../artifacts/row.js';
import type { Context } from '../context.js';
import { publicDecision } from '../decisions/row.js';
import type { Decision } from '../decisions/schemas.js';
import { publicDocument } from '../knowledge/get.js';
import type { KnowledgeDocument } from '../knowledge/schemas.js';
import { compileList } from '../search/compile.js';
import type { Filter } from '../search/filter/ast.js';
import { visibleTo } from '../search/plan.js';
import { type SessionRow, sessionSummary } from '../sessions/row.js';
import type { Kind } from './change.js';
import { type Interest, readableKinds } from './interest.js';

const PAGE_ROWS = 200;

interface Source {
  table: Parameters<typeof compileList>[0];
  shown(row: unknown): object;
}

/** Where the rows of a kind lie, and what clients see of one: as its own routes answer, without content or state. */
const SOURCES: Record<Kind, Source> = {
  knowledge: { table: 'knowledge_index', shown: (row: unknown) => publicDocument(row as KnowledgeDocument) },
  artifact: { table: 'minio_references', shown: (row: unknown) => publicArtifact(row as ArtifactRow) },
  session: { table: 'workspace_sessions', shown: (row: unknown) => sessionSummary(row as SessionRow) },
  decision: { table: 'agent_decisions', shown: (row: unknown) => publicDecision(row as Decision) },
};

const EVERYTHING: Filter = { kind: 'and', of: [] };

/**
 * The rows that match an interest now and that the key may read, in pages of 200 at most, kind after kind.
 * @throws AcervoError `database:unavailable`
 */
export async function* snapshot(ctx: Context, interest: Interest): AsyncGenerator<{ kind: Kind; items: object[] }> {
  for (const kind of readableKinds(interest, ctx.principal)) {
    const { table, shown } = SOURCES[kind];
    const filter = visibleTo(ctx, asked(interest, kind)) ?? EVERYTHING;
    let after: string | undefined;
    for (let rows = PAGE_ROWS; rows === PAGE_ROWS; ) {
      const page = { after, descending: false, limit: PAGE_ROWS };
      const found = await ctx.db.run<{ id: string }[]>(compileList(table, filter, page));
      if (found.length > 0) yield { kind, items: found.map(shown) };
      rows = found.length;
      after = found.at(-1)?.id;
    }
  }
}

function asked({ resource, filters }: Interest, kind: Kind): Filter | undefined {
  const filter = filters?.get(kind);
  if (resource === undefined) return filter;
  const path = { column: 'id', segments: [], type: 'string' } as const;
  const one: Filter = { kind: 'eq', path, value: resource.slice(kind.length + 1) };
  return filter === undefined ? one : { kind: 'and', of: [one, filter] };
}
