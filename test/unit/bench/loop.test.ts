import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { arrivalRate, closedLoop, paced } from '../../../bench/loop.mjs';

describe('closedLoop', () => {
  it('has each client ask one query after the other, all queries in turn', async () => {
    const asked: number[] = [];
    let [open, most] = [0, 0];
    const { ms, seconds } = await closedLoop(
      { clients: 3, seconds: 0.1, queries: 4, first: 2 },
      async (query: number) => {
        asked.push(query);
        open += 1;
        most = Math.max(most, open);
        await sleep(1);
        open -= 1;
      },
    );
    expect(asked).toEqual(asked.map((_, at) => (2 + at) % 4));
    expect(most).toBe(3);
    expect(ms).toHaveLength(asked.length);
    expect(seconds).toBeGreaterThanOrEqual(0.1);
  });
});

describe('paced', () => {
  it('gives what is due, late ones at once, and ends with the signal', async () => {
    const stop = new AbortController();
    const got: number[] = [];
    for await (const at of paced(1_000, stop.signal)) {
      got.push(at);
      if (at === 1) await sleep(50);
      if (at === 39) stop.abort();
    }
    expect(got).toEqual(Array.from({ length: 40 }, (_, at) => at));
  });
});

describe('arrivalRate', () => {
  const arriving = { startedMs: 1_000, untilMs: 3_100, batches: 2, size: 100 };

  it('is what was asked for where all that was due was there', () => {
    expect(arrivalRate([1_010, 1_510, 2_010, 2_510, 3_010], 100, arriving)).toBe(200);
    expect(arrivalRate([1_010, 1_510, 2_010, 2_510], 100, arriving)).toBe(200);
  });

  it('is less where some came late, or not at all', () => {
    expect(arrivalRate([1_400, 2_900, 3_200], 100, arriving)).toBe(100);
    expect(
      arrivalRate(
        Array.from({ length: 300 }, () => 2_000),
        1,
        arriving,
      ),
    ).toBe(150);
    expect(arrivalRate([], 1, arriving)).toBe(0);
  });
});
