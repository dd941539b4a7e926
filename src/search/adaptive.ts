import type { Leg } from './fusion.js';

/** How far the legs of a corpus can be trusted, as probes found it. */
export interface LegTrust {
  /** 0 … 1: how well the neighbourhoods of vectors agree with those of words; 0 is noise. */
  vector: number;
  /** 0 … 1: how surely words find the document that they are from. */
  text: number;
  /** Cosine at which documents of this space have their nearest neighbour; undefined where that is not known. */
  nearness: number | undefined;
  /** Documents of the corpus when it was measured. */
  documents: number;
  /** Passages that were probed and had something to say. */
  probes: number;
}

export interface Weights {
  vector: number;
  text: number;
}

/** What one passage of a document, as the query of both legs, found. Its own document is left out of `agreement`. */
export interface Probe {
  /** Do both legs name the same other document? undefined when one of them found no other. */
  agreement: number | undefined;
  /** One over the rank at which its words found its own document; 0 where they did not. */
  knownItem: number;
  /** Cosine of the nearest other document. */
  nearness: number | undefined;
}

/** Trust in vectors that nobody has measured yet, and how many probes it takes to outweigh that. */
const PRIOR_TRUST = 0.35;
const PRIOR_PROBES = 8;
/**
 * A space of the built-in hashing is made from the words themselves. So it agrees with them whether it knows anything or
 * not, and only a third of that agreement is taken for evidence.
 */
const OF_SPELLING = 1 / 3;
/** The drop of BM25 scores that is expected of a query, and weighs as much as the one that is seen. */
const EXPECTED_DROP = 0.5;
const DROP_RANK = 10;
/** A query this much nearer than neighbours are is a document's own words; more would say no more. */
const MAX_CLOSENESS = 2;

const mean = (values: number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

const rankOf = (leg: Leg, id: string): number => leg.findIndex((hit) => hit.id === id) + 1;

const reciprocal = (rank: number): number => (rank === 0 ? 0 : 1 / rank);

/**
 * Reads a probe: the legs' answers to one passage, its words and its vector. Agreement is the mean of two reciprocal
 * ranks: of the first of either leg in the other.
 * @param legs best first, as deep as ranks are to count
 */
export function readProbe(own: string, { vector, text }: { vector: Leg; text: Leg }): Probe {
  const [near, worded] = [vector, text].map((leg) => leg.filter(({ id }) => id !== own));
  const [nearest, likest] = [near?.[0], worded?.[0]];
  const agreement =
    near === undefined || worded === undefined || nearest === undefined || likest === undefined
      ? undefined
      : (reciprocal(rankOf(near, likest.id)) + reciprocal(rankOf(worded, nearest.id))) / 2;
  return { agreement, knownItem: reciprocal(rankOf(text, own)), nearness: nearest?.score };
}

/**
 * Sums up probes. What they say of the vectors is drawn to what is expected of vectors, the more the fewer they are.
 * @param space.provider whose vectors these are; `hashing` knows spelling only
 * @param space.documents how many there are in the corpus
 */
export function trustOf(probes: Probe[], { provider, documents }: { provider: string; documents: number }): LegTrust {
  const agreements = probes.flatMap(({ agreement }) => (agreement === undefined ? [] : [agreement]));
  const sum = agreements.reduce((total, agreement) => total + agreement, PRIOR_PROBES * PRIOR_TRUST);
  const near = probes.flatMap(({ nearness }) => (nearness === undefined ? [] : [nearness])).sort((a, b) => a - b);
  return {
    vector: (sum / (agreements.length + PRIOR_PROBES)) * (provider === 'hashing' ? OF_SPELLING : 1),
    text: probes.length === 0 ? 1 : mean(probes.map(({ knownItem }) => knownItem)),
    nearness: near[near.length >> 1],
    documents,
    probes: agreements.length,
  };
}

/**
 * The share of its best score that a query's BM25 has lost at the tenth document: near 1 where few documents stand out,
 * near 0 where many hold the words equally; 1 where there is no tenth.
 */
function dropOf(text: Leg): number {
  const best = text[0]?.score ?? 0;
  return best <= 0 ? EXPECTED_DROP : 1 - Math.max(0, text[DROP_RANK - 1]?.score ?? 0) / best;
}

/**
 * The weights of the legs for one query, for scores that `fuseStandardised` has made comparable. The odds of the vector leg
 * are
 *
 *   trust.vector / trust.text · cosine of the best hit / nearness / drop
 *
 * - trust: of two engines that agree neither is likely to be wrong, and noise agrees with nobody. So it is measured by
 *   how well both legs agree on the neighbours of documents, without judgements and without an embedder.
 * - cosine / nearness: a query that lies further from the documents than they do from each other is not understood well.
 * - drop: a text leg whose scores fall steeply has found what was asked for; half of it is the expected one, since the
 *   drop of a single query says little.
 *
 * Only the ten best of each list count, so that a deeper look gives the same weights.
 * Sources: agreement of engines as a predictor without judgements: Aslam and Pavlu, "Query Hardness Estimation Using
 * Jensen-Shannon Divergence Among Multiple Scoring Functions", ECIR 2007; documents as queries: Azzopardi, de Rijke,
 * Balog, "Building Simulated Queries for Known-Item Topics", SIGIR 2007; score shape: Shtok et al., "Predicting Query
 * Performance by Query-Drift Estimation", TOIS 2012 (NQC). The formula that joins them is our own; `npm run eval` and
 * `eval/held-out.mjs` show what it is worth.
 * @returns weights that sum to 1, in thousandths
 */
export function adaptiveWeights(trust: LegTrust, { vector, text }: { vector: Leg; text: Leg }): Weights {
  const cosine = Math.max(0, vector[0]?.score ?? 0);
  const closeness = trust.nearness === undefined ? 1 : Math.min(MAX_CLOSENESS, cosine / Math.max(1e-9, trust.nearness));
  const evidence = (trust.vector * closeness) / ((dropOf(text) + EXPECTED_DROP) / 2);
  // As a share the odds need no case of their own for words that are not to be trusted at all.
  const share = evidence + trust.text === 0 ? 0.5 : evidence / (evidence + trust.text);
  const thousandths = Math.round(1000 * share);
  return { vector: thousandths / 1000, text: (1000 - thousandths) / 1000 };
}
