import type { Context } from '../context.js';
import type { Corpus, Searchable } from './corpus.js';
import { hydrate } from './hydrate.js';
import type { SearchRequest } from './plan.js';
import { type Ranking, rank } from './rank.js';
import { type Hit, MAX_WINDOW } from './schemas.js';

/** A search whose hits are replaced while it runs is made again; the last time it takes what is there. */
const MAX_RUNS = 3;

/** Which places of the ranking a page shows. */
export interface Span {
  from: number;
  limit: number;
}

/** The hits of a page, and what they were taken from. */
export interface Page<Document> {
  hits: Hit<Document>[];
  /** The place in the ranking that comes after them. */
  at: number;
  ranking: Ranking;
  /** Documents whose content is not the one that was found. */
  replaced: string[];
}

async function runOnce<Document extends Searchable>(
  ctx: Context,
  corpus: Corpus<Document>,
  request: SearchRequest,
  { from, limit, filled }: Span & { filled: boolean },
  signal: AbortSignal,
): Promise<Page<Document>> {
  const hits: Hit<Document>[] = [];
  const replaced: string[] = [];
  let at = from;
  let until = Math.min(MAX_WINDOW, from + limit);
  let ranking = await rank(ctx, request, until, signal);
  // Documents deleted since they were found leave holes: what comes next fills them.
  while (hits.length < limit && at < MAX_WINDOW) {
    signal.throwIfAborted();
    const next = ranking.ranked.slice(at, Math.min(MAX_WINDOW, at + limit - hits.length));
    at += next.length;
    const read = await hydrate(ctx, corpus, request, next, { filled });
    hits.push(...read.hits);
    replaced.push(...read.replaced);
    if (hits.length === limit) break;
    if (at >= ranking.ranked.length) {
      // One that is shorter than was asked for gave up: asked again it would say the same.
      if (ranking.exhausted || ranking.ranked.length < until) break;
      until = Math.min(MAX_WINDOW, at + limit - hits.length);
      ranking = await rank(ctx, { ...request, weights: ranking.weights }, until, signal);
    }
  }
  return { hits, at, ranking, replaced };
}

/**
 * Ranks and reads the hits of a page. A document that is replaced meanwhile comes as it was or as it is: when its content
 * is not the one that was found, the search is made again, by an index that has been told of the change.
 * @throws AcervoError `database:unavailable`; the reason of `signal`
 */
export async function readPage<Document extends Searchable>(
  ctx: Context,
  corpus: Corpus<Document>,
  request: SearchRequest,
  span: Span,
  signal: AbortSignal,
): Promise<Page<Document>> {
  for (let run = 1; ; run += 1) {
    const filled = run === MAX_RUNS;
    const page = await runOnce(ctx, corpus, request, { ...span, filled }, signal);
    if (page.replaced.length === 0 || filled) return page;
    await ctx.warmIndex.changed({ resources: page.replaced.map((id) => `${corpus.kind}:${id}`) });
  }
}
