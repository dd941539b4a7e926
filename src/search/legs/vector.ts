import type { Context } from '../../context.js';
import {
  compileExact,
  compileExactNow,
  compileKnn,
  compileScan,
  type Match,
  type Searched,
  type VectorStatement,
} from '../compile.js';
import type { CorpusTables } from '../corpus.js';
import type { Filter } from '../filter/ast.js';
import { bestFirst } from '../fusion.js';
import { byDocument, type FoundDocument, LegRecorder, type LegResult, type LegRow } from '../leg.js';

/** Matches that are looked up one by one; more than this many are never compared exactly unless all else fails. */
const MAX_MATCHES = 3_000;
/**
 * The index must spare three quarters of the vectors: reading one takes the same .2 ms either way (measured on both
 * engines), an over-fetch may have to be repeated, and deep neighbours are found less surely (.98 of the ten best that
 * a 10 % filter keeps, among 800 neighbours after many deletes).
 */
const INDEX_ADVANTAGE = 4;
/** How many more neighbours are asked for than would do if the filter's matches were spread evenly. */
const SLACK = 1.5;
/** Beyond this k the index is slower than the scan that it stands for. */
const MAX_K = 4_096;
const GROWTH = 4;

export interface VectorRequest {
  corpus: CorpusTables;
  /** float[dimensions] of unit length */
  vector: number[];
  filter: Filter | undefined;
  /** Cosine below which nothing matches. */
  minScore: number | undefined;
}

type Row = LegRow & { kept?: boolean };

function above(documents: FoundDocument[], minScore: number | undefined): FoundDocument[] {
  return minScore === undefined ? documents : documents.filter((document) => document.score >= minScore);
}

/** A filter's matches, when they are few enough to be known one by one. */
interface Matches {
  documents: Match[];
  vectors: number;
  /** How many neighbours the index must give for `depth` of them to match, if the matches are spread evenly. */
  neededK: number;
}

async function fewMatches(
  ctx: Context,
  recorder: LegRecorder,
  { corpus, filter }: VectorRequest,
  depth: number,
): Promise<Matches | undefined> {
  if (filter === undefined) return undefined;
  const [documents, total] = await Promise.all([
    recorder.matches(corpus.of, filter, MAX_MATCHES + 1),
    corpus.count(ctx),
  ]);
  if (documents.length > MAX_MATCHES) return undefined;
  const vectors = documents.reduce((sum, document) => sum + document.passage_count, 0);
  const share = documents.length / Math.max(1, total);
  return { documents, vectors, neededK: share === 0 ? Number.POSITIVE_INFINITY : Math.ceil((SLACK * depth) / share) };
}

/** Asks the index for more and more neighbours until enough of them pass the filter. Undefined: it came back short. */
async function nearest(
  ctx: Context,
  recorder: LegRecorder,
  statement: VectorStatement,
  { filter, minScore }: VectorRequest,
  { depth, firstK, lastK }: { depth: number; firstK: number; lastK: number },
): Promise<LegResult | undefined> {
  const ef = ctx.config.vectorIndex.searchEf;
  for (let k = firstK; k <= lastK; k *= GROWTH) {
    const rows = await recorder.run<Row>(compileKnn(statement, { k, ef, filter }));
    // Fewer than k: either these are all vectors there are, or the graph lost some. A scan tells.
    if (rows.length < k) return undefined;
    const documents = byDocument(rows.filter((row) => row.kept ?? true));
    const kept = above(documents, minScore);
    const sawAll = minScore !== undefined && rows.some((row) => row.score < minScore);
    if (sawAll || kept.length >= depth)
      return recorder.result(kept.slice(0, depth), sawAll && kept.length <= depth, 'index');
  }
  return undefined;
}

/** Exact cosine over everything that the filter keeps. */
async function scan(
  recorder: LegRecorder,
  statement: VectorStatement,
  { filter, minScore }: VectorRequest,
  depth: number,
): Promise<LegResult> {
  for (let limit = depth * GROWTH; ; limit *= GROWTH) {
    const rows = await recorder.run<Row>(compileScan(statement, { filter, limit }));
    const documents = above(byDocument(rows), minScore);
    const exhausted = rows.length < limit;
    if (exhausted || documents.length >= depth)
      return recorder.result(documents.slice(0, depth), exhausted && documents.length <= depth, 'scan');
  }
}

/** Exact cosine of documents as they are now, best first; those without a vector in this space are left out. */
export async function cosineOf(
  recorder: LegRecorder,
  statement: VectorStatement & { of: Searched },
  ids: string[],
  minScore: number | undefined,
): Promise<FoundDocument[]> {
  if (ids.length === 0) return [];
  return above(byDocument(await recorder.run<Row>(compileExactNow(statement, ids))), minScore);
}

/** Exact cosine of a filter's matches. Who has a vector and yet none under its key was replaced since: it is asked again. */
async function cosineOfMatches(
  recorder: LegRecorder,
  statement: VectorStatement & { of: Searched },
  matches: Match[],
  minScore: number | undefined,
): Promise<FoundDocument[]> {
  if (matches.length === 0) return [];
  const found = byDocument(await recorder.run<Row>(compileExact(statement, matches)));
  const seen = new Set(found.map(({ id }) => id));
  const replaced = matches.filter(({ id, embedding_status }) => embedding_status === 'ready' && !seen.has(id));
  const again = await cosineOf(
    recorder,
    statement,
    replaced.map(({ id }) => id),
    minScore,
  );
  return [...above(found, minScore), ...again].sort(bestFirst);
}

/**
 * Documents by the cosine of their best vector. Never short: where the filter leaves few, they are compared exactly; many come
 * from the index with growing over-fetch, and where that comes back short, from a scan.
 * @param depth how many documents are wanted; fewer come only when there are no more
 */
export async function searchVector(ctx: Context, request: VectorRequest, depth: number): Promise<LegResult> {
  const recorder = new LegRecorder(ctx, 'vector');
  const statement = { slug: ctx.embedder.space.slug, vector: request.vector, of: request.corpus.of };
  const few = await fewMatches(ctx, recorder, request, depth);
  const exact = async (matches: Matches) => {
    const documents = await cosineOfMatches(recorder, statement, matches.documents, request.minScore);
    return recorder.result(documents.slice(0, depth), documents.length <= depth, 'exact');
  };
  if (few !== undefined && few.neededK * INDEX_ADVANTAGE >= few.vectors) return exact(few);
  if (ctx.db.engine.vectorIndex !== 'none') {
    const firstK = few?.neededK ?? (request.filter === undefined ? depth : depth * GROWTH);
    const lastK = Math.min(MAX_K, few?.vectors ?? MAX_K);
    const found = await nearest(ctx, recorder, statement, request, { depth, firstK, lastK });
    if (found !== undefined) return found;
  }
  return few === undefined ? scan(recorder, statement, request, depth) : exact(few);
}
