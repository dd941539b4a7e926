import { changeArtifact } from '../artifacts/change.js';
import { readDigest } from '../artifacts/landing.js';
import { stored } from '../artifacts/states.js';
import type { Context } from '../context.js';
import { isAcervoError } from '../errors/error.js';
import type { PointerFacts } from './compare.js';
import type { Finding } from './schemas.js';
import { guarded } from './settle-one.js';

export interface Digested {
  finding: Finding | undefined;
  /** 1 when it was read, else 0. */
  objects_digested: number;
}

/**
 * Reads back the version that an artifact is and compares its SHA-256, in constant memory. One whose digest was only
 * declared is read at any size, and is verified from then on; others up to `verifyMaxBytes`. Wrong bytes are reported:
 * what is right, nobody here knows.
 * @throws AcervoError `objects:unavailable`, `database:unavailable`
 */
export async function digestOne(
  ctx: Context,
  pointer: PointerFacts & { bucket: string },
  apply: boolean,
): Promise<Digested> {
  const { artifact_id, bucket, key, status, version_id, sha256, size_bytes, checksum } = pointer;
  const isWanted = checksum === 'unverified' || size_bytes <= ctx.config.objects.verifyMaxBytes;
  if (status !== 'stored' || version_id === undefined || sha256 === undefined || !isWanted)
    return { finding: undefined, objects_digested: 0 };
  let objects_digested = 0;
  const finding = await guarded(ctx, { bucket, key, artifact_id }, async () => {
    const digest = await digestOf(ctx, { bucket, key, version_id });
    objects_digested = digest === undefined ? 0 : 1;
    if (digest === sha256 && checksum === 'unverified' && apply) await markVerified(ctx, artifact_id, version_id);
    if (digest === undefined || digest === sha256) return undefined;
    return { bucket, key, artifact_id, kind: 'corrupt', detail: `${version_id} has sha256 ${digest}`, settled: false };
  });
  return { finding, objects_digested };
}

/** Undefined: it was deleted meanwhile. */
async function digestOf(ctx: Context, object: { bucket: string; key: string; version_id: string }) {
  try {
    return await readDigest(ctx, object);
  } catch (error) {
    if (isAcervoError(error, 'artifact:not_found')) return undefined;
    throw error;
  }
}

async function markVerified(ctx: Context, id: string, version_id: string): Promise<void> {
  await changeArtifact(ctx, id, (row) => {
    const { etag, size_bytes, content_type, sha256 } = row;
    // An upload of its next version is under way: that one ends first.
    const isSame = row.status === 'stored' && row.version_id === version_id && row.upload === undefined;
    if (!isSame || etag === undefined || row.checksum === 'verified') return undefined;
    const version = { version_id, etag, size_bytes, content_type, sha256, checksum: 'verified' as const };
    return stored(row, version, ctx.clock());
  });
}
