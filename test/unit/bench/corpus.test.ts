import { describe, expect, it } from 'vitest';
import { judge } from '../../../bench/check.mjs';
import { FILTERS, lines, makeCorpus, truthOf } from '../../../bench/corpus.mjs';

const shape = { passages: 2000, perDocument: 2, dimensions: 16, queries: 3, seed: 7 };
const corpus = makeCorpus(shape);
const truths = truthOf(corpus);
const documents = [...lines(corpus)];

describe('makeCorpus', () => {
  it('makes the same collection from the same seed, and another from another', () => {
    expect([...lines(makeCorpus(shape))]).toEqual(documents);
    expect([...lines(makeCorpus({ ...shape, seed: 8 }))]).not.toEqual(documents);
  });

  it('makes unit vectors, 80 words a passage, and filters that keep their share exactly', () => {
    expect(documents).toHaveLength(1000);
    for (const { passages } of documents)
      for (const { text, vector } of passages) {
        expect(Math.hypot(...vector)).toBeCloseTo(1, 3);
        expect(text.split(' ')).toHaveLength(80);
      }
    const kept = FILTERS.slice(1).map(({ modulus }: { modulus: number }) => [
      modulus,
      documents.filter(({ metadata }) => metadata[`by_${modulus}`] === 0).length,
    ]);
    expect(kept).toEqual([
      [2, 500],
      [10, 100],
      [100, 10],
      [1000, 1],
    ]);
  });

  it('knows the truth that its own lines tell', () => {
    const { vector, text } = corpus.queries[0];
    const words = text.split(' ');
    documents.forEach(({ passages }, document) => {
      const cosines = passages.map((passage: { vector: number[] }) => {
        const dot = passage.vector.reduce((sum, value, d) => sum + value * vector[d], 0);
        return dot / Math.hypot(...passage.vector) / Math.hypot(...vector);
      });
      expect(truths[0].cosine[document]).toBeCloseTo(Math.max(...cosines), 6);
      const held = new Set(passages.flatMap((passage: { text: string }) => passage.text.split(' ')));
      expect(truths[0].hasWord[document]).toBe(words.some((word: string) => held.has(word)) ? 1 : 0);
    });
  });
});

describe('judge', () => {
  const nearest = (modulus: number) =>
    documents
      .map((_, document) => document)
      .filter((document) => corpus.numbers[document] % modulus === 0)
      .sort((a, b) => truths[0].cosine[b] - truths[0].cosine[a])
      .map((document) => ({ id: `d${document}` }));
  const asked = { mode: 'vector', limit: 10, modulus: 10 };

  it('finds nothing wrong with the right answer', () => {
    expect(judge(corpus, truths[0], asked, nearest(10).slice(0, 10))).toEqual({ faults: [], recall: 1 });
    expect(judge(corpus, truths[0], { ...asked, modulus: 1000 }, nearest(1000))).toEqual({ faults: [], recall: 1 });
  });

  it('names short answers, repetitions and hits that do not match, and lowers recall for far ones', () => {
    const right = nearest(10);
    expect(judge(corpus, truths[0], asked, right.slice(0, 9))).toEqual({
      faults: ['9 hits, 10 of 100 matches wanted'],
      recall: 0.9,
    });
    expect(judge(corpus, truths[0], asked, right.slice(10, 20)).recall).toBe(0);
    expect(judge(corpus, truths[0], asked, [...right.slice(0, 9), right[0]]).faults).toEqual([
      'the same document twice',
    ]);
    const stranger = nearest(1).find(({ id }) => !right.some((hit) => hit.id === id));
    expect(judge(corpus, truths[0], asked, [...right.slice(0, 9), stranger])).toEqual({
      faults: [`hits that do not match: ${stranger?.id}`],
      recall: 0.9,
    });
  });

  it('takes a document without the words for no match of a text search', () => {
    const without = truths[0].hasWord.indexOf(0);
    const { faults } = judge(corpus, truths[0], { ...asked, mode: 'text', modulus: 1 }, [{ id: `d${without}` }]);
    expect(faults).toContain(`hits that do not match: d${without}`);
  });
});
