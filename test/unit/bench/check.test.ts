import { describe, expect, it } from 'vitest';
import { bestFused, bestOf } from '../../../bench/check.mjs';

describe('bestOf', () => {
  it('lets equal scores stand for each other, and no others', () => {
    const leg = { documents: [4, 2, 9, 7], scores: [0.9, 0.8, 0.8, 0.7] };
    expect(bestOf(leg, 2, 1e-5)).toEqual(new Set([4, 2, 9]));
    expect(bestOf(leg, 3, 1e-5)).toEqual(new Set([4, 2, 9]));
    expect(bestOf({ documents: [], scores: [] }, 2, 1e-5)).toEqual(new Set());
  });
});

describe('bestFused', () => {
  const vector = { documents: [1, 2, 3, 4], scores: [0.9, 0.8, 0.7, 0.6] };

  it('is the fusion where no scores are equal', () => {
    const text = { documents: [3, 1, 5, 6], scores: [9, 8, 7, 6] };
    expect(bestFused({ vector, text }, { wanted: 2, rrf: { k: 60, depth: 4 } })).toEqual(new Set([1, 3]));
    // 1: 1/61 + 1/62; 3: 1/63 + 1/61; then 2 with 1/62, and 5 with 1/63.
    expect(bestFused({ vector, text }, { wanted: 3, rrf: { k: 60, depth: 4 } })).toEqual(new Set([1, 3, 2]));
  });

  it('looks no deeper than the one who answered', () => {
    const text = { documents: [5, 6, 4], scores: [9, 8, 7] };
    expect(bestFused({ vector, text }, { wanted: 1, rrf: { k: 60, depth: 3 } })).toEqual(new Set([1, 5]));
    expect(bestFused({ vector, text }, { wanted: 1, rrf: { k: 60, depth: 4 } })).toEqual(new Set([4]));
  });

  it('leaves open who comes first of equal scores', () => {
    const text = { documents: [2, 5], scores: [8, 8] };
    // 2 has 1/62 + 1/61 or 1/62 + 1/62, more than 1/61 in any case; 1 has 1/61, and 5 may have it.
    expect(bestFused({ vector, text }, { wanted: 1, rrf: { k: 60, depth: 4 } })).toEqual(new Set([2]));
    expect(bestFused({ vector, text }, { wanted: 2, rrf: { k: 60, depth: 4 } })).toEqual(new Set([2, 1, 5]));
  });
});
