import type { CompiledStatement } from '../surreal/database.js';
import type { Filter } from './filter/ast.js';
import { compileFilter } from './filter/compile.js';

/**
 * The one place that writes SurrealQL from a request: `<|k,ef|>`, the match operator and ORDER BY take no parameters.
 * Only checked whole numbers, checked paths and constants get into the text; everything else is bound.
 */

/** `vectors_<slug>`; the slug comes from our own config, and is checked all the same. */
function vectorsTable(slug: string): string {
  if (!/^[a-z0-9_]{1,60}$/.test(slug)) throw new Error(`not a space: ${slug}`);
  return `vectors_${slug}`;
}

function wholeNumber(value: number): string {
  if (!Number.isSafeInteger(value) || value < 1) throw new Error(`not a count: ${value}`);
  return String(value);
}

/** ` AND <filter>` on the document that a row links to; nothing without a filter. */
function andDocument(filter: Filter | undefined): CompiledStatement {
  if (filter === undefined) return { text: '', params: {} };
  const { text, params } = compileFilter(filter, 'document.');
  return { text: ` AND ${text}`, params };
}

export interface TextStatement {
  /** Words without punctuation and stop words, space-separated. */
  words: string;
  match: 'any' | 'all';
  filter: Filter | undefined;
  limit: number;
  highlight: boolean;
}

/** Passages that hold the words, by BM25. Row: {key: [document, content revision, ordinal], score, text?, highlight?} */
export function compileText({ words, match, filter, limit, highlight }: TextStatement): CompiledStatement {
  const operator = match === 'all' ? '@1@' : '@1,OR@';
  const marked = highlight ? `, text, search::highlight('<b>', '</b>', 1) AS highlight` : '';
  const where = andDocument(filter);
  return {
    text:
      `SELECT record::id(id) AS key, search::score(1) AS score${marked} FROM passages ` +
      `WHERE text ${operator} $words${where.text} ORDER BY score DESC, key ASC LIMIT $limit`,
    params: { ...where.params, words, limit },
  };
}

export interface VectorStatement {
  slug: string;
  /** float[dimensions] */
  vector: number[];
}

/**
 * The k nearest by the index, filtered afterwards (a filter beside the operator would cut the k short). It looks at 4k:
 * with k alone DISKANN gives two thirds of them, and the last are found less surely (recall of what a filter keeps among
 * 800 or 3 200 neighbours .98, with 2k 1.00); vectors that were just deleted take places as well (with 2k .98 again
 * after 30 % were deleted). Measured on the server at 20 000 x 1 024.
 */
export function compileKnn(
  { slug, vector }: VectorStatement,
  { k, ef, filter }: { k: number; ef: number; filter: Filter | undefined },
): CompiledStatement {
  const nearest =
    `SELECT record::id(id) AS key, document, 1 - vector::distance::knn() AS score FROM ${vectorsTable(slug)} ` +
    `WHERE embedding <|${wholeNumber(k)},${wholeNumber(Math.max(ef, 4 * k))}|> $vector`;
  if (filter === undefined) return { text: nearest, params: { vector } };
  const where = compileFilter(filter, 'document.');
  return {
    text: `SELECT key, score, ${where.text} AS kept FROM (${nearest})`,
    params: { ...where.params, vector },
  };
}

const COSINE = 'vector::similarity::cosine(embedding, $vector) AS score';

/** Exact cosine over every vector, or those of the documents that a filter keeps: linear, and never wrong. */
export function compileScan(
  { slug, vector }: VectorStatement,
  { filter, limit }: { filter: Filter | undefined; limit: number },
): CompiledStatement {
  const where = andDocument(filter);
  return {
    text:
      `SELECT record::id(id) AS key, ${COSINE} FROM ${vectorsTable(slug)} ` +
      `WHERE document != NONE${where.text} ORDER BY score DESC, key ASC LIMIT $limit`,
    params: { ...where.params, vector, limit },
  };
}

/** Exact cosine over the vectors of given documents. */
export function compileExact({ slug, vector }: VectorStatement, documents: DocumentKey[]): CompiledStatement {
  const table = vectorsTable(slug);
  return {
    text:
      `LET $ids = array::flatten($documents.map(|$d| array::range(0, $d.passage_count + 1)` +
      `.map(|$n| type::record('${table}', ['knowledge', $d.id, $d.content_revision, $n - 1])))); ` +
      `SELECT record::id(id) AS key, ${COSINE} FROM $ids WHERE embedding != NONE`,
    params: { documents, vector },
  };
}

/** What names a document's passages and vectors. */
export interface DocumentKey {
  id: string;
  content_revision: number;
  passage_count: number;
}

/** Documents that a filter keeps, as keys, at most `limit`. */
export function compileMatches(filter: Filter, limit: number): CompiledStatement {
  const where = compileFilter(filter);
  return {
    text: `SELECT record::id(id) AS id, content_revision, passage_count FROM knowledge_index WHERE ${where.text} LIMIT $limit`,
    params: { ...where.params, limit },
  };
}

/** A page of documents or artifacts in the order of their ids. */
export function compileList(
  table: 'knowledge_index' | 'minio_references',
  filter: Filter,
  { after, descending, limit }: { after: string | undefined; descending: boolean; limit: number },
): CompiledStatement {
  const where = compileFilter(filter);
  const [sign, order] = descending ? ['<', 'DESC'] : ['>', 'ASC'];
  const from = after === undefined ? '' : ` AND id ${sign} type::record('${table}', $after)`;
  return {
    text: `SELECT * FROM ${table} WHERE ${where.text}${from} ORDER BY id ${order} LIMIT $limit`,
    params: { ...where.params, after, limit },
  };
}
