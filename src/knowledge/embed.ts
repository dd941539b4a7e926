import type { Context } from '../context.js';
import { isAcervoError } from '../errors/error.js';
import type { PreparedDocument } from './prepare.js';

export interface DocumentVectors {
  vectors: { ordinal: number; embedding: number[] }[];
  embedding_status: 'ready' | 'pending' | 'failed' | 'none';
  embedding_source: 'embedder' | 'caller';
  embedding_error: string | undefined;
}

/** The ordinal of a vector that stands for a whole document. */
const WHOLE_DOCUMENT = -1;

/** What is embedded of a document, or of anything that is cut into passages. */
type Embeddable = Pick<PreparedDocument, 'passages' | 'wholeVector'>;

function ofCaller(document: Embeddable): DocumentVectors['vectors'] {
  const own = document.passages.flatMap(({ ordinal, vector }) => (vector ? [{ ordinal, embedding: vector }] : []));
  return document.wholeVector ? [{ ordinal: WHOLE_DOCUMENT, embedding: document.wholeVector }, ...own] : own;
}

export const bringsVectors = (document: Embeddable): boolean => ofCaller(document).length > 0;

/** Does the embedder make this document's vectors? Not when the caller brought any: they say what it is about. */
function needsEmbedder(ctx: Context, document: Embeddable): boolean {
  return ctx.embedder.available && !bringsVectors(document);
}

function withoutEmbedder(document: Embeddable): DocumentVectors {
  const vectors = ofCaller(document);
  return {
    vectors,
    embedding_status: vectors.length > 0 ? 'ready' : 'none',
    embedding_source: 'caller',
    embedding_error: undefined,
  };
}

const unmade = (status: 'pending' | 'failed', code?: string): DocumentVectors => ({
  vectors: [],
  embedding_status: status,
  embedding_source: 'embedder',
  embedding_error: code,
});

/**
 * The vectors of several documents, embedded in one call. When the embedder is down they come back `pending`, when it
 * refuses the texts, `failed`; the documents are stored and found by words all the same.
 * @param required all or nothing: the failure is thrown instead
 * @throws AcervoError `embedding:unavailable`, `embedding:rejected` when `required`
 */
export async function embedDocuments(
  ctx: Context,
  documents: Embeddable[],
  options: { required: boolean; signal?: AbortSignal },
): Promise<DocumentVectors[]> {
  const { required, signal } = options;
  const texts = documents.flatMap((document) =>
    needsEmbedder(ctx, document) ? document.passages.map((passage) => passage.text) : [],
  );
  let made: number[][] = [];
  let failure: DocumentVectors | undefined;
  try {
    if (texts.length > 0) made = await ctx.embedder.embed(texts, 'document', signal);
  } catch (error) {
    if (required || !isAcervoError(error)) throw error;
    // A text that is refused must not cost its neighbours their vectors: halves find it.
    if (error.code === 'embedding:rejected' && documents.length > 1) {
      const half = documents.length >> 1;
      const first = await embedDocuments(ctx, documents.slice(0, half), options);
      return [...first, ...(await embedDocuments(ctx, documents.slice(half), options))];
    }
    ctx.log.warn({ code: error.code, texts: texts.length }, 'vectors could not be made');
    failure = error.code === 'embedding:rejected' ? unmade('failed', error.code) : unmade('pending');
  }
  let next = 0;
  return documents.map((document) => {
    if (!needsEmbedder(ctx, document)) return withoutEmbedder(document);
    if (failure !== undefined) return failure;
    const vectors = document.passages.map(({ ordinal }) => ({ ordinal, embedding: made[next++] ?? [] }));
    return { vectors, embedding_status: 'ready', embedding_source: 'embedder', embedding_error: undefined };
  });
}
