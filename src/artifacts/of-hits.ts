import type { Context } from '../context.js';
import { batchArtifacts } from './batch.js';
import type { Artifact } from './schemas.js';

/** A file that a hit names, as it is now. */
type ArtifactOfHit = Artifact & { download?: { url: string; expires_at: string } };

/**
 * The hits with the files that they name, of those that this key may see: one query for all, and none to the store.
 * @param presign with a URL that downloads what is stored
 */
export async function withArtifacts<Hit extends { artifact_id?: string | undefined }>(
  ctx: Context,
  hits: Hit[],
  { presign }: { presign: boolean },
): Promise<(Hit & { artifact?: ArtifactOfHit })[]> {
  const ids = hits.flatMap(({ artifact_id }) => artifact_id ?? []);
  const found = new Map<string, ArtifactOfHit>();
  for (const entry of ids.length === 0 ? [] : await batchArtifacts(ctx, { ids, presign })) {
    if ('error' in entry) continue;
    const { id, artifact, url, expires_at } = entry;
    found.set(id, {
      ...artifact,
      ...(url !== undefined && expires_at !== undefined && { download: { url, expires_at } }),
    });
  }
  return hits.map((hit) => {
    const artifact = found.get(hit.artifact_id ?? '');
    return artifact === undefined ? hit : { ...hit, artifact };
  });
}
