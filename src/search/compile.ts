import type { CompiledStatement } from '../surreal/database.js';
import type { Filter } from './filter/ast.js';
import { compileFilter } from './filter/compile.js';

/**
 * The one place that writes SurrealQL from a request: `<|k,ef|>`, the match operator and ORDER BY take no parameters.
 * Only checked whole numbers, checked paths and constants get into the text; everything else is bound.
 */

/** What vectors belong to, and how their tables' names begin. A vector's link to its owner is named as that. */
const TABLE_PREFIXES = { document: 'vectors_', decision: 'decision_vectors_', session: 'session_vectors_' } as const;

/** Where what is searched by passages lies; its passages and vectors link to it under the name that stands here first. */
const SEARCHED = {
  document: { table: 'knowledge_index', passages: 'passages', kind: 'knowledge' },
  decision: { table: 'agent_decisions', passages: 'decision_passages', kind: 'decision' },
} as const;

export type Searched = keyof typeof SEARCHED;

/** `vectors_<slug>` and its like; the slug comes from our own config, and is checked all the same. */
function vectorsTable(slug: string, of: keyof typeof TABLE_PREFIXES = 'document'): string {
  if (!/^[a-z0-9_]{1,60}$/.test(slug)) throw new Error(`not a space: ${slug}`);
  return `${TABLE_PREFIXES[of]}${slug}`;
}

function wholeNumber(value: number): string {
  if (!Number.isSafeInteger(value) || value < 1) throw new Error(`not a count: ${value}`);
  return String(value);
}

/** ` AND <filter>` on the document, decision or session that a row links to; nothing without a filter. */
function andOwner(filter: Filter | undefined, of: keyof typeof TABLE_PREFIXES = 'document'): CompiledStatement {
  if (filter === undefined) return { text: '', params: {} };
  const { text, params } = compileFilter(filter, `${of}.`);
  return { text: ` AND ${text}`, params };
}

export interface TextStatement {
  /** Words without punctuation and stop words, space-separated. */
  words: string;
  match: 'any' | 'all';
  filter: Filter | undefined;
  limit: number;
  /** Whose passages. */
  of: Searched;
}

/** Passages that hold the words, by BM25. Row: {key: [document, content revision, ordinal], score} */
export function compileText({ words, match, filter, limit, of }: TextStatement): CompiledStatement {
  const operator = match === 'all' ? '@1@' : '@1,OR@';
  const where = andOwner(filter, of);
  return {
    text:
      `SELECT record::id(id) AS key, search::score(1) AS score FROM ${SEARCHED[of].passages} ` +
      `WHERE text ${operator} $words${where.text} ORDER BY score DESC, key ASC LIMIT $limit`,
    params: { ...where.params, words, limit },
  };
}

export interface VectorStatement {
  slug: string;
  /** float[dimensions] */
  vector: number[];
  /** Whose vectors: those of documents, unless it says otherwise. */
  of?: keyof typeof TABLE_PREFIXES;
}

/**
 * The k nearest by the index, filtered afterwards (a filter beside the operator would cut the k short). It looks at 4k:
 * with k alone DISKANN gives two thirds of them, and the last are found less surely (recall of what a filter keeps among
 * 800 or 3 200 neighbours .98, with 2k 1.00); vectors that were just deleted take places as well (with 2k .98 again
 * after 30 % were deleted). Measured on the server at 20 000 x 1 024.
 */
export function compileKnn(
  { slug, vector, of = 'document' }: VectorStatement,
  { k, ef, filter }: { k: number; ef: number; filter: Filter | undefined },
): CompiledStatement {
  const nearest =
    `SELECT record::id(id) AS key, ${of}, 1 - vector::distance::knn() AS score FROM ${vectorsTable(slug, of)} ` +
    `WHERE embedding <|${wholeNumber(k)},${wholeNumber(Math.max(ef, 4 * k))}|> $vector`;
  if (filter === undefined) return { text: nearest, params: { vector } };
  const where = compileFilter(filter, `${of}.`);
  return {
    text: `SELECT key, score, ${where.text} AS kept FROM (${nearest})`,
    params: { ...where.params, vector },
  };
}

const COSINE = 'vector::similarity::cosine(embedding, $vector) AS score';

/** Exact cosine over every vector, or those whose owners a filter keeps: linear, and never wrong. */
export function compileScan(
  { slug, vector, of = 'document' }: VectorStatement,
  { filter, limit }: { filter: Filter | undefined; limit: number },
): CompiledStatement {
  const where = andOwner(filter, of);
  return {
    text:
      `SELECT record::id(id) AS key, ${COSINE} FROM ${vectorsTable(slug, of)} ` +
      `WHERE ${of} != NONE${where.text} ORDER BY score DESC, key ASC LIMIT $limit`,
    params: { ...where.params, vector, limit },
  };
}

/** Exact cosine over all vectors of `$documents`, which are keys. */
function cosinesOfKeys({ slug, of }: { slug: string; of: Searched }): { ids: string; cosines: string } {
  const table = vectorsTable(slug, of);
  return {
    ids:
      `LET $ids = array::flatten($documents.map(|$d| array::range(0, $d.passage_count + 1)` +
      `.map(|$n| type::record('${table}', ['${SEARCHED[of].kind}', $d.id, $d.content_revision, $n - 1]))))`,
    cosines: `SELECT record::id(id) AS key, ${COSINE} FROM $ids WHERE embedding != NONE`,
  };
}

/** Exact cosine over the vectors of documents whose keys are known; one that was replaced since then has none. */
export function compileExact(
  statement: VectorStatement & { of: Searched },
  documents: DocumentKey[],
): CompiledStatement {
  const { ids, cosines } = cosinesOfKeys(statement);
  return { text: `${ids}; ${cosines}`, params: { documents, vector: statement.vector } };
}

/** Exact cosine over the vectors that documents have now. A block is one transaction: no replacement comes between. */
export function compileExactNow(
  statement: VectorStatement & { of: Searched },
  documentIds: string[],
): CompiledStatement {
  const { ids, cosines } = cosinesOfKeys(statement);
  const documents =
    `SELECT ${DOCUMENT_KEY} FROM $document_ids.map(|$id| type::record('${SEARCHED[statement.of].table}', $id)) ` +
    'WHERE id != NONE';
  return {
    text: `{ LET $documents = (${documents}); ${ids}; RETURN ${cosines} }`,
    params: { document_ids: documentIds, vector: statement.vector },
  };
}

/** What names a document's passages and vectors. */
export interface DocumentKey {
  id: string;
  content_revision: number;
  passage_count: number;
}

/** A document that a filter keeps. */
export interface Match extends DocumentKey {
  embedding_status: 'ready' | 'pending' | 'failed' | 'none';
}

const DOCUMENT_KEY = 'record::id(id) AS id, content_revision, passage_count';

/** Documents that a filter keeps, as keys, at most `limit`; and whether they have vectors. */
export function compileMatches(of: Searched, filter: Filter, limit: number): CompiledStatement {
  const where = compileFilter(filter);
  return {
    text: `SELECT ${DOCUMENT_KEY}, embedding_status FROM ${SEARCHED[of].table} WHERE ${where.text} LIMIT $limit`,
    params: { ...where.params, limit },
  };
}

/** A page of documents, artifacts, sessions or decisions in the order of their ids; of sessions all but their states. */
export function compileList(
  table: 'knowledge_index' | 'minio_references' | 'workspace_sessions' | 'agent_decisions',
  filter: Filter,
  { after, descending, limit }: { after: string | undefined; descending: boolean; limit: number },
): CompiledStatement {
  const where = compileFilter(filter);
  const [sign, order] = descending ? ['<', 'DESC'] : ['>', 'ASC'];
  const from = after === undefined ? '' : ` AND id ${sign} type::record('${table}', $after)`;
  return {
    text: `SELECT *${table === 'workspace_sessions' ? ' OMIT state' : ''} FROM ${table} WHERE ${where.text}${from} ORDER BY id ${order} LIMIT $limit`,
    params: { ...where.params, after, limit },
  };
}

/** What names the vectors of a session. */
export interface SessionKey {
  id: string;
  vectors_revision: number;
  vector_names: string[];
}

/** Sessions with vectors that a filter keeps, as keys, at most `limit`. */
export function compileSessionMatches(filter: Filter, limit: number): CompiledStatement {
  const where = compileFilter(filter);
  return {
    text:
      'SELECT record::id(id) AS id, vectors_revision, vector_names FROM workspace_sessions ' +
      `WHERE vector_names != [] AND ${where.text} LIMIT $limit`,
    params: { ...where.params, limit },
  };
}

/** Exact cosine over the vectors of given sessions. */
export function compileSessionExact({ slug, vector }: VectorStatement, sessions: SessionKey[]): CompiledStatement {
  const keys = sessions.flatMap(({ id, vectors_revision, vector_names }) =>
    vector_names.map((name) => [id, vectors_revision, name]),
  );
  const table = vectorsTable(slug, 'session');
  return {
    text:
      `LET $ids = $keys.map(|$key| type::record('${table}', $key)); ` +
      `SELECT record::id(id) AS key, ${COSINE} FROM $ids WHERE embedding != NONE`,
    params: { keys, vector },
  };
}
