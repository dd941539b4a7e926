import type { Context } from '../context.js';
import { requireRevision } from '../surreal/write-over.js';
import { beginChange, type Changed, changeArtifact } from './change.js';
import { deleting, removed } from './states.js';

/** Until then a crashed request's work is left to the request. */
export const stepsEnd = (ctx: Context): Date =>
  new Date(ctx.clock().getTime() + ctx.config.objects.reconcileGraceSeconds * 1000);

/**
 * Deletes an artifact: mark, remove, confirm. Its versions stay behind a delete marker until lifecycle rules remove
 * them; `undeleteArtifact` brings it back. A reservation is cancelled.
 * @throws AcervoError `artifact:not_found`, `artifact:held`, `revision:mismatch`, `objects:unavailable` (sent again, it
 *   goes on; else the reconciler ends it)
 */
export async function deleteArtifact(ctx: Context, id: string, expectedRevision?: number): Promise<Changed> {
  const { before } = await beginChange(ctx, id);
  if (before !== undefined) return before;
  const until = stepsEnd(ctx);
  const { artifact } = await changeArtifact(ctx, id, (now) => {
    // Begun, and cut short by the store: it goes on, though that has raised the revision.
    if (now.status === 'deleting') return undefined;
    requireRevision(now, expectedRevision);
    return deleting(now, ctx.clock(), until);
  });
  ctx.passFaultPoint('delete:marked');
  const { bucket, key, upload } = artifact;
  if (upload?.upload_id !== undefined) await ctx.objects.abortUpload({ bucket, key, upload_id: upload.upload_id });
  await ctx.objects.delete({ bucket, key });
  ctx.passFaultPoint('delete:removed');
  const changed = await changeArtifact(
    ctx,
    id,
    // The store's event may have been quicker.
    (now) => (now.status === 'deleting' ? removed(now, 'deleted') : undefined),
    { operation: ctx.operation },
  );
  ctx.passFaultPoint('delete:confirmed');
  return changed;
}
