import type { Context } from '../context.js';
import { isAcervoError } from '../errors/error.js';
import { attachment } from './disposition.js';
import { type ArtifactRow, type PresignedUrl, readArtifact, storedVersion } from './row.js';
import type { DownloadUrl } from './schemas.js';

/** A cached URL is handed out again while so much of its life is left. */
const REUSED_WHILE_LEFT = 0.25;

/**
 * A URL that downloads the artifact's version without a key.
 * @throws AcervoError `artifact:not_found`, `artifact:not_stored`
 */
export async function downloadUrl(ctx: Context, id: string): Promise<DownloadUrl> {
  const row = await readArtifact(ctx, id);
  storedVersion(row);
  const [url] = await downloadUrls(ctx, [row]);
  if (url === undefined) throw new Error('a stored artifact has a URL');
  return url;
}

/**
 * URLs of stored artifacts, in their order: from the pointers' own cache, else signed now (offline) and kept there, in
 * one query for all.
 */
export async function downloadUrls(ctx: Context, rows: ArtifactRow[]): Promise<DownloadUrl[]> {
  const urls = await Promise.all(rows.map((row) => cachedOrSigned(ctx, row)));
  const fresh = urls.filter(({ cached }) => !cached);
  ctx.metrics.presignedUrls.inc({ cached: 'true' }, urls.length - fresh.length);
  ctx.metrics.presignedUrls.inc({ cached: 'false' }, fresh.length);
  if (fresh.length > 0) await keep(ctx, fresh);
  return urls.map(({ presigned: { url, expires_at }, cached }) => ({ url, expires_at, cached }));
}

interface Signed {
  id: string;
  presigned: PresignedUrl;
  cached: boolean;
}

async function cachedOrSigned(ctx: Context, row: ArtifactRow): Promise<Signed> {
  const object = storedVersion(row);
  const { presigned, id } = row;
  const ttlSeconds = ctx.config.objects.downloadUrlTtlSeconds;
  const leftMs = presigned === undefined ? 0 : new Date(presigned.expires_at).getTime() - ctx.clock().getTime();
  const scope = ctx.objects.presign_scope;
  const usable = presigned?.scope === scope && presigned.version_id === object.version_id;
  if (usable && leftMs >= ttlSeconds * 1000 * REUSED_WHILE_LEFT) return { id, presigned, cached: true };
  const options = { expires_in_seconds: ttlSeconds, content_disposition: attachment(row.name) };
  const { url, expires_at } = await ctx.objects.presignGet(object, options);
  return { id, presigned: { url, expires_at, scope, version_id: object.version_id }, cached: false };
}

/** A cache may be late or lost; it is no reason to fail a read. */
async function keep(ctx: Context, fresh: Signed[]): Promise<void> {
  const urls = fresh.map(({ id, presigned }) => ({ id, version_id: presigned.version_id, presigned }));
  try {
    await ctx.db.query('artifacts/cache-url', { urls });
  } catch (error) {
    if (!isAcervoError(error)) throw error;
    ctx.log.debug({ err: error }, 'download URLs could not be cached');
  }
}
