import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { adaptiveWeights, type LegTrust, type Probe, readProbe, trustOf } from '../../../src/search/adaptive.js';
import type { Leg } from '../../../src/search/fusion.js';

const leg = (...scores: number[]): Leg => scores.map((score, at) => ({ id: `d${at}`, score }));
const named = (...ids: string[]): Leg => ids.map((id, at) => ({ id, score: 1 - at / 100 }));
const trust = (more: Partial<LegTrust> = {}): LegTrust => ({
  ...{ vector: 0.4, text: 1, nearness: 0.8, documents: 1000, probes: 128 },
  ...more,
});

const unitScore = fc.double({ min: 0, max: 1, noNaN: true });
const someLeg = (max: number) =>
  fc
    .array(fc.double({ min: 0.001, max, noNaN: true }), { maxLength: 30 })
    .map((scores) => leg(...scores.sort((a, b) => b - a)));
const someLegs = fc.record({ vector: someLeg(1), text: someLeg(40) });
const someTrust = fc
  .record({ vector: unitScore, text: unitScore, nearness: fc.option(unitScore, { nil: undefined }) })
  .map((found) => trust(found));

describe('a probe', () => {
  it('agrees wholly when both legs name the same other document first', () => {
    const found = readProbe('own', { vector: named('own', 'a', 'b'), text: named('own', 'a', 'c') });
    expect(found).toEqual({ agreement: 1, knownItem: 1, nearness: 0.99 });
  });

  it('counts the rank of either first in the other leg', () => {
    const found = readProbe('own', { vector: named('own', 'a', 'b'), text: named('b', 'own', 'x', 'a') });
    expect(found.agreement).toBeCloseTo((1 / 2 + 1 / 3) / 2, 12);
    expect(found.knownItem).toBe(1 / 2);
  });

  it('does not agree on what the other leg has not found', () => {
    expect(readProbe('own', { vector: named('a', 'own'), text: named('b', 'own') }).agreement).toBe(0);
  });

  it('says nothing of agreement where a leg finds no other document', () => {
    const found = readProbe('own', { vector: named('own', 'a'), text: named('own') });
    expect(found).toEqual({ agreement: undefined, knownItem: 1, nearness: 0.99 });
    expect(readProbe('own', { vector: [], text: [] })).toEqual({
      agreement: undefined,
      knownItem: 0,
      nearness: undefined,
    });
  });
});

describe('trust', () => {
  const probes = (count: number, agreement: number): Probe[] =>
    Array.from({ length: count }, () => ({ agreement, knownItem: 1, nearness: 0.7 }));
  const of = { provider: 'caller', documents: 500 };

  it('is what is expected before anything was probed', () => {
    expect(trustOf([], of)).toEqual({ vector: 0.35, text: 1, nearness: undefined, documents: 500, probes: 0 });
  });

  it('comes near to what was seen the more was probed', () => {
    const errors = [1, 8, 64, 512].map((count) => Math.abs(trustOf(probes(count, 0.9), of).vector - 0.9));
    expect(errors).toEqual([...errors].sort((a, b) => b - a));
    expect(errors.at(-1)).toBeLessThan(0.01);
  });

  it('leaves out probes that say nothing', () => {
    const silent: Probe = { agreement: undefined, knownItem: 0, nearness: undefined };
    const measured = trustOf([...probes(20, 0.6), silent], of);
    expect(measured).toMatchObject({ vector: trustOf(probes(20, 0.6), of).vector, probes: 20, nearness: 0.7 });
    expect(measured.text).toBeCloseTo(20 / 21, 12);
  });

  it('believes a third of what vectors made of spelling say', () => {
    const hashed = trustOf(probes(64, 0.8), { ...of, provider: 'hashing' });
    expect(hashed.vector).toBeCloseTo(trustOf(probes(64, 0.8), of).vector / 3, 12);
  });

  it('takes the middle of the nearest distances, which twins do not move', () => {
    const twins = [1, 1, 0.6, 0.7, 0.65].map((nearness): Probe => ({ agreement: 0.5, knownItem: 1, nearness }));
    expect(trustOf(twins, of).nearness).toBe(0.7);
  });
});

describe('adaptive weights', () => {
  const flat = leg(...Array.from({ length: 20 }, () => 5));
  const steep = leg(10, ...Array.from({ length: 19 }, () => 1));
  const near = leg(0.8, 0.7, 0.6);

  it('follow the formula', () => {
    // drop of `steep` .9, so (.9 + .5) / 2 = .7; closeness 1; .4 / .7 = .5714; .5714 / 1.5714 = .364
    expect(adaptiveWeights(trust(), { vector: near, text: steep })).toEqual({ vector: 0.364, text: 0.636 });
    // half as near as neighbours are: .2857 / 1.2857 = .222
    expect(adaptiveWeights(trust(), { vector: leg(0.4), text: steep })).toEqual({ vector: 0.222, text: 0.778 });
    // no drop: .4 / .25 = 1.6; 1.6 / 2.6 = .615
    expect(adaptiveWeights(trust(), { vector: near, text: flat })).toEqual({ vector: 0.615, text: 0.385 });
  });

  it('are two shares of 1, whatever the legs', () => {
    fc.assert(
      fc.property(someTrust, someLegs, (measured, legs) => {
        const { vector, text } = adaptiveWeights(measured, legs);
        expect(vector).toBeGreaterThanOrEqual(0);
        expect(text).toBeGreaterThanOrEqual(0);
        expect(vector + text).toBeCloseTo(1, 9);
      }),
    );
  });

  it('give a leg no less for more trust in it', () => {
    fc.assert(
      fc.property(someTrust, someLegs, unitScore, (measured, legs, more) => {
        const raised = { ...measured, vector: Math.min(1, measured.vector + more) };
        const doubted = { ...measured, text: measured.text * more };
        // Where nothing is to be trusted, half and half says nothing of either.
        fc.pre(measured.vector > 0 && measured.text > 0);
        const { vector } = adaptiveWeights(measured, legs);
        expect(adaptiveWeights(raised, legs).vector).toBeGreaterThanOrEqual(vector);
        if (doubted.text > 0) expect(adaptiveWeights(doubted, legs).vector).toBeGreaterThanOrEqual(vector);
      }),
    );
  });

  it('do not depend on the depth of the lists, from ten documents on', () => {
    fc.assert(
      fc.property(someTrust, someLegs, fc.integer({ min: 10, max: 30 }), (measured, { vector, text }, depth) => {
        const shallow = { vector: vector.slice(0, depth), text: text.slice(0, depth) };
        expect(adaptiveWeights(measured, shallow)).toEqual(adaptiveWeights(measured, { vector, text }));
      }),
    );
  });

  it('do not see the scale of BM25', () => {
    const scaled = steep.map(({ id, score }) => ({ id, score: score * 7 }));
    expect(adaptiveWeights(trust(), { vector: near, text: scaled })).toEqual(
      adaptiveWeights(trust(), { vector: near, text: steep }),
    );
  });

  it('give noise nothing, and words all', () => {
    expect(adaptiveWeights(trust({ vector: 0 }), { vector: near, text: steep })).toEqual({ vector: 0, text: 1 });
  });
});
