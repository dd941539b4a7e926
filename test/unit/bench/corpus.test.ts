import { describe, expect, it } from 'vitest';
import { judge } from '../../../bench/check.mjs';
import { FILTERS, lines, makeCorpus } from '../../../bench/corpus.mjs';
import { Truth } from '../../../bench/truth.mjs';

const shape = { passages: 1000, dimensions: 16, queries: 3, seed: 7 };
const corpus = makeCorpus(shape);
const truth = new Truth(corpus).upTo(1000);

interface Document {
  id: string;
  metadata: Record<string, number>;
  passages: { text: string; vector: number[] }[];
}

const documentsOf = (of: typeof corpus, from: number, to: number): Document[] =>
  [...lines(of, from, to)].map((line: string) => JSON.parse(line));
const documents = documentsOf(corpus, 0, 1000);
const passageOf = ({ passages }: Document) => passages[0]!;

describe('makeCorpus', () => {
  it('makes the same documents from the same seed, whatever was made before, and others from another', () => {
    expect(documentsOf(makeCorpus(shape), 400, 402)).toEqual(documents.slice(400, 402));
    expect(documentsOf(makeCorpus({ ...shape, seed: 8 }), 400, 402)).not.toEqual(documents.slice(400, 402));
    expect(new Set(documents.map((document) => passageOf(document).text)).size).toBe(1000);
  });

  it('makes unit vectors, 40 to 120 words, and filters that keep their share exactly', () => {
    for (const document of documents) {
      const { text, vector } = passageOf(document);
      expect(Math.hypot(...vector)).toBeCloseTo(1, 3);
      const words = text.split(' ').length;
      expect(words).toBeGreaterThanOrEqual(40);
      expect(words).toBeLessThanOrEqual(120);
    }
    const kept = FILTERS.slice(1).map(({ modulus }: { modulus: number }) => [
      modulus,
      documents.filter(({ metadata }) => metadata[`by_${modulus}`] === 0).length,
    ]);
    expect(kept).toEqual([
      [10, 100],
      [100, 10],
      [1000, 1],
    ]);
  });
});

describe('Truth', () => {
  it('knows the nearest and the words that the lines themselves tell', () => {
    const { vector, text } = corpus.queries[0]!;
    const cosines = documents.map((document) => {
      const own = passageOf(document).vector;
      const dot = own.reduce((sum, value, d) => sum + value * vector[d]!, 0);
      return dot / Math.hypot(...own) / Math.hypot(...vector);
    });
    const best = cosines.map((_, at) => at).sort((a, b) => cosines[b]! - cosines[a]!);
    const found = truth.vector(0, 1);
    expect(found.documents.slice(0, 20)).toEqual(best.slice(0, 20));
    expect(found.scores[0]).toBeCloseTo(cosines[best[0]!]!, 6);
    expect(truth.vector(0, 10).documents.slice(0, 10)).toEqual(best.filter((at) => at % 10 === 0).slice(0, 10));
    const words = text.split(' ');
    const holding = documents.flatMap((document, at) => {
      const held = new Set(passageOf(document).text.split(' '));
      return words.some((word: string) => held.has(word)) ? [at] : [];
    });
    expect([...truth.text(0, 1).documents].sort((a, b) => a - b)).toEqual(holding);
    expect(truth.text(0, 10).matches).toBe(holding.filter((at) => at % 10 === 0).length);
  });

  it('scores words by BM25', () => {
    const word = 5;
    const ranksOf = [[word, word, 1], [word, 1, 1, 1, 1], [1]];
    const tiny = {
      queries: [{ vector: Float32Array.of(1), ranks: [word] }],
      documentOf: (number: number) => ({ vector: Float32Array.of(1), ranks: Uint16Array.from(ranksOf[number]!) }),
    };
    const { documents: order, scores } = new Truth(tiny).upTo(3).text(0, 1);
    expect(order).toEqual([0, 1]);
    // ln(1 + (3 - 2 + .5) / (2 + .5)) · tf · 2.2 / (tf + 1.2 · (.25 + .75 · length / 3)), mean length 3.
    const idf = Math.log(1.6);
    expect(scores[0]).toBeCloseTo((idf * 2 * 2.2) / (2 + 1.2), 12);
    expect(scores[1]).toBeCloseTo((idf * 2.2) / (1 + 1.2 * (0.25 + (0.75 * 5) / 3)), 12);
  });

  it('looks at documents bit by bit as at all at once', () => {
    const grown = new Truth(corpus).upTo(300);
    grown.text(1, 1);
    grown.upTo(1000);
    expect(grown.vector(1, 1)).toEqual(truth.vector(1, 1));
    expect(grown.text(1, 10)).toEqual(truth.text(1, 10));
  });
});

describe('judge', () => {
  const rrf = { k: 60, depth: 50 };
  const asked = { query: 0, mode: 'vector', limit: 10, modulus: 10, rrf };
  const ids = (numbers: number[]) => numbers.map((number) => `d${number}`);
  const nearest = (modulus: number) => truth.vector(0, modulus).documents;

  it('finds nothing wrong with the right answer', () => {
    const right = ids(nearest(10).slice(0, 10));
    expect(judge(truth, asked, right)).toEqual({ faults: [], recall: 1 });
    expect(judge(truth, { ...asked, modulus: 1000 }, ['d0'])).toEqual({ faults: [], recall: 1 });
    const text = ids(truth.text(0, 1).documents.slice(0, 10));
    expect(judge(truth, { ...asked, mode: 'text', modulus: 1 }, text)).toEqual({ faults: [], recall: 1 });
  });

  it('names short answers, repetitions and hits that do not match, and lowers recall for far ones', () => {
    const right = ids(nearest(10));
    expect(judge(truth, asked, right.slice(0, 9))).toEqual({
      faults: ['9 hits, 10 of 100 matches wanted'],
      recall: 0.9,
    });
    expect(judge(truth, asked, right.slice(10, 20)).recall).toBe(0);
    expect(judge(truth, asked, [...right.slice(0, 9), right[0]!]).faults).toEqual(['the same document twice']);
    const stranger = ids(nearest(1)).find((id) => !right.includes(id))!;
    expect(judge(truth, asked, [...right.slice(0, 9), stranger])).toEqual({
      faults: [`hits that do not match: ${stranger}`],
      recall: 0.9,
    });
    expect(judge(truth, asked, [...right.slice(0, 9), 'd1000']).faults).toEqual(['hits that do not match: d1000']);
  });

  it('takes a document without the words for no match of a text search', () => {
    const holding = new Set(truth.text(0, 1).documents);
    const without = documents.findIndex((_, at) => !holding.has(at));
    const { faults } = judge(truth, { ...asked, mode: 'text', modulus: 1 }, [`d${without}`]);
    expect(faults).toContain(`hits that do not match: d${without}`);
  });

  it('takes the fusion of both legs for the answer of a hybrid search', () => {
    const sums = new Map<number, number>();
    for (const leg of [truth.vector(0, 1), truth.text(0, 1)])
      leg.documents.slice(0, 50).forEach((document: number, at: number) => {
        sums.set(document, (sums.get(document) ?? 0) + 1 / (60 + at + 1));
      });
    const fused = [...sums].sort(([, a], [, b]) => b - a).map(([document]) => document);
    const hybrid = { ...asked, mode: 'hybrid', modulus: 1 };
    expect(judge(truth, hybrid, ids(fused.slice(0, 10)))).toEqual({ faults: [], recall: 1 });
    expect(judge(truth, hybrid, ids([...fused.slice(0, 5), ...fused.slice(-5)])).recall).toBe(0.5);
  });
});
