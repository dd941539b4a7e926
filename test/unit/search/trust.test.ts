import { describe, expect, it } from 'vitest';
import { isStale } from '../../../src/search/trust.js';

describe('a measurement of the legs', () => {
  const measured = { documents: 1000, at_ms: 0 };

  it.each([
    ['no documents, never measured', undefined, 0, 0, false],
    ['documents, never measured', undefined, 1, 0, true],
    ['as many documents', measured, 1000, 0, false],
    ['half as many again', measured, 1500, 0, false],
    ['more than that', measured, 1501, 0, true],
    ['two thirds left', measured, 667, 0, false],
    ['fewer than that', measured, 666, 0, true],
    ['an hour ago', measured, 1000, 3_600_000, false],
    ['more than an hour ago', measured, 1000, 3_600_001, true],
  ] as const)('%s', (_, known, count, nowMs, stale) => {
    expect(isStale(known, { count, nowMs })).toBe(stale);
  });
});
