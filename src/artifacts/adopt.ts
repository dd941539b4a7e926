import { v7 as uuidv7 } from 'uuid';
import type { Context } from '../context.js';
import { isAcervoError } from '../errors/error.js';
import type { ObjectName } from '../objects/port.js';
import { writeArtifact } from './change.js';
import { currentObject, lockOf, versionIdOf } from './landing.js';
import type { ArtifactRow } from './row.js';

/**
 * Makes a pointer to an object that somebody put into a bucket of ours without asking. Its bytes are as the store says.
 * @returns undefined when there is no such object, when it has a key that no artifact can have, or when it has a pointer
 *   by now
 * @throws AcervoError `objects:unavailable`, and those of `writeArtifact`
 */
export async function adoptObject(ctx: Context, { bucket, key }: ObjectName): Promise<ArtifactRow | undefined> {
  try {
    const current = await currentObject(ctx, { bucket, key });
    if (current === undefined) return undefined;
    const { etag, size_bytes, content_type } = current;
    const version_id = versionIdOf(current);
    const version = { version_id, etag, size_bytes, content_type, sha256: undefined, checksum: 'unverified' } as const;
    const row = {
      ...{ bucket, key, ...version, ...(await lockOf(ctx, { bucket, key }, version_id)) },
      name: key.split('/').at(-1) ?? key,
      metadata: {},
      status: 'stored',
      version_count: 1,
      stored_at: ctx.clock().toISOString(),
    } as const;
    const next = { row, version, action: 'CREATE', status: 'SUCCESS' } as const;
    const { artifact } = await writeArtifact(ctx, uuidv7(), next, { revision: 0 });
    ctx.metrics.artifactsStored.inc();
    return artifact;
  } catch (error) {
    // Somebody was quicker, or nobody can.
    if (isAcervoError(error, 'artifact:key_taken') || isAcervoError(error, 'artifact:key_invalid')) return undefined;
    throw error;
  }
}
