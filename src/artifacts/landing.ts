import { createHash } from 'node:crypto';
import { pipeline } from 'node:stream/promises';
import type { Context } from '../context.js';
import { AcervoError, isAcervoError } from '../errors/error.js';
import type { ObjectName, ObjectStat } from '../objects/port.js';
import { requireRevision } from '../surreal/write-over.js';
import { type Changed, type ChangeOptions, changeArtifact } from './change.js';
import type { ArtifactRow, Version } from './row.js';
import { type Lock, stored } from './states.js';

/** S3's name for the one version in a bucket that keeps none. */
export const versionIdOf = ({ version_id }: { version_id: string | null }): string => version_id ?? 'null';

/** What lies under an artifact's key now; undefined for nothing, or a delete marker. */
export async function currentObject(ctx: Context, { bucket, key }: ObjectName): Promise<ObjectStat | undefined> {
  try {
    return await ctx.objects.stat({ bucket, key });
  } catch (error) {
    if (isAcervoError(error, 'artifact:not_found')) return undefined;
    throw error;
  }
}

/** SHA-256 of a stored version, read back in constant memory; 64 hexadecimal digits. */
export async function readDigest(
  ctx: Context,
  object: { bucket: string; key: string; version_id: string },
): Promise<string> {
  const { body } = await ctx.objects.get(object);
  const hash = createHash('sha256');
  await pipeline(body, hash);
  return hash.digest('hex');
}

/** Has this bucket object lock? */
export const keepsLocks = (ctx: Context, bucket: string): boolean =>
  ctx.config.objects.buckets.find(({ name }) => name === bucket)?.lock !== undefined;

/** What the store keeps a version with; asked only where the bucket has object lock. */
export async function lockOf(ctx: Context, { bucket, key }: ObjectName, version_id: string): Promise<Lock> {
  if (!keepsLocks(ctx, bucket)) return { legal_hold: false, retention: undefined };
  const { legal_hold, retention } = await ctx.objects.lockOf({ bucket, key, version_id });
  return { legal_hold, retention: retention ?? undefined };
}

/** What a client said that it would send. */
export type Declared = Pick<Version, 'size_bytes' | 'content_type' | 'sha256'>;

/** @throws AcervoError `artifact:size_mismatch`, `artifact:checksum_mismatch` */
async function checkLanded(ctx: Context, row: ArtifactRow, stat: ObjectStat, declared: Declared): Promise<Version> {
  if (stat.size_bytes !== declared.size_bytes)
    throw new AcervoError('artifact:size_mismatch', {
      detail: `Declared were ${declared.size_bytes} bytes; ${stat.size_bytes} came.`,
    });
  const version = { version_id: versionIdOf(stat), etag: stat.etag, size_bytes: stat.size_bytes };
  const { content_type } = declared;
  if (stat.size_bytes > ctx.config.objects.verifyMaxBytes)
    return { ...version, content_type, sha256: declared.sha256, checksum: 'unverified' };
  const sha256 = await readDigest(ctx, { ...row, version_id: version.version_id });
  if (declared.sha256 !== undefined && declared.sha256 !== sha256) throw new AcervoError('artifact:checksum_mismatch');
  return { ...version, content_type, sha256, checksum: 'verified' };
}

/**
 * Takes what was uploaded past us as the artifact's content, if it is what was declared: its size always, its digest up
 * to `verifyMaxBytes`, by reading it back.
 * @throws AcervoError `artifact:size_mismatch`, `artifact:checksum_mismatch`, and those of `confirm`
 */
export async function land(
  ctx: Context,
  row: ArtifactRow,
  stat: ObjectStat,
  { declared, ...options }: ChangeOptions & { declared: Declared },
): Promise<Changed> {
  return confirm(ctx, row, await checkLanded(ctx, row, stat, declared), { ...options, isUpload: true });
}

/**
 * The pointer becomes this version. Told twice, it changes once. `isUpload`: it is what was awaited.
 * @throws AcervoError `artifact:not_reserved` (deleted meanwhile), `revision:mismatch` (If-Match, unless what came
 *   between is this version), and those of `changeArtifact`
 */
export async function confirm(
  ctx: Context,
  row: ArtifactRow,
  version: Version,
  { operation, expectedRevision, isUpload }: ChangeOptions & { isUpload?: boolean } = {},
): Promise<Changed> {
  // With a name to be retried by, the request writes its own row even where an event was quicker.
  const isNamed = (operation?.request_digest ?? '') !== '';
  const changed = await changeArtifact(
    ctx,
    row.id,
    async (now) => {
      const isThis = now.version_id === version.version_id;
      if (!isThis) requireRevision(now, expectedRevision);
      const same = isThis && now.sha256 === version.sha256;
      if (same && now.status === 'stored' && now.checksum === version.checksum && !isNamed) return undefined;
      const next = stored(now, version, ctx.clock(), isUpload);
      return { ...next, row: { ...next.row, ...(await carriedOver(ctx, now, version.version_id)) } };
    },
    { operation },
  );
  if (changed.audit_id !== undefined) ctx.metrics.artifactsStored.inc();
  return changed;
}

/**
 * A hold is on the artifact, not on what it was: its next version gets it too, in the store, and the longer of the two
 * retentions. The mode is the version's own where it has one: that does not change while it runs.
 */
export async function carriedOver(ctx: Context, row: ArtifactRow, version_id: string): Promise<Lock> {
  const { bucket, key, legal_hold, retention: before } = row;
  const object = { bucket, key, version_id };
  const own = await lockOf(ctx, object, version_id);
  if (legal_hold && !own.legal_hold) await ctx.objects.setLegalHold(object, true);
  const lock = { legal_hold: legal_hold || own.legal_hold, retention: own.retention };
  const ownEnd = Math.max(ctx.clock().getTime(), Date.parse(own.retention?.retain_until ?? '1970-01-01T00:00:00Z'));
  if (before === undefined || Date.parse(before.retain_until) <= ownEnd || !keepsLocks(ctx, bucket)) return lock;
  const retention = { ...before, mode: own.retention?.mode ?? before.mode };
  await ctx.objects.setRetention(object, retention);
  return { ...lock, retention };
}
