import { changeArtifact } from '../artifacts/change.js';
import { type ArtifactRow, readArtifact, type Version } from '../artifacts/row.js';
import { withoutVersions } from '../artifacts/states.js';
import type { Context } from '../context.js';
import { AcervoError, isAcervoError } from '../errors/error.js';
import type { ObjectVersion } from '../objects/port.js';

/** Ids of the versions whose bytes were acknowledged. */
export async function knownVersions(ctx: Context, id: string): Promise<Set<string>> {
  const versions = await ctx.db.query<Version[]>('artifacts/versions', { id });
  return new Set(versions.map(({ version_id }) => version_id));
}

/** An acknowledged version, and not what the artifact is now. */
export function isOldVersion(row: ArtifactRow, known: ReadonlySet<string>, version_id: string | undefined): boolean {
  if (version_id === undefined || !known.has(version_id)) return false;
  return row.status !== 'stored' || row.version_id !== version_id;
}

/**
 * Forgets old versions whose bytes are gone, of those that are named.
 * @returns the ids of those that were forgotten
 * @throws AcervoError `revision:contended` when the artifact changed meanwhile, `objects:unavailable`
 */
export async function forgetGoneVersions(
  ctx: Context,
  id: string,
  named: ReadonlySet<string | undefined>,
): Promise<Set<string>> {
  if (named.size === 0) return new Set();
  const row = await readArtifact(ctx, id);
  const known = await knownVersions(ctx, id);
  const old = [...known].filter((version_id) => named.has(version_id) && isOldVersion(row, known, version_id));
  const gone: string[] = [];
  for (const version_id of old) if (await isGone(ctx, { ...row, version_id })) gone.push(version_id);
  if (gone.length === 0) return new Set();
  const { audit_id } = await changeArtifact(ctx, id, (now) =>
    now.revision === row.revision ? withoutVersions(now, gone) : undefined,
  );
  if (audit_id === undefined) throw new AcervoError('revision:contended', { retryAfterSeconds: 1 });
  return new Set(gone);
}

async function isGone(ctx: Context, { bucket, key, version_id }: ObjectVersion): Promise<boolean> {
  try {
    await ctx.objects.stat({ bucket, key, ...(version_id === undefined ? {} : { version_id }) });
    return false;
  } catch (error) {
    // A delete marker is not found either; but no marker is among the acknowledged versions.
    if (isAcervoError(error, 'artifact:not_found')) return true;
    throw error;
  }
}
