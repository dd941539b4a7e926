import type { Context } from '../context.js';
import { patchedMetadata } from '../knowledge/patch.js';
import { type Changed, changeArtifact } from './change.js';
import type { PatchArtifactInput } from './schemas.js';
import { described } from './states.js';

/**
 * Changes what is said about an artifact; its bytes and its key stay. The edge from its session moves with `session_id`.
 * @throws AcervoError `artifact:not_found`, `session:not_found`, `revision:mismatch`, `revision:contended`,
 *   `knowledge:metadata_too_large`
 */
export async function patchArtifact(
  ctx: Context,
  id: string,
  { metadata: patch, session_id }: PatchArtifactInput,
  expectedRevision?: number,
): Promise<Changed> {
  return changeArtifact(
    ctx,
    id,
    (row) =>
      described(row, {
        metadata: patchedMetadata(row, patch),
        session_id: session_id === undefined ? row.session_id : (session_id ?? undefined),
      }),
    { operation: ctx.operation, expectedRevision },
  );
}
