import { describe, expect, test } from 'vitest';
import { Bitset } from '../../../../src/warm-index/bitset.js';
import { Documents } from '../../../../src/warm-index/documents.js';
import { VectorIndex } from '../../../../src/warm-index/vectors/vector-index.js';
import { seededRandom } from '../../../support/search.js';
import { clustered } from './clustered.js';

const COUNT = 100_000;
const QUERIES = 50;
const SHARES = [1, 2, 10, 100, 1_000];

/** Two indexes of the same vectors: one with a graph, and one that compares all. */
class Pair {
  readonly documents = new Documents();
  readonly random = seededRandom(5);
  readonly make: () => Float32Array;
  readonly graphed: VectorIndex;
  readonly exact: VectorIndex;

  constructor(dimensions: number) {
    this.make = clustered(dimensions, this.random);
    this.graphed = new VectorIndex({ dimensions, threads: 2 });
    this.exact = new VectorIndex({ dimensions, graphFrom: Number.POSITIVE_INFINITY });
    for (let i = 0; i < COUNT; i += 1) this.put(i);
    while (!this.graphed.buildGraph(1_000));
  }

  put(number: number): void {
    const counts = { passages: 1, whole: false };
    const { firstSlot } = this.documents.add({ id: `d${number}`, revision: 1, content_revision: 1 }, counts);
    const vector = this.make();
    for (const index of [this.graphed, this.exact]) index.add(firstSlot, vector);
  }

  remove(number: number): void {
    const { firstSlot } = this.documents.remove(`d${number}`)!;
    for (const index of [this.graphed, this.exact]) index.remove(firstSlot);
  }

  /** The share of the `judged` best documents that are found when `depth` are asked for. */
  recall(share: number, { depth, judged }: { depth: number; judged: number }): number {
    const keeps = new Bitset();
    this.documents.live.forEach((row) => {
      if (row % share === 0) keeps.add(row);
    });
    let hits = 0;
    for (let query = 0; query < QUERIES; query += 1) {
      const wanted = { vector: this.make(), depth, documents: this.documents, ...(share > 1 && { keeps }) };
      const found = new Set(this.graphed.search(wanted).documents.map(({ id }) => id));
      const best = this.exact.search(wanted).documents.slice(0, judged);
      hits += best.filter(({ id }) => found.has(id)).length;
    }
    return hits / (QUERIES * judged);
  }
}

/** As `recall`, each query with a filter that keeps only the half that is farther from it. */
function recallOfFar({ documents, make, graphed, exact }: Pair): number {
  let hits = 0;
  for (let query = 0; query < 10; query += 1) {
    const vector = make();
    const keeps = new Bitset(documents.live.words.slice());
    for (const { id } of exact.search({ vector, depth: COUNT / 2, documents }).documents)
      keeps.delete(documents.rowOf(id)!);
    const wanted = { vector, depth: 10, documents, keeps };
    const found = new Set(graphed.search(wanted).documents.map(({ id }) => id));
    hits += exact.search(wanted).documents.filter(({ id }) => found.has(id)).length;
  }
  return hits / 100;
}

describe.runIf(process.env.ACERVO_TEST_FULL === '1')('recall against comparing all, 100 000 vectors', () => {
  test.each([256, 1_024])(
    '%i dimensions, with filters, and after 30 %% were removed and added again',
    (dimensions) => {
      const pair = new Pair(dimensions);
      const expectRecall = () => {
        for (const share of SHARES) {
          expect(pair.recall(share, { depth: 10, judged: 10 })).toBeGreaterThanOrEqual(0.99);
          expect(pair.recall(share, { depth: 50, judged: 10 })).toBeGreaterThanOrEqual(0.99);
          expect(pair.recall(share, { depth: 50, judged: 50 })).toBeGreaterThanOrEqual(0.99);
        }
        expect(recallOfFar(pair)).toBeGreaterThanOrEqual(0.99);
      };
      expectRecall();
      const removed = Array.from({ length: COUNT }, (_, number) => number).filter(() => pair.random() < 0.3);
      for (const number of removed) pair.remove(number);
      expectRecall();
      for (const number of removed) pair.put(number);
      expectRecall();
      while (!pair.graphed.buildGraph(1_000));
      expectRecall();
    },
    1_800_000,
  );
});
