import type { Context, RequestOperation } from '../context.js';
import { isAcervoError } from '../errors/error.js';
import { answeredBefore } from '../surreal/answered.js';
import { bringsVectors, type DocumentVectors, embedDocuments } from './embed.js';
import { type PreparedDocument, prepareDocument } from './prepare.js';
import type { PutInput } from './schemas.js';
import { withSource } from './source.js';
import { type Expected, type StoredDocument, storeDocument, withAuditId } from './store.js';

export interface KnownState {
  id: string;
  fingerprint: string;
  content_digest: string;
  embedding_status: string;
}

/** What is stored under the ids of documents, by id. Only an estimate for what follows: the transaction decides. */
export async function knownStates(ctx: Context, documents: PreparedDocument[]): Promise<Map<string, KnownState>> {
  const ids = documents.flatMap((document) => (document.ownId ? [document.id] : []));
  const states = ids.length === 0 ? [] : await ctx.db.query<KnownState[]>('knowledge/states', { ids });
  return new Map(states.map((state) => [state.id, state]));
}

/**
 * Has it no vectors, and could have some now? Its embedding was refused, nobody made or brought any before, or they are
 * `required` now and not when their turn comes.
 */
function lacksVectors(
  ctx: Context,
  document: PreparedDocument,
  { embedding_status }: KnownState,
  required: boolean,
): boolean {
  if (embedding_status === 'none') return ctx.embedder.available || bringsVectors(document);
  return embedding_status === 'failed' || (required && embedding_status === 'pending');
}

/** Must the vectors of this document be made? Not when its content is stored already. */
export function bringsNewContent(
  ctx: Context,
  document: PreparedDocument,
  known: KnownState | undefined,
  required: boolean,
): boolean {
  return known?.content_digest !== document.columns.content_digest || lacksVectors(ctx, document, known, required);
}

/** Is exactly this stored? Then there is nothing to write. */
export function isStored(
  ctx: Context,
  document: PreparedDocument,
  known: KnownState | undefined,
  required: boolean,
): boolean {
  return known?.fingerprint === document.columns.fingerprint && !lacksVectors(ctx, document, known, required);
}

/**
 * Stores a prepared document.
 * @param vectors absent when its content seems to be stored already: then only the row is written
 */
export async function storePrepared(
  ctx: Context,
  document: PreparedDocument,
  vectors: DocumentVectors | undefined,
  { required, ...options }: Expected & { operation: RequestOperation; required: boolean },
): Promise<StoredDocument> {
  if (vectors !== undefined) return storeDocument(ctx, { ...document, vectors }, options);
  try {
    return await storeDocument(ctx, { id: document.id, columns: document.columns }, options);
  } catch (error) {
    if (!isAcervoError(error, 'revision:mismatch') || options.expectedRevision !== undefined) throw error;
  }
  // The content has changed since it was looked at: it is stored as new.
  const [made] = await embedDocuments(ctx, [document], { required });
  return storeDocument(ctx, made ? { ...document, vectors: made } : document, options);
}

/**
 * Stores or replaces one document.
 * @param expected from If-Match
 * @throws AcervoError as `withSource`, `prepareDocument`, `embedDocuments` and `storeDocument` say
 */
export async function putDocument(
  ctx: Context,
  input: PutInput,
  { signal, ...expected }: Expected & { signal: AbortSignal },
): Promise<StoredDocument> {
  const before = await answeredBefore<StoredDocument>(ctx.db, ctx.operation);
  if (before !== undefined) return withAuditId(before);
  const document = prepareDocument(ctx, await withSource(ctx, input, signal));
  const required = input.require_embedding ?? false;
  const isNew = bringsNewContent(ctx, document, (await knownStates(ctx, [document])).get(document.id), required);
  const [vectors] = isNew ? await embedDocuments(ctx, [document], { required, signal }) : [];
  return storePrepared(ctx, document, vectors, { ...expected, operation: ctx.operation, required });
}
