import type { Context } from '../context.js';
import { maySee } from '../keys/bound-agent.js';
import { type ArtifactRow, publicArtifact } from './row.js';
import type { Artifact } from './schemas.js';
import { downloadUrls } from './url.js';

export type BatchEntry =
  | { id: string; artifact: Artifact; url?: string; expires_at?: string }
  | { id: string; error: 'artifact:not_found' };

/**
 * Many artifacts with their download URLs, in the order of `ids`: one query, and none to the object store. What is not
 * stored has no URL.
 */
export async function batchArtifacts(
  ctx: Context,
  { ids, presign }: { ids: string[]; presign: boolean },
): Promise<BatchEntry[]> {
  const rows = await ctx.db.query<ArtifactRow[]>('artifacts/get-many', { ids: [...new Set(ids)] });
  const readable = new Map(rows.filter((row) => maySee(ctx.principal, row)).map((row) => [row.id, row]));
  const stored = presign ? [...readable.values()].filter(({ status }) => status === 'stored') : [];
  const urls = await downloadUrls(ctx, stored);
  const urlOf = new Map(stored.map(({ id }, index) => [id, urls[index]]));
  return ids.map((id) => {
    const row = readable.get(id);
    if (row === undefined) return { id, error: 'artifact:not_found' };
    const url = urlOf.get(id);
    return { id, artifact: publicArtifact(row), ...(url && { url: url.url, expires_at: url.expires_at }) };
  });
}
