import type { Context } from '../context.js';
import { ARTIFACT_COLUMNS } from '../search/filter/ast.js';
import { type ListInput, listRows } from '../search/list-rows.js';
import { type ArtifactRow, type ArtifactStatus, publicArtifact } from './row.js';
import type { Artifact } from './schemas.js';

const LISTED = { table: 'minio_references', columns: ARTIFACT_COLUMNS, cursorKind: 'artifacts' } as const;

/** A page of artifacts; the store is not asked. @throws AcervoError `filter:*`, `cursor:*` */
export async function listArtifacts(
  ctx: Context,
  { status, ...input }: ListInput & { status: ArtifactStatus | 'all' },
): Promise<{ artifacts: Artifact[]; cursor?: string }> {
  const named = status === 'all' ? {} : { status };
  const { rows, ...page } = await listRows<ArtifactRow>(ctx, LISTED, input, named);
  return { artifacts: rows.map(publicArtifact), ...page };
}
