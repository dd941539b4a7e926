import type { Context } from '../context.js';
import type { ObjectStat } from '../objects/port.js';
import { changeArtifact } from './change.js';
import { declaredBy, judgeAwaited } from './judge-awaited.js';
import { judgeStored } from './judge-stored.js';
import { currentObject, versionIdOf } from './landing.js';
import { type ArtifactRow, readArtifact } from './row.js';
import { endedAsIs, removed } from './states.js';
import {
  acknowledged,
  changeJudged,
  type Disagreement,
  isDue,
  isKept,
  isSettled,
  type RemovalHint,
  TOO_YOUNG,
  type Verdict,
} from './verdict.js';

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

/**
 * Makes a pointer and its object agree: asks the store what is there, and lets these rules decide. The one judge of
 * late, lost, doubled and reordered events, of crashes between two steps, and of the reconciler.
 *
 * | pointer | object | becomes |
 * |---|---|---|
 * | reserved, abandoned, or a further upload awaited | has come as declared | stored |
 * | the same | has come otherwise | that version is deleted, once it is older than the grace time (not one that object lock keeps) |
 * | reserved, or a further upload awaited | has not come in time | abandoned (a stored one stays stored); parts are aborted |
 * | stored | the artifact's version is gone, another acknowledged one is visible | stored, as that one |
 * | stored | the artifact's version is hidden or gone | expired where a lifecycle rule explains it, else deleted |
 * | stored | an unacknowledged version lies over the artifact's | that version is deleted, once older than the grace time; over one that object lock keeps goes a copy of the artifact's |
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

function judgeDeleting(ctx: Context, row: ArtifactRow, current: ObjectStat | undefined): Verdict | undefined {
  // Until then the request that began it may be at it.
  if (current !== undefined && !isDue(ctx, row)) return undefined;
  return {
    kind: 'stuck_delete',
    detail: current === undefined ? 'the object is gone' : 'the object is there',
    remedy: async () => {
      if (current !== undefined) await ctx.objects.delete({ bucket: row.bucket, key: row.key });
      await changeJudged(ctx, row, (now) => removed(now, 'deleted'))();
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
  // Over an acknowledged version a marker goes, since undelete needs its bytes, and over one that cannot go.
  const marks = known.has(version_id) || (await isKept(ctx, row, version_id));
  const target = marks ? { bucket, key } : { bucket, key, version_id };
  const remedy = async () => {
    await ctx.objects.delete(target);
    if (awaits) await undeleted();
  };
  return { kind: 'undead', detail: version_id, remedy: isSettled(ctx, current) ? remedy : undefined };
}
