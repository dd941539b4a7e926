import type { Context } from '../context.js';
import { AcervoError, isAcervoError } from '../errors/error.js';
import { beginChange, changeArtifact } from './change.js';
import { type ReservedArtifact, withInstructions } from './reserve.js';
import type { ArtifactRow, PendingUpload } from './row.js';
import type { UploadInput } from './schemas.js';
import { awaiting } from './states.js';
import { checkSize, plannedUpload, reservedUntil } from './upload.js';

/**
 * Goes on with the upload under way: fresh URLs for what has not arrived, and time to send it. Without one, begins the
 * upload of a further version. What is declared anew replaces the upload under way.
 * @throws AcervoError `request:invalid` (a new upload needs `size_bytes`), `artifact:not_found`, `artifact:not_reserved`
 */
export async function uploadAgain(
  ctx: Context,
  id: string,
  input: UploadInput,
  expectedRevision?: number,
): Promise<ReservedArtifact> {
  const { row, before } = await beginChange(ctx, id, expectedRevision);
  if (before !== undefined) return { artifact: await withInstructions(ctx, row), audit_id: before.audit_id };
  const ended = await endedUploadId(ctx, row);
  let replaced: PendingUpload | undefined;
  const { artifact, audit_id } = await changeArtifact(
    ctx,
    id,
    (row) => {
      const planned = nextUpload(ctx, row, input);
      const upload = planned.upload_id === ended ? withoutParts(planned) : planned;
      replaced = upload.upload_id === row.upload?.upload_id ? undefined : row.upload;
      return awaiting(row, upload, reservedUntil(ctx));
    },
    { operation: ctx.operation, expectedRevision },
  );
  const { bucket, key } = artifact;
  if (replaced?.upload_id !== undefined && replaced.upload_id !== artifact.upload?.upload_id)
    await ctx.objects.abortUpload({ bucket, key, upload_id: replaced.upload_id });
  return { artifact: await withInstructions(ctx, artifact), audit_id };
}

/**
 * The store's id of an upload in parts that the store does not have any more: it gave the parts up, or they became bytes
 * that were refused. Its URLs would lead nowhere.
 */
async function endedUploadId(ctx: Context, { bucket, key, upload }: ArtifactRow): Promise<string | undefined> {
  const upload_id = upload?.upload_id;
  if (upload_id === undefined) return undefined;
  try {
    await ctx.objects.parts({ bucket, key, upload_id });
    return undefined;
  } catch (error) {
    if (isAcervoError(error, 'artifact:upload_not_found')) return upload_id;
    throw error;
  }
}

function withoutParts({ upload_id: _ended, ...upload }: PendingUpload): PendingUpload {
  return upload;
}

function nextUpload(ctx: Context, row: ArtifactRow, input: UploadInput): PendingUpload {
  if (row.status !== 'reserved' && row.status !== 'stored' && row.status !== 'abandoned')
    throw new AcervoError('artifact:not_found', { detail: `The artifact is ${row.status}.` });
  const { upload } = row;
  const size_bytes = input.size_bytes ?? upload?.size_bytes ?? (row.status === 'stored' ? undefined : row.size_bytes);
  if (size_bytes === undefined)
    throw new AcervoError('request:invalid', {
      faults: [{ path: 'size_bytes', message: 'is needed for a new upload' }],
    });
  checkSize(ctx, size_bytes);
  const content_type = input.content_type ?? upload?.content_type ?? row.content_type;
  const sha256 = input.sha256 ?? (isOtherSize(row, input) ? undefined : declaredDigest(row));
  const planned = plannedUpload(ctx, { size_bytes, content_type, sha256, upload_method: input.upload_method });
  const goesOn =
    upload?.method === 'multipart' &&
    upload.size_bytes === size_bytes &&
    // Another digest is of other bytes: none of their parts have arrived.
    (upload.sha256 === undefined || upload.sha256 === sha256) &&
    (planned.method === 'multipart' || input.upload_method === 'auto');
  const { urls_expire_at } = planned;
  return goesOn ? { ...upload, content_type, ...(sha256 === undefined ? {} : { sha256 }), urls_expire_at } : planned;
}

const isOtherSize = ({ upload }: ArtifactRow, { size_bytes }: UploadInput): boolean =>
  size_bytes !== undefined && size_bytes !== upload?.size_bytes;

/** Of the upload under way; without one that of the reservation, not of what is stored. */
function declaredDigest({ upload, status, sha256 }: ArtifactRow): string | undefined {
  if (upload !== undefined) return upload.sha256;
  return status === 'stored' ? undefined : sha256;
}
