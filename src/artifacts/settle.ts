import type { Context } from '../context.js';
import { isAcervoError } from '../errors/error.js';
import { expiresBy } from '../objects/lifecycle.js';
import type { ListedVersion, ObjectStat } from '../objects/port.js';
import { changeArtifact } from './change.js';
import { currentObject, type Declared, land, lockOf, versionIdOf } from './landing.js';
import { type ArtifactRow, readArtifact, type Version } from './row.js';
import { abandoned, endedAsIs, fallenBack, type Next, removed } from './states.js';

/** How a pointer and its object did not agree. */
export type Disagreement =
  /** The bytes are there, and the pointer does not know yet. */
  | 'landed'
  /** Bytes of another size or digest than was declared. */
  | 'mismatch'
  /** A reservation is over and nothing came. */
  | 'stuck_reservation'
  /** A delete was begun and not ended. */
  | 'stuck_delete'
  /** The pointer says stored, and the object is gone or hidden. */
  | 'ghost'
  /** Bytes over the artifact's version that nobody was told were stored. */
  | 'stray_version'
  /** The pointer says deleted, and the object is visible. */
  | 'undead';

/** What is known of why an object went away. */
export interface RemovalHint {
  lifecycle: boolean;
}

export interface SettleOptions {
  /** False: only look. */
  apply: boolean;
  hint?: RemovalHint;
}

export interface Settled {
  kind: Disagreement;
  detail: string;
  /** False when only looking, or when it is still too young to be touched. */
  settled: boolean;
}

/** A disagreement, and what would end it; undefined: it is too young. */
interface Verdict {
  kind: Disagreement;
  detail: string;
  remedy: (() => Promise<unknown>) | undefined;
}

/**
 * Makes a pointer and its object agree: asks the store what is there, and lets these rules decide. The one judge of
 * late, lost, doubled and reordered events, of crashes between two steps, and of the reconciler.
 *
 * | pointer | object | becomes |
 * |---|---|---|
 * | reserved, abandoned, or a further upload awaited | has come as declared | stored |
 * | the same | has come otherwise | that version is deleted, once it is older than the grace time |
 * | reserved, or a further upload awaited | has not come in time | abandoned (a stored one stays stored); parts are aborted |
 * | stored | the artifact's version is gone, another acknowledged one is visible | stored, as that one |
 * | stored | the artifact's version is hidden or gone | expired where a lifecycle rule explains it, else deleted |
 * | stored | an unacknowledged version lies over the artifact's | that version is deleted, once older than the grace time |
 * | deleting | whatever is there | deleted |
 * | deleted, expired | is visible | deleted again, once older than the grace time |
 *
 * @returns how they disagreed; undefined when they did not
 * @throws AcervoError `objects:unavailable`, and those of `changeArtifact`
 */
export async function settleArtifact(
  ctx: Context,
  row: ArtifactRow,
  { apply, hint }: SettleOptions,
): Promise<Settled | undefined> {
  const verdict = await judge(ctx, row, hint);
  if (verdict === undefined) return undefined;
  const { kind, detail, remedy } = verdict;
  if (!apply || remedy === undefined) return { kind, detail, settled: false };
  if ((await remedy()) === TOO_YOUNG) return { kind, detail, settled: false };
  return { kind, detail, settled: await settleRest(ctx, row.id, hint) };
}

/** What was over something else has gone: looks again, until nothing is left. */
async function settleRest(ctx: Context, id: string, hint: RemovalHint | undefined): Promise<boolean> {
  for (let round = 1; round < MAX_ROUNDS; round += 1) {
    const verdict = await judge(ctx, await readArtifact(ctx, id), hint);
    if (verdict === undefined) return true;
    if (verdict.remedy === undefined) return false;
    if ((await verdict.remedy()) === TOO_YOUNG) return false;
  }
  return false;
}

/** Answered by a remedy that finds, on reading the bytes, that it has to wait. */
const TOO_YOUNG = Symbol('too young');

/** Layers that can lie over one another: stray bytes, a delete marker, a version that is gone, and an upload that is over. */
const MAX_ROUNDS = 6;

async function judge(ctx: Context, row: ArtifactRow, hint: RemovalHint | undefined): Promise<Verdict | undefined> {
  const current = await currentObject(ctx, row);
  switch (row.status) {
    case 'reserved':
    case 'abandoned':
      return judgeAwaited(ctx, row, current, declaredBy(row));
    case 'stored':
      return judgeStored(ctx, row, current, hint);
    case 'deleting':
      return judgeDeleting(ctx, row, current);
    case 'deleted':
    case 'expired':
      return judgeDeleted(ctx, row, current);
  }
}

const declaredBy = ({ upload, size_bytes, content_type, sha256 }: ArtifactRow): Declared =>
  upload === undefined
    ? { size_bytes, content_type, sha256 }
    : { size_bytes: upload.size_bytes, content_type: upload.content_type, sha256: upload.sha256 };

const isDue = (ctx: Context, { settle_after }: ArtifactRow) =>
  settle_after !== undefined && new Date(settle_after) <= ctx.clock();

/** Is it so old that no request that is under way can have made it? */
function isSettled(ctx: Context, { modified_at }: { modified_at: string }): boolean {
  const ageMs = ctx.clock().getTime() - new Date(modified_at).getTime();
  // Times of S3 are whole seconds, by its own clock.
  return ageMs >= ctx.config.objects.reconcileGraceSeconds * 1000 || ctx.config.objects.reconcileGraceSeconds === 0;
}

const change = (ctx: Context, row: ArtifactRow, decide: (now: ArtifactRow) => Next) => () =>
  changeArtifact(ctx, row.id, (now) => (now.revision === row.revision ? decide(now) : undefined));

function judgeAwaited(
  ctx: Context,
  row: ArtifactRow,
  current: ObjectStat | undefined,
  declared: Declared,
): Verdict | undefined {
  if (current !== undefined && current.size_bytes === declared.size_bytes)
    return { kind: 'landed', detail: sizeOf(current), remedy: () => landOrRemove(ctx, row, current, declared) };
  if (current !== undefined)
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

async function removeMismatch(ctx: Context, row: ArtifactRow, current: ObjectStat): Promise<void> {
  await ctx.objects.delete({ bucket: row.bucket, key: row.key, version_id: versionIdOf(current) });
  if (row.status !== 'abandoned' && isDue(ctx, row)) await abandon(ctx, row);
}

/** Ends an upload that did not come. */
export async function abandon(ctx: Context, row: ArtifactRow): Promise<void> {
  const { bucket, key, upload } = row;
  if (upload?.upload_id !== undefined) await ctx.objects.abortUpload({ bucket, key, upload_id: upload.upload_id });
  ctx.passFaultPoint('abandon:aborted');
  await change(ctx, row, abandoned)();
}

async function judgeStored(
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

async function acknowledged(ctx: Context, { id }: ArtifactRow): Promise<Map<string, Version>> {
  const versions = await ctx.db.query<Version[]>('artifacts/versions', { id });
  return new Map(versions.map((version) => [version.version_id, version]));
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
  if (isGone && top !== undefined)
    return { kind: 'ghost', detail: 'gone, the one before is there', remedy: () => fallBack(ctx, row, top) };
  // A stray goes first: it hides what is under it.
  if (over[0]?.deleted || (isGone && over[0] === undefined)) {
    const as = isExpiry(ctx, row, hint) ? 'expired' : 'deleted';
    const gone = isGone && row.version_id !== undefined ? [row.version_id] : [];
    const detail = `${isGone ? 'gone' : 'hidden'}, ${as}`;
    return { kind: 'ghost', detail, remedy: change(ctx, row, (now) => removed(now, as, gone)) };
  }
  // An acknowledged version on top is the other of two uploads that ended at once: both are kept, one is pointed to.
  const strays = over.filter(({ version_id, deleted }) => !deleted && !known.has(version_id));
  if (strays[0] === undefined || strays[0] !== over[0]) return undefined;
  const removable = strays.every((stray) => isSettled(ctx, stray));
  const detail = strays.map(({ version_id }) => version_id).join(' ');
  return { kind: 'stray_version', detail, remedy: removable ? () => deleteVersions(ctx, row, strays) : undefined };
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

async function fallBack(ctx: Context, row: ArtifactRow, version: Version): Promise<void> {
  const lock = await lockOf(ctx, row, version.version_id);
  await change(ctx, row, (now) => fallenBack(now, { ...version, sha256: version.sha256 }, lock))();
}

async function deleteVersions(ctx: Context, { bucket, key }: ArtifactRow, versions: ListedVersion[]): Promise<void> {
  for (const { version_id } of versions) await ctx.objects.delete({ bucket, key, version_id });
}

function isExpiry(ctx: Context, row: ArtifactRow, hint: RemovalHint | undefined): boolean {
  if (hint !== undefined) return hint.lifecycle;
  const { bucket, key, stored_at = row.created_at } = row;
  return expiresBy(ctx.lifecycle, { bucket, key, modified_at: stored_at }, ctx.clock());
}

function judgeDeleting(ctx: Context, row: ArtifactRow, current: ObjectStat | undefined): Verdict | undefined {
  // Until then the request that began it may be at it.
  if (current !== undefined && !isDue(ctx, row)) return undefined;
  return {
    kind: 'stuck_delete',
    detail: current === undefined ? 'the object is gone' : 'the object is there',
    remedy: async () => {
      if (current !== undefined) await ctx.objects.delete({ bucket: row.bucket, key: row.key });
      await change(ctx, row, (now) => removed(now, 'deleted'))();
    },
  };
}

async function judgeDeleted(
  ctx: Context,
  row: ArtifactRow,
  current: ObjectStat | undefined,
): Promise<Verdict | undefined> {
  // Until then a request may be bringing it back.
  const awaits = row.settle_after !== undefined;
  if (current === undefined ? !isDue(ctx, row) : awaits && !isDue(ctx, row)) return undefined;
  const undeleted = () =>
    changeArtifact(ctx, row.id, (now) => (now.status === row.status ? endedAsIs(now) : undefined));
  if (current === undefined) return { kind: 'undead', detail: 'it was not brought back', remedy: undeleted };
  const { bucket, key } = row;
  const version_id = versionIdOf(current);
  const known = await acknowledged(ctx, row);
  // Over an acknowledged version a marker goes: undelete needs its bytes.
  const target = known.has(version_id) ? { bucket, key } : { bucket, key, version_id };
  const remedy = async () => {
    await ctx.objects.delete(target);
    if (awaits) await undeleted();
  };
  return { kind: 'undead', detail: version_id, remedy: isSettled(ctx, current) ? remedy : undefined };
}
