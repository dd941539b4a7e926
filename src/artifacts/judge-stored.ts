import type { Context } from '../context.js';
import { isAcervoError } from '../errors/error.js';
import { expiresBy } from '../objects/lifecycle.js';
import type { ListedVersion, ObjectStat } from '../objects/port.js';
import { declaredBy, judgeAwaited } from './judge-awaited.js';
import { confirm, lockOf, versionIdOf } from './landing.js';
import { type ArtifactRow, ownVersion, type Version } from './row.js';
import { fallenBack, removed } from './states.js';
import { acknowledged, changeJudged, isKept, isSettled, type RemovalHint, type Verdict } from './verdict.js';
import { copyOf } from './versions.js';

/** Is the version that a stored artifact is still the one that is served, and has a further one come that is awaited? */
export async function judgeStored(
  ctx: Context,
  row: ArtifactRow,
  current: ObjectStat | undefined,
  hint: RemovalHint | undefined,
): Promise<Verdict | undefined> {
  if (current === undefined || versionIdOf(current) !== row.version_id) {
    const known = await acknowledged(ctx, row);
    const isNew = current !== undefined && !known.has(versionIdOf(current));
    if (isNew && row.upload?.size_bytes === current.size_bytes) return judgeAwaited(ctx, row, current, declaredBy(row));
    const verdict = await judgeCovered(ctx, row, { known, hint });
    if (verdict !== undefined) return verdict;
  }
  return row.upload === undefined ? undefined : judgeAwaited(ctx, row, undefined, declaredBy(row));
}

/** Something lies over the version that the artifact is. */
async function judgeCovered(
  ctx: Context,
  row: ArtifactRow,
  { known, hint }: { known: Map<string, Version>; hint: RemovalHint | undefined },
): Promise<Verdict | undefined> {
  const { bucket, key } = row;
  const versions = await ctx.objects.versions({ bucket, key });
  const own = versions.findIndex(({ version_id }) => version_id === row.version_id);
  const over = versions.slice(0, own < 0 ? undefined : own);
  const isGone = own < 0 && !(await isThere(ctx, row));
  const top = over[0] && known.get(over[0].version_id);
  if (isGone && top !== undefined) return backTo(ctx, row, top);
  // A stray goes first: it hides what is under it.
  if (over[0]?.deleted || (isGone && over[0] === undefined)) {
    const as = isExpiry(ctx, row, hint) ? 'expired' : 'deleted';
    const gone = isGone && row.version_id !== undefined ? [row.version_id] : [];
    const detail = `${isGone ? 'gone' : 'hidden'}, ${as}`;
    return { kind: 'ghost', detail, remedy: changeJudged(ctx, row, (now) => removed(now, as, gone)) };
  }
  // An acknowledged version on top is the other of two uploads that ended at once: both are kept, one is pointed to.
  const strays = over.filter(({ version_id, deleted }) => !deleted && !known.has(version_id));
  if (strays[0] === undefined || strays[0] !== over[0]) return undefined;
  if (await isKept(ctx, row, strays[0].version_id))
    return judgeKept(ctx, row, { known, versions, stray: strays[0], isGone });
  const removable = strays.every((stray) => isSettled(ctx, stray));
  const detail = strays.map(({ version_id }) => version_id).join(' ');
  return { kind: 'stray_version', detail, remedy: removable ? () => deleteVersions(ctx, row, strays) : undefined };
}

/**
 * A stray that object lock keeps lies over the artifact's version. That is an old version by the store's rules, and would
 * go as one: a copy of it goes on top.
 */
function judgeKept(
  ctx: Context,
  row: ArtifactRow,
  of: { known: Map<string, Version>; versions: ListedVersion[]; stray: ListedVersion; isGone: boolean },
): Verdict {
  const { known, versions, stray, isGone } = of;
  if (!isGone) {
    const remedy = isSettled(ctx, stray) ? () => coverAgain(ctx, row) : undefined;
    return { kind: 'stray_version', detail: `${stray.version_id}, kept by object lock`, remedy };
  }
  const next = versions.map(({ version_id }) => known.get(version_id)).find((version) => version !== undefined);
  if (next !== undefined) return backTo(ctx, row, next);
  const gone = row.version_id === undefined ? [] : [row.version_id];
  return {
    kind: 'ghost',
    detail: 'gone, deleted',
    remedy: changeJudged(ctx, row, (now) => removed(now, 'deleted', gone)),
  };
}

/** The artifact becomes a further version of its own bytes, on top of all. */
async function coverAgain(ctx: Context, row: ArtifactRow): Promise<void> {
  const own = ownVersion(row);
  if (own !== undefined) await confirm(ctx, row, await copyOf(ctx, row, own));
}

/** Is the artifact's own version there, though so much lies over it that a listing does not come to it? */
async function isThere(ctx: Context, { bucket, key, version_id }: ArtifactRow): Promise<boolean> {
  if (version_id === undefined) return false;
  try {
    await ctx.objects.stat({ bucket, key, version_id });
    return true;
  } catch (error) {
    if (isAcervoError(error, 'artifact:not_found')) return false;
    throw error;
  }
}

function backTo(ctx: Context, row: ArtifactRow, version: Version): Verdict {
  return { kind: 'ghost', detail: 'gone, the one before is there', remedy: () => fallBack(ctx, row, version) };
}

async function fallBack(ctx: Context, row: ArtifactRow, version: Version): Promise<void> {
  const lock = await lockOf(ctx, row, version.version_id);
  await changeJudged(ctx, row, (now) => fallenBack(now, { ...version, sha256: version.sha256 }, lock))();
}

async function deleteVersions(ctx: Context, row: ArtifactRow, versions: ListedVersion[]): Promise<void> {
  const { bucket, key } = row;
  for (const { version_id } of versions)
    if (!(await isKept(ctx, row, version_id))) await ctx.objects.delete({ bucket, key, version_id });
}

function isExpiry(ctx: Context, row: ArtifactRow, hint: RemovalHint | undefined): boolean {
  if (hint !== undefined) return hint.lifecycle;
  const { bucket, key, stored_at = row.created_at } = row;
  return expiresBy(ctx.lifecycle, { bucket, key, modified_at: stored_at }, ctx.clock());
}
