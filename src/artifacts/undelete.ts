import type { Context } from '../context.js';
import { AcervoError, isAcervoError } from '../errors/error.js';
import { expiresBy } from '../objects/lifecycle.js';
import type { ObjectStat } from '../objects/port.js';
import { requireRevision } from '../surreal/write-over.js';
import { beginChange, type Changed, changeArtifact } from './change.js';
import { stepsEnd } from './delete.js';
import { carriedOver } from './landing.js';
import { type ArtifactRow, ownVersion, type Version } from './row.js';
import { broughtBack, comingBack, type Next, renewed } from './states.js';
import { copyOf } from './versions.js';

/**
 * Brings a deleted or expired artifact back, as the version that it was; as a further one with the same bytes where the
 * rules of lifecycle.xml would take it away again for its age.
 * @throws AcervoError `artifact:gone` when its bytes are, `artifact:not_found`, `artifact:not_stored` (never had any),
 *   `artifact:too_many_versions`
 */
export async function undeleteArtifact(ctx: Context, id: string, expectedRevision?: number): Promise<Changed> {
  const { row, before } = await beginChange(ctx, id);
  if (before !== undefined) return before;
  // Begun, and cut short by the store: it goes on, though that has raised the revision.
  const isBegun = row.status !== 'stored' && row.settle_after !== undefined;
  if (!isBegun) requireRevision(row, expectedRevision);
  if (row.status === 'stored') return changeArtifact(ctx, id, () => undefined, { operation: ctx.operation });
  if (row.status !== 'deleted' && row.status !== 'expired')
    throw new AcervoError('artifact:not_stored', { detail: `The artifact is ${row.status}.` });
  const { own, stat } = await requireBytes(ctx, row);
  const until = stepsEnd(ctx);
  await changeArtifact(ctx, id, (now) => (now.status === row.status ? comingBack(now, until) : undefined), {
    expectedRevision: isBegun ? undefined : expectedRevision,
  });
  ctx.passFaultPoint('undelete:marked');
  const copy = isTooOld(ctx, row, stat) ? await copyOf(ctx, row, own) : undefined;
  if (copy === undefined) await uncover(ctx, row);
  ctx.passFaultPoint('undelete:brought_back');
  const changed = await changeArtifact(
    ctx,
    id,
    (now) => (now.status === 'stored' ? undefined : copy === undefined ? broughtBack(now) : asCopy(ctx, now, copy)),
    { operation: ctx.operation },
  );
  ctx.passFaultPoint('undelete:confirmed');
  return changed;
}

/** Would it be hidden again as soon as the rules are looked at? */
function isTooOld(ctx: Context, { bucket, key, status }: ArtifactRow, { modified_at }: ObjectStat): boolean {
  return status === 'expired' || expiresBy(ctx.lifecycle, { bucket, key, modified_at }, ctx.clock());
}

async function asCopy(ctx: Context, row: ArtifactRow, copy: Version): Promise<Next> {
  const next = renewed(row, copy, ctx.clock());
  return { ...next, row: { ...next.row, ...(await carriedOver(ctx, row, copy.version_id)) } };
}

async function requireBytes(ctx: Context, row: ArtifactRow): Promise<{ own: Version; stat: ObjectStat }> {
  const { bucket, key } = row;
  const own = ownVersion(row);
  if (own === undefined) throw new AcervoError('artifact:gone');
  try {
    return { own, stat: await ctx.objects.stat({ bucket, key, version_id: own.version_id }) };
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
