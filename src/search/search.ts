import type { Context } from '../context.js';
import { withLineages } from '../lineage/of-hits.js';
import type { LegTrust, Weights } from './adaptive.js';
import { openBookmark } from './bookmark.js';
import type { Corpus, Searchable } from './corpus.js';
import type { LegReport } from './leg.js';
import { readPage } from './page.js';
import { planSearch, type SearchRequest } from './plan.js';
import type { Hit, SearchInput, SearchPlan } from './schemas.js';

/** A page of hits, and how they were found. */
export interface Found<Document> {
  hits: Hit<Document>[];
  cursor?: string;
  plan: SearchPlan;
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
  const bookmark = openBookmark(ctx, corpus, input);
  const planned = await planSearch(ctx, corpus, input, signal);
  const request = bookmark.weights === undefined ? planned : { ...planned, weights: bookmark.weights };
  const span = { given: bookmark.given, limit: input.limit };
  const { hits, ranking, more, gaveUp } = await readPage(ctx, corpus, request, span, signal);
  const ids = hits.map(({ id }) => id);
  // Not those of words alone while the embedder is away: it may be back for the next page.
  const weights = request.fusion === 'auto' && request.mode === 'hybrid' ? ranking.weights : undefined;
  return {
    hits: input.lineage === undefined ? hits : await withLineages(ctx, corpus.kind, hits, input.lineage.depth),
    ...(more ? { cursor: bookmark.next(ids, weights) } : {}),
    plan: describePlan(request, { ...ranking, gaveUp }, input.explain),
  };
}
