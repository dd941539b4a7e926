import { describe, expect, it } from 'vitest';
import { evaluate, ndcg, precision, recall } from '../../../eval/metrics.mjs';

const grades = new Map([
  ['a', 3],
  ['b', 2],
  ['c', 1],
  ['zero', 0],
  ['minus', -1],
]);

describe('ndcg', () => {
  it('is the discounted gain over that of the best ranking', () => {
    // 2/log2(2) + 0 + 3/log2(4) = 3.5; best: 3/log2(2) + 2/log2(3) + 1/log2(4) = 4.76186
    expect(ndcg(['b', 'x', 'a'], grades, 10)).toBeCloseTo(3.5 / 4.7618595, 6);
  });

  it('takes the grade itself as the gain, not 2^grade - 1', () => {
    const two = new Map([
      ['a', 4],
      ['b', 1],
    ]);
    // (1 + 4/log2(3)) / (4 + 1/log2(3))
    expect(ndcg(['b', 'a'], two, 10)).toBeCloseTo(3.523719 / 4.6309298, 6);
  });

  it('cuts the ranking and the best ranking at the same depth', () => {
    expect(ndcg(['x', 'a', 'b', 'c'], grades, 1)).toBe(0);
    expect(ndcg(['a', 'x', 'x', 'x'], grades, 1)).toBe(1);
    expect(ndcg(['b', 'a'], grades, 1)).toBeCloseTo(2 / 3, 12);
  });

  it('counts negative grades and unjudged documents as 0', () => {
    expect(ndcg(['minus', 'zero', 'x', 'a', 'b', 'c'], grades, 3)).toBe(0);
    expect(ndcg(['a', 'b', 'c', 'minus'], grades, 10)).toBe(1);
  });

  it('is 0 for a query without a relevant document', () => {
    expect(ndcg(['zero'], new Map([['zero', 0]]), 10)).toBe(0);
  });
});

describe('recall', () => {
  it('is the share of the relevant documents found within the depth', () => {
    expect(recall(['c', 'x', 'a', 'b'], grades, 3)).toBeCloseTo(2 / 3, 12);
    expect(recall(['c', 'x', 'a', 'b'], grades, 4)).toBe(1);
  });

  it('takes no grade below 1 for relevant', () => {
    expect(recall(['zero', 'minus'], grades, 10)).toBe(0);
  });
});

describe('precision', () => {
  it('divides by the depth, even where the ranking or the judgements are shorter', () => {
    expect(precision(['a', 'x', 'b'], grades, 5)).toBeCloseTo(2 / 5, 12);
    expect(precision(['a', 'b', 'c'], grades, 2)).toBe(1);
  });
});

describe('evaluate', () => {
  it('averages over judged queries: one without an answer counts 0, one without a relevant document not at all', () => {
    const judgements = new Map([
      ['answered', new Map([['a', 1]])],
      ['unanswered', new Map([['b', 2]])],
      ['hopeless', new Map([['c', 0]])],
    ]);
    const rankings = new Map([
      ['answered', ['a']],
      ['hopeless', ['c']],
      ['unjudged', ['a']],
    ]);
    expect(evaluate(rankings, judgements)).toEqual({
      queries: 2,
      ndcg_at_10: 0.5,
      recall_at_100: 0.5,
      precision_at_5: 0.1,
    });
  });
});
