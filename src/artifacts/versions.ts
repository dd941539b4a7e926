import type { Context } from '../context.js';
import { AcervoError, isAcervoError } from '../errors/error.js';
import { beginChange, type Changed, unchanged } from './change.js';
import { confirm, versionIdOf } from './landing.js';
import { type ArtifactRow, readArtifact, type Version } from './row.js';

/** An acknowledged version, as the database has it. */
export interface VersionRow extends Version {
  created_at: string;
  /** Is it what the artifact is now? */
  current: boolean;
}

/** The acknowledged versions of an artifact, newest first. @throws AcervoError `artifact:not_found` */
export async function listVersions(ctx: Context, id: string): Promise<VersionRow[]> {
  return versionsOf(ctx, await readArtifact(ctx, id));
}

async function versionsOf(ctx: Context, { id, version_id, status }: ArtifactRow): Promise<VersionRow[]> {
  const rows = await ctx.db.query<(Version & { created_at: string; id?: unknown })[]>('artifacts/versions', { id });
  return rows.map(({ id: _id, ...version }) => ({
    ...version,
    current: status === 'stored' && version.version_id === version_id,
  }));
}

/** @throws AcervoError `artifact:not_found` */
export async function readVersion(ctx: Context, row: ArtifactRow, version_id: string): Promise<VersionRow> {
  const found = (await versionsOf(ctx, row)).find((version) => version.version_id === version_id);
  if (found === undefined) throw new AcervoError('artifact:not_found', { detail: 'There is no such version.' });
  return found;
}

/**
 * Makes an old version current again: its bytes become a new version on top, so that nothing is rewritten.
 * @throws AcervoError `artifact:not_found`, `artifact:gone` when the bytes are, `artifact:not_reserved` when the artifact
 *   is deleted
 */
export async function restoreVersion(
  ctx: Context,
  id: string,
  version_id: string,
  expectedRevision?: number,
): Promise<Changed> {
  const { row, before } = await beginChange(ctx, id, expectedRevision);
  if (before !== undefined) return before;
  if (row.status !== 'stored')
    throw new AcervoError('artifact:not_found', { detail: `The artifact is ${row.status}.` });
  const { current, created_at: _created, ...version } = await readVersion(ctx, row, version_id);
  if (current) return unchanged(ctx, row, ctx.operation);
  const restored = await copyOf(ctx, row, { ...version, sha256: version.sha256 });
  ctx.passFaultPoint('restore:copied');
  const changed = await confirm(ctx, row, restored, { operation: ctx.operation, expectedRevision });
  ctx.passFaultPoint('restore:confirmed');
  return changed;
}

/** Puts the bytes of a version on top, as a further one. @throws AcervoError `artifact:gone` */
export async function copyOf(ctx: Context, { bucket, key }: ArtifactRow, version: Version): Promise<Version> {
  const { version_id } = version;
  try {
    const copied = await ctx.objects.copy({ bucket, key, version_id }, { bucket, key });
    return { ...version, version_id: versionIdOf(copied), etag: copied.etag };
  } catch (error) {
    if (isAcervoError(error, 'artifact:not_found')) throw new AcervoError('artifact:gone', { cause: error });
    throw error;
  }
}
