import type { Readable } from 'node:stream';
import type { Context } from '../context.js';
import { AcervoError } from '../errors/error.js';
import { beginChange, type Changed } from './change.js';
import { declaredBy } from './judge-awaited.js';
import { confirm, versionIdOf } from './landing.js';
import type { ArtifactRow } from './row.js';
import { contentTypeSchema } from './schemas.js';
import { checkSize } from './upload.js';

export interface ContentInput {
  body: Readable;
  /** From Content-Length; may be missing where a reservation says it. */
  size_bytes: number | undefined;
  content_type: string | undefined;
  /** 64 hexadecimal digits. */
  sha256: string | undefined;
  expectedRevision: number | undefined;
}

/**
 * Streams bytes into the store, checks and digests them on the way, and makes them the artifact's content: those of a
 * reservation, or a further version. Memory stays flat at any size. Nothing is acknowledged before it is durable.
 * @throws AcervoError `artifact:size_mismatch`, `artifact:checksum_mismatch`, `artifact:too_large`,
 *   `request:length_required`, `artifact:not_found`, `revision:mismatch`, `objects:unavailable`
 */
export async function putContent(ctx: Context, id: string, input: ContentInput): Promise<Changed> {
  const { row, before } = await beginChange(ctx, id, input.expectedRevision);
  if (before !== undefined) return before;
  const { bucket, key } = row;
  const { size_bytes, content_type, sha256 } = declaredContent(ctx, row, input);
  ctx.passFaultPoint('upload:before_put');
  const expected = { size_bytes, content_type, ...(sha256 === undefined ? {} : { sha256 }) };
  const put = await ctx.objects.put({ bucket, key }, input.body, expected);
  ctx.passFaultPoint('upload:bytes_put');
  ctx.metrics.artifactBytes.inc({ direction: 'in' }, size_bytes);
  const version_id = versionIdOf(put);
  const version = { version_id, etag: put.etag, size_bytes, content_type, sha256: put.sha256 };
  const { expectedRevision } = input;
  const options = { operation: ctx.operation, expectedRevision };
  const changed = await confirm(ctx, row, { ...version, checksum: 'verified' }, options);
  ctx.passFaultPoint('upload:confirmed');
  const upload_id = row.upload?.upload_id;
  if (upload_id !== undefined) await ctx.objects.abortUpload({ bucket, key, upload_id });
  return changed;
}

/** What is awaited: a reservation's own words, checked against the request's. */
function declaredContent(ctx: Context, row: ArtifactRow, input: ContentInput) {
  if (!['reserved', 'abandoned', 'stored'].includes(row.status))
    throw new AcervoError('artifact:not_found', { detail: `The artifact is ${row.status}.` });
  const reserved = row.status === 'stored' ? undefined : declaredBy(row);
  const size_bytes = input.size_bytes ?? reserved?.size_bytes;
  if (size_bytes === undefined) throw new AcervoError('request:length_required');
  if (reserved !== undefined && reserved.size_bytes !== size_bytes)
    throw new AcervoError('artifact:size_mismatch', { detail: `Reserved were ${reserved.size_bytes} bytes.` });
  checkSize(ctx, size_bytes);
  const given = input.sha256;
  if (given !== undefined && reserved?.sha256 !== undefined && given !== reserved.sha256)
    throw new AcervoError('artifact:checksum_mismatch', { detail: 'The reservation names another SHA-256.' });
  const content_type = reserved?.content_type ?? input.content_type ?? row.content_type;
  if (reserved === undefined && !contentTypeSchema.safeParse(content_type).success)
    throw new AcervoError('request:invalid', {
      faults: [{ path: 'headers.content-type', message: 'must be a media type' }],
    });
  return { size_bytes, content_type, sha256: given ?? reserved?.sha256 };
}
