import type { ArtifactRow } from '../artifacts/row.js';
import { settleArtifact } from '../artifacts/settle.js';
import type { Context } from '../context.js';
import { isAcervoError } from '../errors/error.js';
import type { Finding } from './schemas.js';

/**
 * Does something about one object. What fails for this one alone becomes a finding: it must not hold up those behind it.
 * @throws AcervoError `objects:unavailable`, `database:unavailable`: for the others it would fail as well
 */
export async function guarded(
  ctx: Context,
  about: Pick<Finding, 'bucket' | 'key' | 'artifact_id'>,
  work: () => Promise<Finding | undefined>,
): Promise<Finding | undefined> {
  try {
    return await work();
  } catch (error) {
    if (isAcervoError(error, 'objects:unavailable') || isAcervoError(error, 'database:unavailable')) throw error;
    ctx.log.warn({ err: error, ...about }, 'an object could not be reconciled');
    const detail = isAcervoError(error) ? error.code : 'internal:unexpected';
    return { ...about, kind: 'failed', detail, settled: false };
  }
}

/**
 * Lets the judge of src/artifacts/settle.ts look at an artifact as it is now.
 * @throws AcervoError `objects:unavailable`, `database:unavailable`
 */
export async function settleOne(ctx: Context, artifact_id: string, apply: boolean): Promise<Finding | undefined> {
  const row = await ctx.db.query<ArtifactRow | undefined>('artifacts/get', { id: artifact_id });
  if (row === undefined) return undefined;
  const about = { bucket: row.bucket, key: row.key, artifact_id };
  return guarded(ctx, about, async () => {
    const settled = await settleArtifact(ctx, row, { apply });
    return settled && { ...about, ...settled };
  });
}
