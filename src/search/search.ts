import type { Context } from '../context.js';
import { digestOf } from '../http/digest.js';
import { withLineages } from '../lineage/of-hits.js';
import type { LegTrust, Weights } from './adaptive.js';
import type { Corpus, Searchable } from './corpus.js';
import type { LegReport } from './leg.js';
import { readPage } from './page.js';
import { planSearch, type SearchRequest } from './plan.js';
import { type Hit, MAX_WINDOW, type SearchInput, type SearchPlan } from './schemas.js';

/** A page of hits, and how they were found. */
export interface Found<Document> {
  hits: Hit<Document>[];
  cursor?: string;
  plan: SearchPlan;
}

/** What a cursor belongs to: the same question by the same key. A vector by its bytes: its text takes .3 ms to write. */
function digestOfQuestion(
  ctx: Context,
  { cursor: _, explain: __, after: ___, vector = [], ...question }: SearchInput,
): string {
  const bytes = Buffer.from(Float64Array.from(vector).buffer);
  return digestOf([ctx.principal.key_id, question, bytes.toString('base64')]);
}

const rounded = (ms: number): number => Math.round(ms * 1000) / 1000;

/** @param request as the search began with it: weights that it names were not made of trust */
function describePlan(
  request: SearchRequest,
  { reports, weights, gaveUp }: { reports: LegReport[]; weights: Weights; gaveUp: boolean },
  explain: boolean,
): SearchPlan {
  const { mode, fusion, words, candidates, degraded } = request;
  const legs = reports.map(({ leg, from, method, found, duration_ms }) => ({
    leg,
    from,
    method,
    found,
    ...(explain ? { duration_ms: rounded(duration_ms) } : {}),
  }));
  return {
    mode,
    ...(mode === 'hybrid' ? { fusion, weights } : {}),
    ...(mode === 'hybrid' && request.weights === undefined ? { trust: publicTrust(request.trust) } : {}),
    words,
    candidates,
    legs,
    ...(degraded === undefined ? {} : { degraded }),
    ...(gaveUp ? { incomplete: true as const } : {}),
    ...(explain ? { statements: reports.flatMap(statementsOf) } : {}),
  };
}

function publicTrust({ vector, text, documents, probes }: LegTrust): SearchPlan['trust'] {
  const hundredths = (value: number) => Math.round(100 * value) / 100;
  return { vector: hundredths(vector), text: hundredths(text), documents, probes };
}

/** Where a search goes on, and with which weights: the trust in a leg may have changed since the page before. */
interface Bookmark {
  offset: number;
  weights?: Weights;
}

/** @throws AcervoError `cursor:invalid`, `cursor:expired` */
function bookmarkOf(
  ctx: Context,
  { cursorKind }: { cursorKind: string },
  cursor: string | undefined,
  digest: string,
): Bookmark {
  if (cursor === undefined) return { offset: 0 };
  // Only what was signed here opens: it is as it was written below.
  return ctx.cursors.verify(cursorKind, cursor, digest) as Record<string, unknown> & Bookmark;
}

function statementsOf({ leg, statements }: LegReport) {
  return statements.map(({ duration_ms, ...statement }) => ({ leg, ...statement, duration_ms: rounded(duration_ms) }));
}

/**
 * Searches a corpus: text and vector legs side by side, fused, filtered, paged. Fewer hits than `limit` come only when
 * no more match, or `plan.incomplete` says that it gave up; `plan` says how the search was made.
 * @throws AcervoError as `planSearch` says; `cursor:invalid`, `cursor:expired`; `auth:scope_missing` (lineage); the reason
 *   of `signal`
 */
export async function search<Document extends Searchable>(
  ctx: Context,
  corpus: Corpus<Document>,
  input: SearchInput,
  signal: AbortSignal,
): Promise<Found<Document>> {
  const digest = digestOfQuestion(ctx, input);
  const { offset: from, weights } = bookmarkOf(ctx, corpus, input.cursor, digest);
  const planned = await planSearch(ctx, corpus, input, signal);
  const request = weights === undefined ? planned : { ...planned, weights };
  const span = { from, limit: input.limit };
  const { hits, at, ranking } = await readPage(ctx, corpus, request, span, signal);
  const gaveUp = hits.length < input.limit && at < MAX_WINDOW && !ranking.exhausted;
  const more = at < MAX_WINDOW && (at < ranking.ranked.length || !ranking.exhausted) && hits.length === input.limit;
  const bookmark: Bookmark = { offset: at, ...(request.fusion === 'auto' ? { weights: ranking.weights } : {}) };
  return {
    hits: input.lineage === undefined ? hits : await withLineages(ctx, corpus.kind, hits, input.lineage.depth),
    ...(more ? { cursor: ctx.cursors.sign(corpus.cursorKind, { ...bookmark }, digest) } : {}),
    plan: describePlan(request, { ...ranking, gaveUp }, input.explain),
  };
}
