import type { Context } from '../context.js';
import type { Given } from './bookmark.js';
import type { Corpus, Searchable } from './corpus.js';
import { hydrate } from './hydrate.js';
import type { SearchRequest } from './plan.js';
import { type Ranking, rank } from './rank.js';
import { type Hit, MAX_WINDOW } from './schemas.js';

/** A search whose hits are replaced while it runs is made again; the last time it takes what is there. */
const MAX_RUNS = 3;

/** Which part of what matches a page shows. */
export interface Span {
  /** What comes first of all but these. */
  given: Given;
  limit: number;
}

/** The hits of a page, and what they were taken from. */
export interface Page<Document> {
  hits: Hit<Document>[];
  ranking: Ranking;
  /** Is there a next page? */
  more: boolean;
  /** More may match, and it is not known what. */
  gaveUp: boolean;
  /** Documents whose content is not the one that was found. */
  replaced: string[];
}

async function runOnce<Document extends Searchable>(
  ctx: Context,
  corpus: Corpus<Document>,
  request: SearchRequest,
  { given, limit, filled }: Span & { filled: boolean },
  signal: AbortSignal,
): Promise<Page<Document>> {
  const hits: Hit<Document>[] = [];
  const replaced: string[] = [];
  const seen = new Set<string>();
  const wanted = () => Math.min(limit - hits.length, MAX_WINDOW - given.size - seen.size);
  const restOf = ({ ranked }: Ranking) => ranked.filter(({ id }) => !seen.has(id) && !given.has(id));
  let until = given.size + wanted();
  let ranking = await rank(ctx, request, until, signal);
  let rest = restOf(ranking);
  // Documents deleted since they were found leave holes: what comes next fills them.
  while (wanted() > 0) {
    signal.throwIfAborted();
    if (rest.length === 0) {
      // One that is shorter than was asked for gave up: asked again it would say the same.
      if (ranking.exhausted || ranking.ranked.length < until) break;
      until = ranking.ranked.length + wanted();
      ranking = await rank(ctx, { ...request, weights: ranking.weights }, until, signal);
      rest = restOf(ranking);
    }
    const next = rest.splice(0, wanted());
    for (const { id } of next) seen.add(id);
    const read = await hydrate(ctx, corpus, request, next, { filled });
    hits.push(...read.hits);
    replaced.push(...read.replaced);
  }
  const isFull = hits.length === limit && given.size + limit < MAX_WINDOW;
  const more = isFull && (rest.length > 0 || !ranking.exhausted);
  return { hits, ranking, more, gaveUp: wanted() > 0 && !ranking.exhausted, replaced };
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
