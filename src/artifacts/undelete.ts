import type { Context } from '../context.js';
import { AcervoError, isAcervoError } from '../errors/error.js';
import { beginChange, type Changed, changeArtifact } from './change.js';
import { stepsEnd } from './delete.js';
import type { ArtifactRow } from './row.js';
import { broughtBack, comingBack } from './states.js';

/**
 * Brings a deleted or expired artifact back, as the version that it was.
 * @throws AcervoError `artifact:gone` when its bytes are, `artifact:not_found`, `artifact:not_stored` (never had any)
 */
export async function undeleteArtifact(ctx: Context, id: string, expectedRevision?: number): Promise<Changed> {
  const { row, before } = await beginChange(ctx, id, expectedRevision);
  if (before !== undefined) return before;
  if (row.status === 'stored') return changeArtifact(ctx, id, () => undefined, { operation: ctx.operation });
  if (row.status !== 'deleted' && row.status !== 'expired')
    throw new AcervoError('artifact:not_stored', { detail: `The artifact is ${row.status}.` });
  await requireBytes(ctx, row);
  const until = stepsEnd(ctx);
  await changeArtifact(ctx, id, (now) => (now.status === row.status ? comingBack(now, until) : undefined), {
    expectedRevision,
  });
  ctx.passFaultPoint('undelete:marked');
  await uncover(ctx, row);
  ctx.passFaultPoint('undelete:brought_back');
  const changed = await changeArtifact(ctx, id, (now) => (now.status === 'stored' ? undefined : broughtBack(now)), {
    operation: ctx.operation,
  });
  ctx.passFaultPoint('undelete:confirmed');
  return changed;
}

async function requireBytes(ctx: Context, { bucket, key, version_id }: ArtifactRow): Promise<void> {
  if (version_id === undefined) throw new AcervoError('artifact:gone');
  try {
    await ctx.objects.stat({ bucket, key, version_id });
  } catch (error) {
    if (isAcervoError(error, 'artifact:not_found')) throw new AcervoError('artifact:gone', { cause: error });
    throw error;
  }
}

/** Takes away the delete markers over the artifact's version. Bytes there may be acknowledged, or be about to be. */
async function uncover(ctx: Context, { bucket, key, version_id: own }: ArtifactRow): Promise<void> {
  for (const { version_id, deleted } of await ctx.objects.versions({ bucket, key })) {
    if (version_id === own) return;
    if (deleted) await ctx.objects.delete({ bucket, key, version_id });
  }
}
