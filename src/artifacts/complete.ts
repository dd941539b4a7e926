import type { Context } from '../context.js';
import { AcervoError, isAcervoError } from '../errors/error.js';
import type { ListedPart, ObjectStat, StoredObject } from '../objects/port.js';
import { beginChange, type Changed, unchanged } from './change.js';
import { currentObject, land, versionIdOf } from './landing.js';
import type { ArtifactRow, PendingUpload } from './row.js';
import type { CompleteInput } from './schemas.js';
import { arrivedAndMissing, listedParts } from './upload.js';

/**
 * The client says that all bytes are there: parts are checked and assembled, size and digest compared with what was
 * declared, and the version pinned. Said again, it changes nothing.
 * @throws AcervoError `artifact:upload_incomplete`, `artifact:part_invalid`, `artifact:size_mismatch`,
 *   `artifact:checksum_mismatch` (these two leave the reservation as it was; the bytes stay for the reconciler, since they
 *   may be those of another request that is about to acknowledge them), `artifact:not_reserved`, `artifact:not_found`
 */
export async function completeUpload(
  ctx: Context,
  id: string,
  { parts }: CompleteInput,
  expectedRevision?: number,
): Promise<Changed> {
  const { row, before } = await beginChange(ctx, id, expectedRevision);
  if (before !== undefined) return before;
  const { upload } = row;
  if (upload === undefined) return completedAlready(ctx, row);
  ctx.passFaultPoint('complete:before_assembly');
  const assembled = upload.method === 'multipart' ? await assemble(ctx, row, upload, parts) : undefined;
  ctx.passFaultPoint('complete:assembled');
  const current = await arrivedObject(ctx, row, assembled);
  if (current === undefined || versionIdOf(current) === row.version_id)
    throw new AcervoError('artifact:upload_incomplete', { detail: 'Nothing has arrived.' });
  const declared = { sha256: undefined, ...upload };
  const changed = await land(ctx, row, current, { declared, operation: ctx.operation, expectedRevision });
  ctx.passFaultPoint('complete:confirmed');
  return changed;
}

/**
 * The bucket's event was quicker, or the client says it twice.
 * @throws AcervoError `artifact:not_reserved` when the upload ended otherwise
 */
async function completedAlready(ctx: Context, row: ArtifactRow): Promise<Changed> {
  const { status, upload_superseded } = row;
  if (status === 'stored' && !upload_superseded) return unchanged(ctx, row, ctx.operation);
  const detail = status === 'stored' ? 'The upload ended before it was complete.' : `The artifact is ${status}.`;
  throw new AcervoError('artifact:not_reserved', { detail });
}

/** What the parts became, though somebody else's bytes may have come over it by now; else what lies there. */
function arrivedObject(
  ctx: Context,
  { bucket, key }: ArtifactRow,
  assembled: StoredObject | undefined,
): Promise<ObjectStat | undefined> {
  if (assembled === undefined) return currentObject(ctx, { bucket, key });
  return ctx.objects.stat({ bucket, key, version_id: versionIdOf(assembled) });
}

/** @returns undefined when there was nothing to assemble, or somebody else has just done it */
async function assemble(
  ctx: Context,
  row: ArtifactRow,
  upload: PendingUpload,
  named: CompleteInput['parts'],
): Promise<StoredObject | undefined> {
  const { bucket, key } = row;
  const { upload_id } = upload;
  const listed = await listedParts(ctx, row);
  if (upload_id === undefined || listed.length === 0) return undefined;
  const { arrived, missing } = arrivedAndMissing(upload, listed);
  if (missing.length > 0) {
    const numbers = missing.slice(0, 20).map(({ part_number }) => part_number);
    const total = missing.length + arrived.length;
    throw new AcervoError('artifact:upload_incomplete', {
      detail: `${missing.length} of ${total} parts are missing or have another size: ${numbers.join(', ')}${missing.length > 20 ? ', …' : ''}.`,
    });
  }
  checkNamed(arrived, named);
  try {
    return await ctx.objects.completeUpload({ bucket, key, upload_id }, arrived);
  } catch (error) {
    if (!isAcervoError(error, 'artifact:upload_not_found')) throw error;
    return undefined;
  }
}

/** @throws AcervoError `artifact:part_invalid` when the client names other parts than those that are there */
function checkNamed(arrived: ListedPart[], named: CompleteInput['parts']): void {
  if (named === undefined) return;
  const etags = new Map(named.map(({ part_number, etag }) => [part_number, etag.replaceAll('"', '')]));
  const other = arrived.find(({ part_number, etag }) => etags.get(part_number) !== etag);
  if (other !== undefined || etags.size !== arrived.length)
    throw new AcervoError('artifact:part_invalid', { detail: `Part ${other?.part_number ?? arrived.length + 1}.` });
}
