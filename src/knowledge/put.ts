import type { Context, RequestOperation } from '../context.js';
import { isAcervoError } from '../errors/error.js';
import { type DocumentVectors, embedDocuments } from './embed.js';
import { type PreparedDocument, prepareDocument } from './prepare.js';
import type { PutInput } from './schemas.js';
import { type StoredDocument, storeDocument } from './store.js';

interface KnownState {
  id: string;
  content_digest: string;
  embedding_status: string;
}

/**
 * Those of the documents whose content is not stored yet: their vectors must be made. Only an estimate: the
 * transaction decides, and refuses a write without content when the content has changed in between.
 */
export async function withNewContent(ctx: Context, documents: PreparedDocument[]): Promise<Set<PreparedDocument>> {
  const ids = documents.flatMap((document) => (document.ownId ? [document.id] : []));
  const states = ids.length === 0 ? [] : await ctx.db.query<KnownState[]>('knowledge/states', { ids });
  const known = new Map(states.map((state) => [state.id, state]));
  const isNew = ({ id, columns }: PreparedDocument) => {
    const state = known.get(id);
    return state?.content_digest !== columns.content_digest || state.embedding_status === 'failed';
  };
  return new Set(documents.filter(isNew));
}

/**
 * Stores a prepared document.
 * @param vectors absent when its content seems to be stored already: then only the row is written
 */
export async function storePrepared(
  ctx: Context,
  document: PreparedDocument,
  vectors: DocumentVectors | undefined,
  options: { operation: RequestOperation; expectedRevision?: number | undefined; required: boolean },
): Promise<StoredDocument> {
  if (vectors !== undefined) return storeDocument(ctx, { ...document, vectors }, options);
  try {
    return await storeDocument(ctx, { id: document.id, columns: document.columns }, options);
  } catch (error) {
    if (!isAcervoError(error, 'revision:mismatch') || options.expectedRevision !== undefined) throw error;
  }
  // The content has changed since it was looked at: it is stored as new.
  const [made] = await embedDocuments(ctx, [document], { required: options.required });
  return storeDocument(ctx, made ? { ...document, vectors: made } : document, options);
}

/**
 * Stores or replaces one document.
 * @param ifMatch the revision that the client saw, from If-Match
 * @throws AcervoError as `prepareDocument`, `embedDocuments` and `storeDocument` say
 */
export async function putDocument(
  ctx: Context,
  input: PutInput,
  { ifMatch, signal }: { ifMatch?: number | undefined; signal: AbortSignal },
): Promise<StoredDocument> {
  const document = prepareDocument(ctx, input);
  const required = input.require_embedding ?? false;
  const isNew = (await withNewContent(ctx, [document])).has(document);
  const [vectors] = isNew ? await embedDocuments(ctx, [document], { required, signal }) : [];
  return storePrepared(ctx, document, vectors, { operation: ctx.operation, expectedRevision: ifMatch, required });
}
