import type { Context } from '../../context.js';
import { LegRecorder, type LegResult, withCompleted } from '../leg.js';
import type { SearchRequest } from '../plan.js';
import { searchText } from './text.js';
import { cosineOf, searchVector } from './vector.js';

export interface BothLegs {
  text: LegResult | undefined;
  vector: LegResult | undefined;
}

/** The cosines of what the text leg found: for a search whose hits must hold the words, it says what may be a hit. */
async function cosineOfFound(
  ctx: Context,
  request: SearchRequest,
  vector: number[],
  text: LegResult,
): Promise<LegResult> {
  const recorder = new LegRecorder(ctx, 'vector');
  const ids = text.documents.map((document) => document.id);
  const statement = { slug: ctx.embedder.space.slug, vector, of: request.corpus.of };
  return recorder.result(await cosineOf(recorder, statement, ids, request.minScore), text.exhausted, 'exact');
}

/** Adds the cosines of documents that only the text leg found: a hit must match in the vector leg too. */
async function withCosines(
  ctx: Context,
  request: SearchRequest,
  vector: number[],
  { text, vectorLeg }: { text: LegResult; vectorLeg: LegResult },
): Promise<LegResult> {
  const known = new Set(vectorLeg.documents.map((document) => document.id));
  const missing = text.documents.filter((document) => !known.has(document.id));
  if (missing.length === 0) return vectorLeg;
  const { documents, report } = await cosineOfFound(ctx, request, vector, { ...text, documents: missing });
  const statements = [...vectorLeg.report.statements, ...report.statements];
  const completed = withCompleted(vectorLeg.documents, documents);
  return { ...vectorLeg, documents: completed, report: { ...vectorLeg.report, statements } };
}

/** Runs the legs of a search: in memory where that is possible, else in the database. */
export async function runLegs(ctx: Context, request: SearchRequest, depth: number): Promise<BothLegs> {
  const warm = request.inMemory ? await ctx.warmIndex.legs(request, depth) : undefined;
  return warm ?? runInDatabase(ctx, request, depth);
}

/** Side by side where neither leg needs the other's answer. */
async function runInDatabase(ctx: Context, request: SearchRequest, depth: number): Promise<BothLegs> {
  const { corpus, mode, vector, filter, minScore } = request;
  const text = mode === 'vector' ? undefined : searchText(ctx, request, depth);
  if (vector === undefined || mode === 'text') return { text: await text, vector: undefined };
  if (text !== undefined && request.require.has('text')) {
    const found = await text;
    return { text: found, vector: await cosineOfFound(ctx, request, vector, found) };
  }
  const [textLeg, vectorLeg] = await Promise.all([
    text,
    searchVector(ctx, { corpus, vector, filter, minScore }, depth),
  ]);
  if (textLeg === undefined || !request.require.has('vector')) return { text: textLeg, vector: vectorLeg };
  return { text: textLeg, vector: await withCosines(ctx, request, vector, { text: textLeg, vectorLeg }) };
}
