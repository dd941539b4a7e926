import type { Context } from '../context.js';
import { digestOf } from '../http/digest.js';
import { parseJson } from '../http/json.js';
import { compileList } from '../search/compile.js';
import { ARTIFACT_COLUMNS, type Filter } from '../search/filter/ast.js';
import { parseFilter } from '../search/filter/parse.js';
import { visibleTo } from '../search/plan.js';
import { type ArtifactRow, type ArtifactStatus, publicArtifact } from './row.js';
import type { Artifact } from './schemas.js';

const CURSOR_KIND = 'artifacts';

export interface ListInput {
  /** The filter algebra of a search over the columns of an artifact, as JSON text. */
  filter?: string | undefined;
  status: ArtifactStatus | 'all';
  order: 'asc' | 'desc';
  limit: number;
  cursor?: string | undefined;
}

/**
 * A page of artifacts in the order of their ids (for ids made here: of their making). Asks the database alone.
 * @throws AcervoError `filter:*`, `cursor:*`, `request:malformed_json`
 */
export async function listArtifacts(
  ctx: Context,
  { filter: filterText, status, order, limit, cursor }: ListInput,
): Promise<{ artifacts: Artifact[]; cursor?: string }> {
  const digest = digestOf([ctx.principal.key_id, filterText, status, order]);
  const after = cursor === undefined ? undefined : String(ctx.cursors.verify(CURSOR_KIND, cursor, digest).after);
  const given = parseFilter(filterText === undefined ? {} : parseJson(Buffer.from(filterText)), ARTIFACT_COLUMNS);
  const filter: Filter = status === 'all' ? given : { kind: 'and', of: [statusIs(status), given] };
  const page = { after, descending: order === 'desc', limit: limit + 1 };
  // One more than asked for tells whether there is another page.
  const rows = await ctx.db.run<ArtifactRow[]>(compileList('minio_references', visibleTo(ctx, filter) ?? filter, page));
  const artifacts = rows.slice(0, limit).map(publicArtifact);
  const last = artifacts.at(-1);
  const more = rows.length > limit && last !== undefined;
  return { artifacts, ...(more ? { cursor: ctx.cursors.sign(CURSOR_KIND, { after: last.id }, digest) } : {}) };
}

const statusIs = (value: string): Filter => ({
  kind: 'eq',
  path: { column: 'status', segments: [], type: 'string' },
  value,
});
