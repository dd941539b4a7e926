import type { Context } from '../context.js';
import { adaptiveWeights, type Weights } from './adaptive.js';
import { type Fused, fuseRrf, fuseStandardised, fuseWeighted } from './fusion.js';
import type { FoundDocument, LegReport, LegResult } from './leg.js';
import { type BothLegs, runLegs } from './legs/both.js';
import type { SearchRequest } from './plan.js';
import { MAX_WINDOW } from './schemas.js';

const TIER_GROWTH = 4;

/** A document in its place, with what each leg found of it. */
export interface Ranked {
  id: string;
  score: number;
  scores: { vector?: number; text?: number };
  text: FoundDocument | undefined;
  vector: FoundDocument | undefined;
}

/** Documents in their places, and how they were found. */
export interface Ranking {
  ranked: Ranked[];
  /** Nothing more matches. */
  exhausted: boolean;
  reports: LegReport[];
  weights: Weights;
}

/** BM25 gives 0 to what holds none of the words; of a cosine no such thing is known. */
const FLOORS = [undefined, 0];

const byId = (documents: FoundDocument[]) => new Map(documents.map((document) => [document.id, document]));

/** A search whose weights are known. */
type Weighed = SearchRequest & { weights: Weights };

/** The first `depth` documents of a leg, and of those whose scores were completed, the ones that `text` has. */
function firstOf(leg: LegResult | undefined, depth: number, text?: Map<string, FoundDocument>): FoundDocument[] {
  let own = 0;
  return (leg?.documents ?? []).filter((document) => {
    if (!document.completed) own += 1;
    return (!document.completed && own <= depth) || text?.has(document.id);
  });
}

function fused(request: Weighed, text: FoundDocument[], vector: FoundDocument[]): Fused[] {
  if (request.mode !== 'hybrid') {
    const only = request.mode === 'text' ? text : vector;
    return only.map(({ id, score }, index) => ({ id, score, ranks: [index + 1], scores: [score] }));
  }
  const legs = [vector, text];
  const weights = [request.weights.vector, request.weights.text];
  switch (request.fusion) {
    case 'auto':
      return fuseStandardised(legs, { weights, floors: FLOORS });
    case 'rrf':
      return fuseRrf(legs, { weights });
    case 'weighted':
      return fuseWeighted(legs, { weights });
  }
}

/** One tier: both legs to a depth, fused, without what a requirement forbids. */
function rankTier(request: Weighed, legs: BothLegs, depth: number): Ranked[] {
  const text = byId(firstOf(legs.text, depth));
  const vector = byId(firstOf(legs.vector, depth, request.require.size > 0 ? text : undefined));
  const allowed = ({ id }: { id: string }) =>
    (!request.require.has('text') || text.has(id)) && (!request.require.has('vector') || vector.has(id));
  return fused(request, [...text.values()].filter(allowed), [...vector.values()].filter(allowed)).map(
    ({ id, score }) => {
      const found = { text: text.get(id), vector: vector.get(id) };
      const scores = {
        ...(found.vector ? { vector: found.vector.score } : {}),
        ...(found.text ? { text: found.text.score } : {}),
      };
      return { id, score, scores, ...found };
    },
  );
}

/** Hits are a subset of what a required leg finds: when that has no more, the other one adds nothing. */
const isExhausted = ({ text, vector }: BothLegs, { require }: SearchRequest): boolean =>
  ((text?.exhausted ?? true) && (vector?.exhausted ?? true)) ||
  (require.has('text') && !!text?.exhausted) ||
  (require.has('vector') && !!vector?.exhausted);

/**
 * Ranks documents for places 0 to `until`. The order is built in tiers: what fusion makes of the legs at the depth
 * `candidates`; after it what they add at four times that depth; and so on. A deeper leg begins with the shallower one,
 * so a deeper ranking begins with the shallower one, as long as nothing changes; what a page has given, its cursor knows by
 * its ids (`bookmark.ts`), so that the next one repeats nothing and skips nothing even then. The weights of fusion
 * `auto` are those of the first tier; who asks for a further page gives them back in `request.weights`.
 * @returns fewer than `until` only when nothing more matches (`exhausted`), or when it gave up: no other ranking has more
 * @throws the reason of `signal`
 */
export async function rank(ctx: Context, request: SearchRequest, until: number, signal: AbortSignal): Promise<Ranking> {
  const reports: LegReport[] = [];
  let weights = request.weights;
  for (let deepest = request.candidates; ; deepest *= TIER_GROWTH) {
    signal.throwIfAborted();
    const legs = await runLegs(ctx, request, deepest);
    reports.push(...[legs.text, legs.vector].flatMap((leg) => (leg ? [leg.report] : [])));
    weights ??= adaptiveWeights(request.trust, {
      vector: legs.vector?.documents ?? [],
      text: legs.text?.documents ?? [],
    });
    const placed = new Map<string, Ranked>();
    for (let depth = request.candidates; depth <= deepest; depth *= TIER_GROWTH)
      for (const document of rankTier({ ...request, weights }, legs, depth))
        if (!placed.has(document.id)) placed.set(document.id, document);
    const exhausted = isExhausted(legs, request);
    // The bound is far beyond the window: a requirement may leave few of the many that the legs find.
    if (exhausted || placed.size >= until || deepest > 64 * MAX_WINDOW)
      return { ranked: [...placed.values()], exhausted, reports, weights };
  }
}
