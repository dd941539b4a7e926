import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { backoffOf, failed, type Health, retryAfterOf, succeeded } from '../../../src/hooks/health.js';

const now = new Date('2026-01-02T03:04:05Z');
const patience = { backoffMs: 1_000, maxAttempts: 30 };
const fresh: Health = { consecutive_failures: 0 };
const refused = { status_code: 500, retryAfterMs: 0 };
const middle = () => 0.5;

test('the pause doubles up to an hour, and lies between half and one and a half of that', () => {
  expect([1, 2, 3, 12, 13, 30].map((failures) => backoffOf(failures, 1_000, middle))).toEqual([
    ...[1_000, 2_000, 4_000, 2_048_000, 3_600_000, 3_600_000],
  ]);
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1_000 }), fc.integer({ min: 10, max: 600_000 }), (failures, firstMs) => {
      const [least, most] = [backoffOf(failures, firstMs, () => 0), backoffOf(failures, firstMs, () => 1)];
      expect(most).toBeCloseTo(3 * least);
      expect(most).toBeLessThanOrEqual(1.5 * 3_600_000);
      expect(least).toBeGreaterThanOrEqual(firstMs / 2 > 1_800_000 ? 1_800_000 : Math.min(firstMs / 2, 1_800_000));
    }),
  );
});

test('30 failures take about 18 hours', () => {
  let ms = 0;
  for (let failures = 1; failures < patience.maxAttempts; failures += 1) ms += backoffOf(failures, 1_000, middle);
  expect(ms / 3_600_000).toBeGreaterThan(17);
  expect(ms / 3_600_000).toBeLessThan(19);
});

test.each([
  [undefined, 0],
  ['120', 120_000],
  [' 5 ', 5_000],
  ['999999', 3_600_000],
  ['Fri, 02 Jan 2026 03:05:05 GMT', 60_000],
  ['Fri, 02 Jan 2026 03:00:00 GMT', 0],
  ['-5', 0],
  ['soon', 0],
])('Retry-After %s is %i ms', (header, ms) => {
  expect(retryAfterOf(header, now)).toBe(ms);
});

describe('a receiver', () => {
  test('that fails is tried again after a pause, or when it asks to be', () => {
    const first = failed(fresh, refused, { now, patience, random: middle });
    expect(first).toEqual({
      health: { consecutive_failures: 1, last_failure_at: now, next_attempt_at: new Date(now.getTime() + 1_000) },
    });
    const asked = failed(first.health, { status_code: 429, retryAfterMs: 60_000 }, { now, patience, random: middle });
    expect(asked.health.next_attempt_at).toEqual(new Date(now.getTime() + 60_000));
    const less = failed(first.health, { status_code: 503, retryAfterMs: 1 }, { now, patience, random: middle });
    expect(less.health.next_attempt_at).toEqual(new Date(now.getTime() + 2_000));
  });

  test('that takes a delivery has no failures any more, but that it failed is known', () => {
    const { health } = failed(fresh, refused, { now, patience });
    const later = new Date(now.getTime() + 5_000);
    expect(succeeded(later, health)).toEqual({
      consecutive_failures: 0,
      last_success_at: later,
      last_failure_at: now,
    });
  });

  test('that fails as often as allowed, in a row, is given up; one success begins the count anew', () => {
    let health = fresh;
    const overs: (string | undefined)[] = [];
    for (let n = 0; n < 30; n += 1) {
      const next = failed(health, { status_code: undefined, retryAfterMs: 0 }, { now, patience });
      ({ health } = next);
      overs.push(next.over);
    }
    expect(overs).toEqual([...Array(29).fill(undefined), 'failing']);
    expect(health).toEqual({ consecutive_failures: 30, last_failure_at: now });
    expect(failed(succeeded(now, health), refused, { now, patience }).over).toBeUndefined();
  });

  test('that is gone is given up at once', () => {
    expect(failed(fresh, { status_code: 410, retryAfterMs: 0 }, { now, patience })).toEqual({
      health: { consecutive_failures: 1, last_failure_at: now },
      over: 'gone',
    });
  });
});
