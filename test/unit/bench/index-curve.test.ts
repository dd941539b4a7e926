import { describe, expect, it } from 'vitest';
import { extrapolated, stepsTo } from '../../../bench/index-curve.mjs';

describe('stepsTo', () => {
  it('goes by 1, 2 and 5 to the last', () => {
    expect(stepsTo(10_000, 100_000)).toEqual([10_000, 20_000, 50_000, 100_000]);
    expect(stepsTo(10_000, 70_000)).toEqual([10_000, 20_000, 50_000, 70_000]);
    expect(stepsTo(10_000, 3_000)).toEqual([3_000]);
  });
});

describe('extrapolated', () => {
  it('lets memory grow as over the last step, and build time with n log n', () => {
    const steps = [
      { documents: 100, build_seconds: 1, bytes: 1_100, resident_bytes: 5_000 },
      { documents: 200, build_seconds: 3, bytes: 2_100, resident_bytes: 5_500 },
    ];
    const { build_seconds, bytes, resident_bytes } = extrapolated(steps, 400);
    expect(bytes).toBe(4_100);
    expect(resident_bytes).toBe(6_500);
    expect(build_seconds).toBeCloseTo((3 * 400 * Math.log(400)) / (200 * Math.log(200)), 9);
  });
});
