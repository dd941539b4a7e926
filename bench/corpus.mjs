// A made-up collection from a seed: the same documents, queries and true answers on every machine.

export const WORDS_PER_PASSAGE = 80;
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
  ...[2, 10, 100, 1000].map((modulus) => ({
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
function zipf(random) {
  const cumulative = new Float64Array(VOCABULARY);
  let sum = 0;
  for (let rank = 0; rank < VOCABULARY; rank += 1) {
    sum += (rank + 1) ** -ZIPF_EXPONENT;
    cumulative[rank] = sum;
  }
  return () => {
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

/** Makes vectors: a cluster's centre plus noise in a few directions, of unit length up to rounding. */
function vectorMaker(random, dimensions) {
  const unit = () => {
    const vector = Float64Array.from({ length: dimensions }, () => gaussian(random));
    const length = Math.hypot(...vector);
    return vector.map((value) => value / length);
  };
  const centres = Array.from({ length: CLUSTERS }, unit);
  const directions = Array.from({ length: INNER_DIMENSIONS }, unit);
  return (cluster) => {
    const vector = Float64Array.from(centres[cluster]);
    for (const direction of directions) {
      const step = (gaussian(random) * SPREAD) / Math.sqrt(INNER_DIMENSIONS);
      for (let d = 0; d < dimensions; d += 1) vector[d] += step * direction[d];
    }
    const length = Math.hypot(...vector);
    // Few decimals keep the JSON small; what is sent is what the true answers are computed from.
    return Array.from(vector, (value) => Math.round((value / length) * VECTOR_DECIMALS) / VECTOR_DECIMALS);
  };
}

/**
 * @param {{passages: number, perDocument: number, dimensions: number, queries: number, seed: number}} shape
 */
export function makeCorpus({ passages, perDocument, dimensions, queries, seed }) {
  const random = mulberry32(seed);
  const vectorOf = vectorMaker(random, dimensions);
  const rankOf = zipf(random);
  const documents = Math.floor(passages / perDocument);
  const clusters = Uint8Array.from({ length: documents }, () => random() * CLUSTERS);
  // One after the other in random order: every filter keeps its share exactly.
  const numbers = shuffled(documents, random);
  const vectors = new Float32Array(documents * perDocument * dimensions);
  const words = new Uint16Array(documents * perDocument * WORDS_PER_PASSAGE).map(rankOf);
  for (let passage = 0; passage < documents * perDocument; passage += 1)
    vectors.set(vectorOf(clusters[Math.floor(passage / perDocument)]), passage * dimensions);
  const corpus = { documents, perDocument, dimensions, numbers, vectors, words };
  const made = Array.from({ length: queries }, () => {
    const document = Math.floor(random() * documents);
    const ranks = queryWords(wordsOf(corpus, document), random);
    return { vector: vectorOf(clusters[document]), ranks, text: ranks.map(wordOf).join(' ') };
  });
  return { ...corpus, queries: made };
}

function shuffled(length, random) {
  const order = Uint32Array.from({ length }, (_, index) => index);
  for (let last = length - 1; last > 0; last -= 1) {
    const other = Math.floor(random() * (last + 1));
    [order[last], order[other]] = [order[other], order[last]];
  }
  return order;
}

/** Ranks of a document's words. */
function wordsOf({ words, perDocument }, document) {
  const length = perDocument * WORDS_PER_PASSAGE;
  return words.subarray(document * length, (document + 1) * length);
}

/** A few different words of a document, frequent ones left aside. */
function queryWords(words, random) {
  const content = [...new Set(words)].filter((rank) => rank >= STOP_RANKS);
  return Array.from(
    { length: Math.min(WORDS_PER_QUERY, content.length) },
    () => content.splice(Math.floor(random() * content.length), 1)[0],
  );
}

/** The documents as lines for the bulk route, made one by one. */
export function* lines({ documents, perDocument, dimensions, numbers, vectors, words }) {
  for (let document = 0; document < documents; document += 1) {
    const metadata = Object.fromEntries(
      FILTERS.slice(1).map(({ modulus }) => [`by_${modulus}`, numbers[document] % modulus]),
    );
    const passages = Array.from({ length: perDocument }, (_, ordinal) => {
      const at = document * perDocument + ordinal;
      const ranks = words.subarray(at * WORDS_PER_PASSAGE, (at + 1) * WORDS_PER_PASSAGE);
      const floats = vectors.subarray(at * dimensions, (at + 1) * dimensions);
      return {
        text: Array.from(ranks, wordOf).join(' '),
        vector: Array.from(floats, (value) => Math.round(value * VECTOR_DECIMALS) / VECTOR_DECIMALS),
      };
    });
    yield { id: `d${document}`, metadata, passages };
  }
}

/** Cosine of a query with every document: that of its best passage. */
function cosines({ documents, perDocument, dimensions, vectors }, query) {
  const queryLength = Math.hypot(...query);
  const best = new Float64Array(documents).fill(-1);
  for (let passage = 0; passage < documents * perDocument; passage += 1) {
    let [dot, square] = [0, 0];
    for (let d = 0, at = passage * dimensions; d < dimensions; d += 1, at += 1) {
      dot += vectors[at] * query[d];
      square += vectors[at] * vectors[at];
    }
    const document = Math.floor(passage / perDocument);
    best[document] = Math.max(best[document], dot / (Math.sqrt(square) * queryLength));
  }
  return best;
}

/**
 * What is true of each query, by brute force.
 * @returns {{cosine: Float64Array, hasWord: Uint8Array}[]} by document
 */
export function truthOf(corpus) {
  const documentsOf = new Map(corpus.queries.flatMap(({ ranks }) => ranks.map((rank) => [rank, new Set()])));
  for (let document = 0; document < corpus.documents; document += 1)
    for (const rank of wordsOf(corpus, document)) documentsOf.get(rank)?.add(document);
  return corpus.queries.map(({ vector, ranks }) => {
    const hasWord = new Uint8Array(corpus.documents);
    for (const rank of ranks) for (const document of documentsOf.get(rank)) hasWord[document] = 1;
    return { cosine: cosines(corpus, vector), hasWord };
  });
}
