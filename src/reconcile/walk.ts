import { adoptObject } from '../artifacts/adopt.js';
import type { Context } from '../context.js';
import { isAcervoError } from '../errors/error.js';
import { type ListedObject, MAX_LIST_LIMIT } from '../objects/port.js';
import { digestOne } from './checksums.js';
import { type Compared, compare, compareKeys, type PointerFacts } from './compare.js';
import type { Mode, Position, Step } from './report.js';
import type { Finding } from './schemas.js';
import { guarded, settleOne } from './settle-one.js';

/** Pointers of one query. Where objects are read back, a step is shorter, for a run that is killed does it again. */
const WINDOW_POINTERS = 1000;
const WINDOW_DIGESTED = 50;

export interface WalkOptions extends Mode {
  from: Position;
  /** When the run began. */
  startedAt: Date;
  signal: AbortSignal;
}

/**
 * Walks a bucket's listing and its pointers side by side, in the order of keys. Where they agree the store is asked
 * nothing more. Where they do not, src/artifacts/settle.ts looks again and judges: so what changes during the walk is
 * no finding.
 *
 * MinIO hides `a/b` in listings when there is `a`: a pointer that the listing lacks is a doubt, no more. An object that
 * is hidden so and that no pointer names is not found.
 * @throws AcervoError `objects:unavailable`, `database:unavailable`; the signal's reason when it is aborted
 */
export async function* walkBucket(ctx: Context, bucket: string, options: WalkOptions): AsyncGenerator<Step> {
  const limit = options.checksums ? WINDOW_DIGESTED : WINDOW_POINTERS;
  let { key, cursor } = options.from;
  for (let isLast = false; !isLast; ) {
    // Listed first: an object's pointer is older than the object.
    const page = await ctx.objects.list(bucket, { limit: MAX_LIST_LIMIT, ...(cursor === undefined ? {} : { cursor }) });
    const next = page.cursor ?? undefined;
    isLast = next === undefined;
    const to = isLast ? undefined : page.objects.at(-1)?.key;
    // A run that goes on may find a page that has filled up with what it need not look at.
    let done = to !== undefined && compareKeys(to, key) <= 0;
    while (!done) {
      options.signal.throwIfAborted();
      const pointers = await ctx.db.query<PointerFacts[]>('reconcile/pointers', { bucket, after: key, to, limit });
      const compared = compare({ after: key, to }, page.objects, pointers, limit);
      done = compared.end === to;
      key = compared.end ?? key;
      const found = await judgeStretch(ctx, bucket, compared, options);
      const position: Position = { pass: 'walk', bucket, key, cursor: done ? next : cursor };
      yield { ...found, position: isLast && done ? { pass: 'uploads', bucket, key: '' } : position };
    }
    cursor = next;
  }
}

async function judgeStretch(
  ctx: Context,
  bucket: string,
  { objects, orphans, doubtful, agreeing }: Compared,
  { apply, checksums, startedAt, signal }: WalkOptions,
): Promise<Omit<Step, 'position'>> {
  const findings: Finding[] = [];
  let objects_digested = 0;
  const add = (finding: Finding | undefined) => void (finding !== undefined && findings.push(finding));
  for (const object of orphans) {
    signal.throwIfAborted();
    add(await judgeOrphan(ctx, bucket, object, apply));
  }
  const agreed = [...agreeing];
  for (const pointer of doubtful) {
    signal.throwIfAborted();
    const { artifact_id, settle_after } = pointer;
    // Those that were due have been looked at already in this run.
    if (settle_after !== undefined && new Date(settle_after) <= startedAt) continue;
    const finding = await settleOne(ctx, artifact_id, apply);
    if (finding === undefined) agreed.push(pointer);
    else findings.push(finding);
  }
  for (const pointer of checksums ? agreed : []) {
    signal.throwIfAborted();
    const digested = await digestOne(ctx, { bucket, ...pointer }, apply);
    objects_digested += digested.objects_digested;
    add(digested.finding);
  }
  return { findings, objects_digested, objects_seen: objects.length, pointers_seen: agreeing.length + doubtful.length };
}

/** An object without a pointer: is it still there, and does it become an artifact? */
async function judgeOrphan(
  ctx: Context,
  bucket: string,
  { key, size_bytes }: ListedObject,
  apply: boolean,
): Promise<Finding | undefined> {
  const about = { bucket, key };
  const detail = `${size_bytes} bytes`;
  return guarded(ctx, about, async () => {
    try {
      await ctx.objects.stat(about);
    } catch (error) {
      if (isAcervoError(error, 'artifact:not_found')) return undefined;
      if (isAcervoError(error, 'artifact:key_invalid')) return { ...about, kind: 'foreign', detail, settled: false };
      throw error;
    }
    const adopts = apply && ctx.config.objects.unknownObjects === 'adopt';
    // Somebody may have been quicker.
    if (adopts && (await adoptObject(ctx, about)) === undefined) return undefined;
    return { ...about, kind: 'orphan', detail, settled: adopts };
  });
}
