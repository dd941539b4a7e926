import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fuseRrf, fuseStandardised, fuseWeighted, type Leg } from '../../../src/search/fusion.js';

const ids = fc.constantFrom(...'abcdefghij');
const byScore = (leg: { id: string; score: number }[]): Leg => [...leg].sort((a, b) => b.score - a.score);
/** Few distinct scores, so that ties are common. */
const legs = fc
  .uniqueArray(fc.record({ id: ids, score: fc.integer({ min: -4, max: 4 }) }), { selector: ({ id }) => id })
  .map(byScore);
const distinctLegs = fc
  .tuple(
    fc.uniqueArray(ids, { minLength: 1 }),
    fc.uniqueArray(fc.integer({ min: -1000, max: 1000 }), { minLength: 10, maxLength: 10 }),
  )
  .map(([chosen, scores]) => byScore(chosen.map((id, index) => ({ id, score: scores[index]! }))));
const searches = fc.array(legs, { minLength: 1, maxLength: 3 });
const both: [string, (of: Leg[]) => ReturnType<typeof fuseRrf>][] = [
  ['rrf', (of) => fuseRrf(of)],
  ['weighted', (of) => fuseWeighted(of, { weights: of.map((_, index) => index + 1) })],
  [
    'standardised',
    (of) => fuseStandardised(of, { weights: of.map((_, index) => index + 1), floors: of.map(() => undefined) }),
  ],
];

describe.each(both)('fusion by %s', (name, fuse) => {
  it('returns the union, each id once, best first, ties by id', () => {
    fc.assert(
      fc.property(searches, (of) => {
        const fused = fuse(of);
        expect(fused.map(({ id }) => id).sort()).toEqual([...new Set(of.flat().map(({ id }) => id))].sort());
        for (const [index, next] of fused.slice(1).entries()) {
          const previous = fused[index]!;
          expect(previous.score > next.score || (previous.score === next.score && previous.id < next.id)).toBe(true);
        }
      }),
    );
  });

  it('does not depend on the order of equal scores in a leg', () => {
    const shuffled = searches.chain((of) =>
      fc.tuple(
        fc.constant(of),
        fc.tuple(...of.map((leg) => fc.shuffledSubarray([...leg], { minLength: leg.length }).map(byScore))),
      ),
    );
    fc.assert(
      fc.property(shuffled, ([of, again]) => {
        expect(fuse(again)).toEqual(fuse(of));
      }),
    );
  });

  it('keeps the order of a single leg', () => {
    fc.assert(
      fc.property(distinctLegs, (leg) => {
        expect(fuse([leg]).map(({ id }) => id)).toEqual(leg.map(({ id }) => id));
      }),
    );
  });

  it.skipIf(name === 'standardised')('never ranks an id lower for a better place in one leg', () => {
    fc.assert(
      fc.property(distinctLegs, legs, fc.nat(), (leg, other, pick) => {
        const { id } = leg[pick % leg.length]!;
        const best = leg[0]!.score;
        const raised = byScore(leg.map((hit) => (hit.id === id ? { id, score: best + 1 } : hit)));
        const place = (of: Leg[]) => fuse(of).findIndex((hit) => hit.id === id);
        // Raising the top only stretches the others: for every other id the place can but improve.
        if (leg[0]!.id !== id || leg.length === 1)
          expect(place([raised, other])).toBeLessThanOrEqual(place([leg, other]));
      }),
    );
  });

  it('tells rank and score of each leg', () => {
    const [hit] = fuse([
      [{ id: 'a', score: 7 }],
      [
        { id: 'b', score: 2 },
        { id: 'a', score: 1 },
      ],
      [],
    ]).filter(({ id }) => id === 'a');
    expect(hit).toMatchObject({ ranks: [1, 2, undefined], scores: [7, 1, undefined] });
  });

  it('has nothing to say about nothing', () => {
    expect(fuse([])).toEqual([]);
    expect(fuse([[], []])).toEqual([]);
  });
});

describe('fuseRrf', () => {
  it('sums 1 / (60 + rank)', () => {
    const fused = fuseRrf([
      [
        { id: 'a', score: 9 },
        { id: 'b', score: 8 },
      ],
      [
        { id: 'b', score: 0.3 },
        { id: 'c', score: 0.2 },
        { id: 'a', score: 0.1 },
      ],
    ]);
    expect(fused.map(({ id }) => id)).toEqual(['b', 'a', 'c']);
    expect(fused.map(({ score }) => score)).toEqual([1 / 62 + 1 / 61, 1 / 61 + 1 / 63, 1 / 62]);
  });

  it('takes k and weights', () => {
    const [hit] = fuseRrf([[{ id: 'a', score: 1 }], [{ id: 'a', score: 1 }]], { k: 1, weights: [3, 0.5] });
    expect(hit!.score).toBe(1.75);
  });

  it('gives equal scores the better rank, and the next its place', () => {
    const leg = ['a', 'b', 'c', 'd'].map((id, index) => ({ id, score: [5, 4, 4, 3][index]! }));
    expect(fuseRrf([leg]).map(({ ranks }) => ranks[0])).toEqual([1, 2, 2, 4]);
  });

  it('counts an id that a leg repeats once, at its best place', () => {
    expect(
      fuseRrf([
        [
          { id: 'a', score: 2 },
          { id: 'a', score: 1 },
          { id: 'b', score: 0 },
        ],
      ]),
    ).toEqual([
      { id: 'a', score: 1 / 61, ranks: [1], scores: [2] },
      { id: 'b', score: 1 / 62, ranks: [2], scores: [0] },
    ]);
  });

  it('looks at order only', () => {
    fc.assert(
      fc.property(fc.array(distinctLegs, { minLength: 1, maxLength: 3 }), (of) => {
        const warped = of.map((leg) => leg.map(({ id, score }) => ({ id, score: score ** 3 + 5 })));
        const judged = (all: Leg[]) => fuseRrf(all).map(({ id, score }) => ({ id, score }));
        expect(judged(warped)).toEqual(judged(of));
      }),
    );
  });
});

describe('fuseWeighted', () => {
  it('stretches each leg to 0 … 1; who is absent counts 0', () => {
    const fused = fuseWeighted(
      [
        [
          { id: 'a', score: 10 },
          { id: 'b', score: 6 },
          { id: 'c', score: 2 },
        ],
        [
          { id: 'b', score: 0.9 },
          { id: 'd', score: 0.9 },
        ],
      ],
      { weights: [0.5, 0.25] },
    );
    expect(fused.map(({ id, score }) => [id, score])).toEqual([
      ['a', 0.5],
      ['b', 0.5],
      ['d', 0.25],
      ['c', 0],
    ]);
  });

  it('does not see a leg being scaled and moved', () => {
    fc.assert(
      fc.property(
        distinctLegs,
        legs,
        fc.constantFrom(0.5, 2, 1024),
        fc.integer({ min: -50, max: 50 }),
        (leg, other, by, plus) => {
          const moved = leg.map(({ id, score }) => ({ id, score: score * by + plus }));
          const judged = (of: Leg[]) =>
            fuseWeighted(of, { weights: [0.7, 0.3] }).map(({ id, score }) => ({ id, score }));
          expect(judged([moved, other])).toEqual(judged([leg, other]));
        },
      ),
    );
  });

  it('reproduces a leg of weight 1 beside one of weight 0', () => {
    fc.assert(
      fc.property(distinctLegs, legs, (leg, other) => {
        const found = new Set(leg.map(({ id }) => id));
        const order = fuseWeighted([other, leg], { weights: [0, 1] }).map(({ id }) => id);
        expect(order.filter((id) => found.has(id))).toEqual(leg.map(({ id }) => id));
      }),
    );
  });

  it.each([[[1]], [[1, 2, 3]], [[1, -1]], [[1, Number.NaN]], [[Number.POSITIVE_INFINITY, 1]]])(
    'refuses the weights %j',
    (weights) => {
      expect(() => fuseWeighted([[], []], { weights })).toThrow(RangeError);
      expect(() => fuseRrf([[], []], { weights })).toThrow(RangeError);
    },
  );
});

describe('fuseStandardised', () => {
  const unknown = [undefined, undefined];

  it('counts in standard deviations above the last of a leg', () => {
    // Mean 4, deviation 2: (8 - 2) / 2, then 1 twice, then 0.
    const spread = [8, 4, 4, 2, 2].map((score, index) => ({ id: `d${index}`, score }));
    const deviation = Math.sqrt((16 + 0 + 0 + 4 + 4) / 5);
    const [first, second] = fuseStandardised([spread], { weights: [2], floors: [undefined] });
    expect(first).toMatchObject({ id: 'd0', score: (2 * 6) / deviation });
    expect(second).toMatchObject({ id: 'd1', score: (2 * 2) / deviation });
  });

  it('lets the only document with the words stand out, when all others are known to have 0', () => {
    const near = Array.from({ length: 20 }, (_, index) => ({ id: `n${index}`, score: 0.9 - index / 100 }));
    const worded = [{ id: 'word', score: 3 }];
    const first = (floors: (number | undefined)[]) =>
      fuseStandardised([near, worded], { weights: [0.5, 0.5], floors })[0]!.id;
    expect(first([undefined, 0])).toBe('word');
    expect(first(unknown)).toBe('n0');
  });

  it('does not see a leg being scaled and moved', () => {
    fc.assert(
      fc.property(distinctLegs, legs, fc.constantFrom(0.5, 2, 1024), (leg, other, by) => {
        const moved = leg.map(({ id, score }) => ({ id, score: score * by }));
        const judged = (of: Leg[]) =>
          fuseStandardised(of, { weights: [0.7, 0.3], floors: unknown }).map(({ id, score }) => ({ id, score }));
        expect(judged([moved, other])).toEqual(judged([leg, other]));
      }),
    );
  });

  it('is never lower for a leg than for what the leg did not find', () => {
    fc.assert(
      fc.property(searches, (of) => {
        const fused = fuseStandardised(of, { weights: of.map(() => 1), floors: of.map(() => -5) });
        for (const { score } of fused) expect(score).toBeGreaterThanOrEqual(0);
      }),
    );
  });

  it.each([[[1]], [[1, -1]], [[Number.POSITIVE_INFINITY, 1]]])('refuses the weights %j', (weights) => {
    expect(() => fuseStandardised([[], []], { weights, floors: unknown })).toThrow(RangeError);
  });
});
