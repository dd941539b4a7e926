import { addAbortSignal } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { type ArtifactColumns, type ArtifactRow, storedVersion } from '../artifacts/row.js';
import type { Context } from '../context.js';
import { AcervoError } from '../errors/error.js';
import { maySee } from '../keys/bound-agent.js';
import { requireScopes } from '../keys/require-scopes.js';
import type { MinioRef, PutInput } from './schemas.js';

/** A request's document, with the file that it was taken from. */
export type SourcedInput = PutInput & { minio_ref?: MinioRef };

/** What a file's name, key and text are shown for, also where they become a part of a document. */
const SCOPE = 'artifacts:read';

async function findArtifact(ctx: Context, id: string): Promise<ArtifactRow | undefined> {
  if (!ctx.principal.scopes.has(SCOPE)) return undefined;
  const row = await ctx.db.query<ArtifactRow | null | undefined>('artifacts/get', { id });
  return row && maySee(ctx.principal, row) ? row : undefined;
}

/** What a document says of its file, so that searches need not ask for it. */
export function refOf(artifact: ArtifactColumns): MinioRef {
  const { bucket, key, name, version_id, size_bytes, content_type } = artifact;
  return { bucket, key, name, size_bytes, content_type, ...(version_id === undefined ? {} : { version_id }) };
}

/**
 * The file that a document names, as it is now. An id that is no artifact here (or none that this key may read) stays a
 * label: files may be kept elsewhere.
 */
export async function minioRefOf(ctx: Context, artifact_id: string | undefined): Promise<MinioRef | undefined> {
  const row = artifact_id === undefined ? undefined : await findArtifact(ctx, artifact_id);
  return row && refOf(row);
}

/**
 * A document that names an artifact and brings no text gets the file's: its title, its text, and as metadata what is
 * known of the artifact. One that brings its text is only linked.
 * @throws AcervoError `auth:scope_missing` (of a key that may not read files), `artifact:not_found`, `artifact:not_stored`,
 *   `extraction:*`, `objects:unavailable`
 */
export async function withSource(ctx: Context, input: PutInput, signal: AbortSignal): Promise<SourcedInput> {
  const { artifact_id } = input;
  if (artifact_id === undefined) return input;
  const bringsText = input.content !== undefined || input.passages !== undefined;
  if (!bringsText) requireScopes(ctx, [SCOPE]);
  const row = await findArtifact(ctx, artifact_id);
  if (bringsText) return row === undefined ? input : { ...input, minio_ref: refOf(row) };
  if (row === undefined) throw new AcervoError('artifact:not_found');
  const { text, title = row.name } = await extracted(ctx, row, signal);
  const { name, size_bytes, content_type } = row;
  const known = { file_name: name, file_size: size_bytes, content_type, ...row.metadata };
  return {
    ...input,
    title: input.title ?? title,
    content: text,
    metadata: { ...known, ...input.metadata },
    minio_ref: refOf(row),
  };
}

async function extracted(ctx: Context, row: ArtifactRow, signal: AbortSignal) {
  const object = storedVersion(row);
  const { size_bytes, content_type, name } = row;
  const read = async () => {
    const { body } = await ctx.objects.get(object);
    return buffer(addAbortSignal(signal, body));
  };
  return ctx.extractor.extract({ size_bytes, read, content_type, name }, signal);
}
