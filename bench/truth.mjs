// What is true of each query, by brute force, kept while documents are added.
import { FILTERS } from './corpus.mjs';

/** So many of the nearest are remembered: more than any leg is asked for. */
const NEAREST = 100;
const [K1, B] = [1.2, 0.75];

/** The `NEAREST` best of what came by, best first. */
class Nearest {
  documents = [];
  scores = [];

  offer(document, score) {
    if (this.scores.length === NEAREST && score <= this.scores[NEAREST - 1]) return;
    let at = this.scores.length;
    while (at > 0 && this.scores[at - 1] < score) at -= 1;
    this.scores.splice(at, 0, score);
    this.documents.splice(at, 0, document);
    this.scores.length = Math.min(this.scores.length, NEAREST);
    this.documents.length = this.scores.length;
  }
}

/** Of float32 vectors, in double precision. */
function cosine(a, b) {
  let [dot, squareA, squareB] = [0, 0, 0];
  for (let d = 0; d < a.length; d += 1) {
    dot += a[d] * b[d];
    squareA += a[d] * a[d];
    squareB += b[d] * b[d];
  }
  return dot / Math.sqrt(squareA * squareB);
}

export class Truth {
  #corpus;
  #known = 0;
  #words = 0;
  /** By query and filter. */
  #nearest;
  /** By rank of a word that a query asks for, one after the other: document, how often, words of the document. */
  #postings;
  #texts = new Map();

  /** @param corpus of `makeCorpus`; its first `upTo` documents are looked at, at once or bit by bit */
  constructor(corpus) {
    this.#corpus = corpus;
    this.#nearest = corpus.queries.map(() => new Map(FILTERS.map(({ modulus }) => [modulus, new Nearest()])));
    this.#postings = new Map(corpus.queries.flatMap(({ ranks }) => ranks.map((rank) => [rank, []])));
  }

  /** Documents that have been looked at. */
  get known() {
    return this.#known;
  }

  /** Looks at the documents up to this number. */
  upTo(documents) {
    while (this.#known < documents) this.add(this.#corpus.documentOf(this.#known));
    return this;
  }

  /** Looks at the next document, which is made already. */
  add({ vector, ranks }) {
    const number = this.#known;
    this.#known += 1;
    this.#texts.clear();
    this.#corpus.queries.forEach((query, index) => {
      const score = cosine(vector, query.vector);
      for (const [modulus, nearest] of this.#nearest[index]) if (number % modulus === 0) nearest.offer(number, score);
    });
    this.#words += ranks.length;
    const counts = new Map();
    for (const rank of ranks) if (this.#postings.has(rank)) counts.set(rank, (counts.get(rank) ?? 0) + 1);
    for (const [rank, count] of counts) this.#postings.get(rank).push(number, count, ranks.length);
  }

  /** The nearest documents that a filter keeps, best first. @returns {{documents: number[], scores: number[], matches: number}} */
  vector(query, modulus) {
    const { documents, scores } = this.#nearest[query].get(modulus);
    return { documents, scores, matches: Math.ceil(this.#known / modulus) };
  }

  /** All documents that a filter keeps and that hold one of the words, best first, by BM25 with k1 1.2 and b .75. */
  text(query, modulus) {
    const key = `${query}/${modulus}`;
    const kept = this.#texts.get(key);
    if (kept !== undefined) return kept;
    const scores = this.#bm25(query);
    const found = [...scores].filter(([document]) => document % modulus === 0);
    found.sort(([, a], [, b]) => b - a);
    const answer = {
      documents: found.map(([document]) => document),
      scores: found.map(([, score]) => score),
      matches: found.length,
    };
    this.#texts.set(key, answer);
    return answer;
  }

  /** Source: Robertson, Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009; idf as Lucene's. */
  #bm25(query) {
    const scores = new Map();
    const meanLength = this.#words / this.#known;
    for (const rank of this.#corpus.queries[query].ranks) {
      const postings = this.#postings.get(rank);
      const found = postings.length / 3;
      const idf = Math.log(1 + (this.#known - found + 0.5) / (found + 0.5));
      for (let at = 0; at < postings.length; at += 3) {
        const [document, count, length] = [postings[at], postings[at + 1], postings[at + 2]];
        const part = (idf * count * (K1 + 1)) / (count + K1 * (1 - B + (B * length) / meanLength));
        scores.set(document, (scores.get(document) ?? 0) + part);
      }
    }
    return scores;
  }
}
