import type { Context } from '../context.js';
import { AcervoError } from '../errors/error.js';
import { answeredBefore } from '../surreal/answered.js';
import { writeOver } from '../surreal/write-over.js';
import { embedDocuments } from './embed.js';
import { type KnowledgeRow, readRow } from './get.js';
import { checkMetadata, fingerprintOf, prepareDocument } from './prepare.js';
import type { PatchInput } from './schemas.js';
import { minioRefOf, type SourcedInput } from './source.js';
import { type Storable, type StoredDocument, storeDocument, withAuditId } from './store.js';

type Json = Record<string, unknown>;

const isObject = (value: unknown): value is Json =>
  value !== null && typeof value === 'object' && !Array.isArray(value);

/** JSON merge patch, RFC 7396 section 2. Recursion is bounded by the depth of metadata. */
export function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch;
  const merged: Json = isObject(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete merged[key];
    else merged[key] = mergePatch(merged[key], value);
  }
  return merged;
}

/** A field of the patch: null removes it, nothing keeps it. */
const patched = <T>(given: T | null | undefined, current: T | undefined): T | undefined =>
  given === undefined ? current : (given ?? undefined);

/**
 * Metadata after a merge patch; null takes all of it away.
 * @throws AcervoError `knowledge:metadata_too_large`, `request:invalid`
 */
export function patchedMetadata({ metadata: current }: { metadata: Json }, patch: Json | null | undefined): Json {
  const metadata = patch === null ? {} : (mergePatch(current, patch ?? {}) as Json);
  checkMetadata(metadata);
  return metadata;
}

/** The file that the document names after the patch; looked up only when it names another. */
async function refAfter(ctx: Context, row: KnowledgeRow, patch: PatchInput): Promise<Pick<SourcedInput, 'minio_ref'>> {
  const artifact_id = patched(patch.artifact_id, row.artifact_id);
  const minio_ref = artifact_id === row.artifact_id ? row.minio_ref : await minioRefOf(ctx, artifact_id);
  return minio_ref === undefined ? {} : { minio_ref };
}

/** New title or content: the passages are cut and embedded anew. */
async function recut(ctx: Context, row: KnowledgeRow, patch: PatchInput): Promise<Storable> {
  const hasVectorsOfCaller = row.embedding_source === 'caller' && row.embedding_status === 'ready';
  if (row.passages_source === 'caller' || hasVectorsOfCaller) throw new AcervoError('knowledge:caller_passages');
  const document = prepareDocument(ctx, {
    id: row.id,
    content: patch.content ?? row.content,
    title: patched(patch.title, row.title),
    metadata: patchedMetadata(row, patch.metadata),
    language: patch.language ?? row.language,
    agent_id: row.agent_id,
    artifact_id: patched(patch.artifact_id, row.artifact_id),
    ...(await refAfter(ctx, row, patch)),
  });
  const [vectors] = await embedDocuments(ctx, [document], { required: patch.require_embedding ?? false });
  return vectors ? { ...document, vectors } : document;
}

async function withNewColumns(ctx: Context, row: KnowledgeRow, patch: PatchInput): Promise<Storable> {
  const kept = {
    metadata: patchedMetadata(row, patch.metadata),
    language: patch.language ?? row.language,
    agent_id: row.agent_id,
    artifact_id: patched(patch.artifact_id, row.artifact_id),
    minio_ref: (await refAfter(ctx, row, patch)).minio_ref,
    content_digest: row.content_digest,
  };
  const { title, passages_source, passage_count, size_bytes } = row;
  const fingerprint = fingerprintOf(kept);
  const columns = { ...kept, title, fingerprint, passages_source, passage_count, size_bytes };
  return { id: row.id, columns, rowOnly: true };
}

async function patchedDocument(ctx: Context, row: KnowledgeRow, patch: PatchInput): Promise<Storable> {
  const newTitle = patch.title !== undefined && (patch.title ?? undefined) !== row.title;
  // The same content is new where its embedding was refused: sending it again is how to have it tried again.
  const sameContent = patch.content === row.content && row.embedding_status !== 'failed';
  const newContent = patch.content !== undefined && !sameContent;
  return newTitle || newContent ? recut(ctx, row, patch) : withNewColumns(ctx, row, patch);
}

/**
 * Changes parts of a document. Nobody's change is lost: it is applied to the revision that was read, else again.
 * @throws AcervoError `knowledge:not_found`, `revision:mismatch` (If-Match), `revision:contended`,
 *   `knowledge:caller_passages`, and those of `prepareDocument`
 */
export async function patchDocument(
  ctx: Context,
  id: string,
  patch: PatchInput,
  ifMatch?: number,
): Promise<StoredDocument> {
  const steps = {
    answered: async () => {
      const before = await answeredBefore<StoredDocument>(ctx.db, ctx.operation);
      return before && withAuditId(before);
    },
    read: () => readRow(ctx, id),
    decide: (row: KnowledgeRow) => patchedDocument(ctx, row, patch),
    write: ({ revision }: KnowledgeRow, document: Storable) =>
      storeDocument(ctx, document, { operation: ctx.operation, expectedRevision: revision }),
  };
  return writeOver(steps, ifMatch);
}
