import { describe, expect, it } from 'vitest';
import type { BothLegs } from '../../../src/search/legs/both.js';
import { type SearchInput, searchSchema } from '../../../src/search/schemas.js';
import { search } from '../../../src/search/search.js';
import { CORPUS, found, legOf, searching } from './support/stub-corpus.js';

const HOLD_THE_WORD = 300_000;
const NEAR = ['d0', 'd1', 'd2'].map((id) => found(id));
/** Rankings that no search comes to: whoever asks for more of them does not end. */
const MAX_CALLS = 40;

/** The documents of a corpus in which very many hold the word, and three are near. */
const withTheWord = (depth: number) =>
  legOf(
    'text',
    Array.from({ length: Math.min(depth, HOLD_THE_WORD) }, (_, n) => found(`d${n}`)),
    depth >= HOLD_THE_WORD,
  );

function counted(legs: (depth: number) => BothLegs) {
  const depths: number[] = [];
  const ctx = searching((depth) => {
    depths.push(depth);
    if (depths.length > MAX_CALLS) throw new Error('this search does not end');
    return legs(depth);
  });
  const ask = (input: Partial<SearchInput>, signal = new AbortController().signal) =>
    search(
      ctx,
      CORPUS,
      searchSchema.parse({ query: 'report', vector: Array(512).fill(1), min_score: 0.75, ...input }),
      signal,
    );
  return { depths, ask };
}

describe('a search of which less is left than it asks for', () => {
  it('ends when a leg that a hit must be in has no more, however many the other one has', async () => {
    const { ask, depths } = counted((depth) => ({ text: withTheWord(depth), vector: legOf('vector', NEAR, true) }));
    const { hits, cursor, plan } = await ask({ require: ['vector'] });
    expect(hits.map(({ id }) => id)).toEqual(['d0', 'd1', 'd2']);
    expect(cursor).toBeUndefined();
    expect(plan).not.toHaveProperty('incomplete');
    expect(depths).toHaveLength(1);
  });

  it('gives up where no leg comes to an end, and says so', async () => {
    const { ask } = counted((depth) => ({ text: withTheWord(depth), vector: legOf('vector', NEAR, false) }));
    const { hits, cursor, plan } = await ask({ require: ['text', 'vector'] });
    expect(hits.map(({ id }) => id)).toEqual(['d0', 'd1', 'd2']);
    expect(cursor).toBeUndefined();
    expect(plan.incomplete).toBe(true);
  });

  it('says nothing of the kind where all was given that was asked for', async () => {
    const { ask } = counted((depth) => ({ text: withTheWord(depth), vector: legOf('vector', NEAR, false) }));
    const { hits, plan } = await ask({ require: ['text', 'vector'], limit: 3 });
    expect(hits).toHaveLength(3);
    expect(plan).not.toHaveProperty('incomplete');
  });

  it('ends when its time is over', async () => {
    const over = new AbortController();
    const { ask, depths } = counted((depth) => {
      if (depth > 1_000) over.abort(new Error('too late'));
      return { text: withTheWord(depth), vector: legOf('vector', NEAR, false) };
    });
    await expect(ask({ require: ['text', 'vector'] }, over.signal)).rejects.toThrow('too late');
    expect(Math.max(...depths)).toBeLessThan(4_000);
  });
});
