// A made-up collection from a seed: the same documents, queries and true answers on every machine. A document is made from
// its number alone, so that a collection of any size can be gone through without being held.

/** Words of a document, evenly spread; were all of one length, most scores of BM25 would be ties. */
const [LEAST_WORDS, MOST_WORDS] = [40, 120];
const CLUSTERS = 200;
/** Neighbours mean something when vectors differ in few directions, as those of real models do. */
const INNER_DIMENSIONS = 24;
/** Length of the noise against the length of a cluster's centre. */
const SPREAD = 0.8;
const VOCABULARY = 20_000;
const ZIPF_EXPONENT = 1.05;
/** Words that nearly every text holds; nobody searches for them. */
const STOP_RANKS = 50;
const WORDS_PER_QUERY = 3;
const VECTOR_DECIMALS = 1e5;

/** Filters by the share of documents that they keep; `modulus` m keeps those whose number is 0 modulo m. */
export const FILTERS = [
  { name: 'none', modulus: 1, filter: undefined },
  ...[10, 100, 1000].map((modulus) => ({
    name: `${100 / modulus} %`,
    modulus,
    filter: { [`metadata.by_${modulus}`]: 0 },
  })),
];

/** Numbers in [0, 1) from a 32-bit seed. Source: mulberry32 by Tommy Ettinger, public domain. */
export function mulberry32(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Normally distributed, by Box and Muller. */
function gaussian(random) {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** Ranks 0, 1, 2, … by Zipf's law. */
function zipf() {
  const cumulative = new Float64Array(VOCABULARY);
  let sum = 0;
  for (let rank = 0; rank < VOCABULARY; rank += 1) {
    sum += (rank + 1) ** -ZIPF_EXPONENT;
    cumulative[rank] = sum;
  }
  return (random) => {
    const wanted = random() * sum;
    let [low, high] = [0, VOCABULARY - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (cumulative[middle] > wanted) high = middle;
      else low = middle + 1;
    }
    return low;
  };
}

/** A word of six letters and a k: no analyzer stems it, or takes two of them for the same. */
function wordOf(rank) {
  const [consonants, vowels] = ['bdfgklmnprstvz', 'aeiou'];
  let word = '';
  for (let left = rank, syllable = 0; syllable < 3; syllable += 1) {
    word += consonants[left % consonants.length];
    left = Math.floor(left / consonants.length);
    word += vowels[left % vowels.length];
    left = Math.floor(left / vowels.length);
  }
  return `${word}k`;
}

const WORDS = Array.from({ length: VOCABULARY }, (_, rank) => wordOf(rank));

export const textOf = (ranks) => Array.from(ranks, (rank) => WORDS[rank]).join(' ');

function toUnitLength(vector) {
  let square = 0;
  for (let d = 0; d < vector.length; d += 1) square += vector[d] * vector[d];
  const length = Math.sqrt(square);
  for (let d = 0; d < vector.length; d += 1) vector[d] /= length;
  return vector;
}

/** Makes vectors: a cluster's centre plus noise in a few directions, of unit length up to rounding. */
function vectorMaker(random, dimensions) {
  const unit = () => toUnitLength(Float64Array.from({ length: dimensions }, () => gaussian(random)));
  const centres = Array.from({ length: CLUSTERS }, unit);
  const directions = Array.from({ length: INNER_DIMENSIONS }, unit);
  return (cluster, noise) => {
    const vector = Float64Array.from(centres[cluster]);
    for (const direction of directions) {
      const step = (gaussian(noise) * SPREAD) / Math.sqrt(INNER_DIMENSIONS);
      for (let d = 0; d < dimensions; d += 1) vector[d] += step * direction[d];
    }
    toUnitLength(vector);
    // Few decimals keep the JSON small; what is sent is what the true answers are computed from.
    return Float32Array.from(vector, (value) => Math.round(value * VECTOR_DECIMALS) / VECTOR_DECIMALS);
  };
}

/** A few different words of a document, frequent ones left aside. */
function queryWords(words, random) {
  const content = [...new Set(words)].filter((rank) => rank >= STOP_RANKS);
  return Array.from(
    { length: Math.min(WORDS_PER_QUERY, content.length) },
    () => content.splice(Math.floor(random() * content.length), 1)[0],
  );
}

/**
 * @param {{passages: number, dimensions: number, queries: number, seed: number}} shape documents have one passage each
 * @returns {{passages: number, dimensions: number, queries: {vector: Float32Array, ranks: number[], text: string}[],
 *   documentOf: (number: number) => {cluster: number, vector: Float32Array, ranks: Uint16Array}}} there are documents beyond
 *   `passages`, too, for whoever wants to add some
 */
export function makeCorpus({ passages, dimensions, queries, seed }) {
  const random = mulberry32(seed);
  const vectorOf = vectorMaker(random, dimensions);
  const rankOf = zipf();
  const documentOf = (number) => {
    const own = mulberry32(seed ^ Math.imul(number + 1, 0x9e3779b1));
    const cluster = Math.floor(own() * CLUSTERS);
    const length = LEAST_WORDS + Math.floor(own() * (MOST_WORDS - LEAST_WORDS + 1));
    const ranks = Uint16Array.from({ length }, () => rankOf(own));
    return { cluster, ranks, vector: vectorOf(cluster, own) };
  };
  const made = Array.from({ length: queries }, () => {
    const { cluster, ranks } = documentOf(Math.floor(random() * passages));
    const wanted = queryWords(ranks, random);
    return { vector: vectorOf(cluster, random), ranks: wanted, text: textOf(wanted) };
  });
  return { passages, dimensions, queries: made, documentOf };
}

export const idOf = (number) => `d${number}`;
export const numberOf = (id) => Number(id.slice(1));

/** What filters look at. */
export function metadataOf(number) {
  return Object.fromEntries(FILTERS.slice(1).map(({ modulus }) => [`by_${modulus}`, number % modulus]));
}

/** The shortest decimals of a vector: what JSON is to hold. */
export const decimalsOf = (vector) =>
  Array.from(vector, (value) => Math.round(value * VECTOR_DECIMALS) / VECTOR_DECIMALS);

/** Documents `from` to `to` (exclusive) as lines for the bulk route, made one by one. */
export function* lines({ documentOf }, from, to) {
  for (let number = from; number < to; number += 1) {
    const { ranks, vector } = documentOf(number);
    const passages = [{ text: textOf(ranks), vector: decimalsOf(vector) }];
    yield `${JSON.stringify({ id: idOf(number), metadata: metadataOf(number), passages })}\n`;
  }
}
