/** The order of what was found: higher scores first, equal ones by id, so that a deeper list begins with the shallower one. */
export const bestFirst = (a: { id: string; score: number }, b: { id: string; score: number }): number =>
  b.score - a.score || (a.id < b.id ? -1 : 1);

/** One leg of a search: what it found, best first; a higher score is better. Scores are finite. */
export type Leg = readonly { readonly id: string; readonly score: number }[];

/** One found id after fusion, with what each leg said about it (in the order of the legs). */
export interface Fused {
  id: string;
  score: number;
  /** Rank in each leg, from 1; equal scores share the better rank; `undefined` where the leg did not find it. */
  ranks: (number | undefined)[];
  /** The leg's own score; `undefined` where the leg did not find it. */
  scores: (number | undefined)[];
}

interface Placed {
  rank: number;
  score: number;
}

/**
 * Reciprocal rank fusion: the score of an id is the sum over the legs of weight / (k + rank).
 * Ids with equal scores in a leg share a rank, so their order there has no influence; equal sums are ordered by id.
 * Source: Cormack, Clarke, Büttcher, "Reciprocal Rank Fusion outperforms Condorcet and individual Rank Learning
 * Methods", SIGIR 2009, where k = 60.
 * @param options.weights one number of 0 or more a leg; without it, 1 each
 * @throws RangeError when weights and legs do not fit
 */
export function fuseRrf(
  legs: readonly Leg[],
  { k = 60, weights }: { k?: number; weights?: readonly number[] } = {},
): Fused[] {
  return fuse(
    legs,
    weights ?? legs.map(() => 1),
    () =>
      ({ rank }) =>
        1 / (k + rank),
  );
}

/**
 * Weighted sum of scores, each leg's stretched to 0 … 1 by its smallest and largest: (score - min) / (max - min). An id
 * that a leg did not find counts 0 there, as the leg's last one does; where all scores of a leg are equal each counts 1.
 * Source: CombSUM, Fox and Shaw, "Combination of Multiple Searches", TREC-2, 1994; min-max after Lee, "Analyses of
 * Multiple Evidence Combination", SIGIR 1997.
 * @param options.weights one number of 0 or more a leg
 * @throws RangeError when weights and legs do not fit
 */
export function fuseWeighted(legs: readonly Leg[], { weights }: { weights: readonly number[] }): Fused[] {
  return fuse(legs, weights, (placed) => {
    let min = Number.POSITIVE_INFINITY;
    let max = Number.NEGATIVE_INFINITY;
    for (const { score } of placed) {
      min = Math.min(min, score);
      max = Math.max(max, score);
    }
    return ({ score }) => (max === min ? 1 : (score - min) / (max - min));
  });
}

/**
 * Weighted sum of scores, each leg's in standard deviations above its last one. A leg whose best stand out keeps that
 * lead, where stretching to 0 … 1 makes all legs look alike; what a leg did not find counts as its last one.
 * Where it is known what a leg gives to all that it did not find (BM25: 0), it is taken to have found them last, up to the
 * length of the longest leg: so a single document with the words stands out as it should.
 * Source: ZMUV of Montague and Aslam, "Relevance Score Normalization for Metasearch", CIKM 2001; theoretical minimum:
 * Bruch, Gai, Ingber, "An Analysis of Fusion Functions for Hybrid Retrieval", TOIS 2023.
 * @param options.weights one number of 0 or more a leg
 * @param options.floors one for each leg: the score of what it did not find, below all that it found; undefined: unknown
 * @throws RangeError when weights and legs do not fit
 */
export function fuseStandardised(
  legs: readonly Leg[],
  { weights, floors }: { weights: readonly number[]; floors: readonly (number | undefined)[] },
): Fused[] {
  const longest = Math.max(0, ...legs.map((leg) => leg.length));
  return fuse(legs, weights, (placed, index) => {
    const scores = placed.map(({ score }) => score);
    const floor = floors[index];
    if (floor !== undefined) while (scores.length < longest) scores.push(floor);
    const mean = scores.reduce((sum, score) => sum + score, 0) / scores.length;
    const deviation = Math.sqrt(scores.reduce((sum, score) => sum + (score - mean) ** 2, 0) / scores.length);
    const [first, last] = [Math.max(...scores), Math.min(...scores)];
    return ({ score }) => (first === last ? 1 : (score - last) / deviation);
  });
}

/** @param contributionOf for one leg: what a place in it is worth */
function fuse(
  legs: readonly Leg[],
  weights: readonly number[],
  contributionOf: (placed: Placed[], index: number) => (place: Placed) => number,
): Fused[] {
  if (weights.length !== legs.length || weights.some((weight) => !Number.isFinite(weight) || weight < 0))
    throw new RangeError('Fusion needs one weight of 0 or more for each leg.');
  const fused = new Map<string, Fused>();
  legs.forEach((leg, index) => {
    const placed = placesOf(leg);
    const contribution = contributionOf([...placed.values()], index);
    for (const [id, place] of placed) {
      const entry = fused.get(id) ?? {
        id,
        score: 0,
        ranks: legs.map(() => undefined),
        scores: legs.map(() => undefined),
      };
      entry.score += (weights[index] ?? 0) * contribution(place);
      entry.ranks[index] = place.rank;
      entry.scores[index] = place.score;
      fused.set(id, entry);
    }
  });
  return [...fused.values()].sort(bestFirst);
}

/** The best place of each id in a leg. */
function placesOf(leg: Leg): Map<string, Placed> {
  const places = new Map<string, Placed>();
  let rank = 1;
  let previous: number | undefined;
  for (const { id, score } of leg) {
    if (places.has(id)) continue;
    if (score !== previous) rank = places.size + 1;
    previous = score;
    places.set(id, { rank, score });
  }
  return places;
}
