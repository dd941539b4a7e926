import type { Context } from '../context.js';
import type { ByteRange, ObjectContent } from '../objects/port.js';
import { type ArtifactRow, readArtifact, storedVersion, type Version } from './row.js';
import { readVersion } from './versions.js';

/** Which bytes a download is of, before any is read. */
export interface ChosenContent {
  row: ArtifactRow;
  version: Pick<Version, 'version_id' | 'size_bytes' | 'content_type' | 'sha256' | 'checksum'>;
}

/**
 * The version of a download: the artifact's own, or an older one by its id.
 * @throws AcervoError `artifact:not_found`, `artifact:not_stored`
 */
export async function chooseContent(ctx: Context, id: string, version_id?: string): Promise<ChosenContent> {
  const row = await readArtifact(ctx, id);
  const own = storedVersion(row);
  if (version_id !== undefined && version_id !== own.version_id)
    return { row, version: await readVersion(ctx, row, version_id) };
  const { size_bytes, content_type, sha256, checksum } = row;
  return { row, version: { version_id: own.version_id, size_bytes, content_type, sha256, checksum } };
}

/** Opens the bytes. @throws AcervoError `artifact:range_not_satisfiable`, `artifact:not_found`, `objects:unavailable` */
export async function openContent(ctx: Context, chosen: ChosenContent, range?: ByteRange): Promise<ObjectContent> {
  const { bucket, key } = chosen.row;
  const content = await ctx.objects.get({ bucket, key, version_id: chosen.version.version_id }, range);
  const { content_range, size_bytes } = content;
  const sent = content_range === null ? size_bytes : content_range.last - content_range.first + 1;
  ctx.metrics.artifactBytes.inc({ direction: 'out' }, sent);
  return content;
}
