import type { Context } from '../context.js';
import { isAcervoError } from '../errors/error.js';
import type { ObjectStat } from '../objects/port.js';
import { type Declared, land, versionIdOf } from './landing.js';
import type { ArtifactRow } from './row.js';
import { abandoned } from './states.js';
import { changeJudged, isDue, isKept, isSettled, TOO_YOUNG, type Verdict } from './verdict.js';

export const declaredBy = ({ upload, size_bytes, content_type, sha256 }: ArtifactRow): Declared =>
  upload === undefined
    ? { size_bytes, content_type, sha256 }
    : { size_bytes: upload.size_bytes, content_type: upload.content_type, sha256: upload.sha256 };

/**
 * Have the bytes that are awaited come? `declared` says which: those of a reservation, or of a further version.
 * Bytes that object lock keeps and that are not these cannot go, and nothing can come of them: they count as none.
 */
export async function judgeAwaited(
  ctx: Context,
  row: ArtifactRow,
  current: ObjectStat | undefined,
  declared: Declared,
): Promise<Verdict | undefined> {
  if (current !== undefined && current.size_bytes === declared.size_bytes)
    return { kind: 'landed', detail: sizeOf(current), remedy: () => landOrRemove(ctx, row, current, declared) };
  if (current !== undefined && !(await isKept(ctx, row, versionIdOf(current))))
    return {
      kind: 'mismatch',
      detail: `${sizeOf(current)}, declared were ${declared.size_bytes}`,
      remedy: isSettled(ctx, current) ? () => removeMismatch(ctx, row, current) : undefined,
    };
  if (!isDue(ctx, row)) return undefined;
  return { kind: 'stuck_reservation', detail: `until ${row.settle_after}`, remedy: () => abandon(ctx, row) };
}

const sizeOf = ({ size_bytes }: { size_bytes: number }) => `${size_bytes} bytes`;

async function landOrRemove(ctx: Context, row: ArtifactRow, current: ObjectStat, declared: Declared): Promise<unknown> {
  try {
    return await land(ctx, row, current, { declared });
  } catch (error) {
    if (!isAcervoError(error, 'artifact:checksum_mismatch')) throw error;
    if (!isSettled(ctx, current)) return TOO_YOUNG;
    return removeMismatch(ctx, row, current);
  }
}

async function removeMismatch(ctx: Context, row: ArtifactRow, current: ObjectStat): Promise<unknown> {
  const { bucket, key } = row;
  const version_id = versionIdOf(current);
  const kept = await isKept(ctx, row, version_id);
  // Behind a marker nobody digests it again; over a stored artifact a marker would hide the artifact itself.
  if (kept && row.status === 'stored' && !isDue(ctx, row)) return TOO_YOUNG;
  if (!kept) await ctx.objects.delete({ bucket, key, version_id });
  else if (row.status !== 'stored') await ctx.objects.delete({ bucket, key });
  if (row.status !== 'abandoned' && isDue(ctx, row)) await abandon(ctx, row);
}

/** Ends an upload that did not come. */
async function abandon(ctx: Context, row: ArtifactRow): Promise<void> {
  const { bucket, key, upload } = row;
  if (upload?.upload_id !== undefined) await ctx.objects.abortUpload({ bucket, key, upload_id: upload.upload_id });
  ctx.passFaultPoint('abandon:aborted');
  await changeJudged(ctx, row, abandoned)();
}
