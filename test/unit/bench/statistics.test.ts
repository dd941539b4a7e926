import { describe, expect, it } from 'vitest';
import { leastSquares, percentile } from '../../../bench/statistics.mjs';

describe('percentile', () => {
  it('is the sample of the nearest rank, whatever the order and however the numbers read as text', () => {
    const samples = [10, 9, 100, 1, 2, 3, 4, 5, 6, 7];
    expect([0.5, 0.9, 0.95, 1].map((share) => percentile(samples, share))).toEqual([5, 10, 100, 100]);
    expect(percentile([7], 0.5)).toBe(7);
    expect(percentile([], 0.5)).toBeNaN();
  });
});

describe('leastSquares', () => {
  it('finds a line and the error of its slope', () => {
    const points = [1000, 2000, 3000].map((x) => [x, 5 + 2 * x]);
    expect(leastSquares(points)).toEqual({ slope: 2, standardError: 0 });
    // y = 2/3 + x/2 leaves 1/3, -2/3, 1/3: their squares over n - 2 = 1, over the spread of x, 2.
    const { slope, standardError } = leastSquares([
      [0, 1],
      [1, 0.5],
      [2, 2],
    ]);
    expect(slope).toBeCloseTo(0.5, 12);
    expect(standardError).toBeCloseTo(Math.sqrt(1 / 3), 12);
  });
});
