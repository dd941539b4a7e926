import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Growable } from '../../../src/warm-index/growable.js';

const values = fc.nat({ max: 2 ** 32 - 1 });
const steps = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant('push' as const), value: values, at: fc.nat() }),
    fc.record({ kind: fc.constant('set' as const), value: values, at: fc.nat() }),
    fc.record({ kind: fc.constant('extend' as const), value: values, at: fc.nat({ max: 60 }) }),
  ),
  { maxLength: 120 },
);

describe('Growable', () => {
  it('is an array that grows at its end, from nothing or from what it was given', () => {
    fc.assert(
      fc.property(fc.option(fc.uint32Array({ maxLength: 40 }), { nil: undefined }), steps, (first, all) => {
        const model = [...(first ?? [])];
        const growable = new Growable(Uint32Array, first);
        for (const { kind, value, at } of all) {
          if (kind === 'push') expect(growable.push(value)).toBe(model.push(value) - 1);
          else if (kind === 'extend') {
            growable.extend(at, value);
            while (model.length < at) model.push(value);
          } else if (model.length > 0) {
            growable.set(at % model.length, value);
            model[at % model.length] = value;
          }
        }
        expect(growable.length).toBe(model.length);
        expect([...growable.used]).toEqual(model);
        expect(model.map((_, index) => growable.at(index))).toEqual(model);
        expect([...growable.buffer.subarray(0, growable.length)]).toEqual(model);
        expect(growable.bytes).toBeGreaterThanOrEqual(model.length * 4);
      }),
    );
  });

  it('has nothing beyond its end, though there is room', () => {
    const growable = new Growable(Float64Array);
    growable.push(1.5);
    expect(growable.buffer.length).toBeGreaterThan(1);
    expect(growable.at(0)).toBe(1.5);
    expect(() => growable.at(1)).toThrow(RangeError);
    expect(() => growable.at(-1)).toThrow(RangeError);
    expect(() => growable.set(1, 2)).toThrow(RangeError);
    expect(growable.length).toBe(1);
  });

  it('fills new places with 0 where nothing else is said, whatever stood there', () => {
    const growable = new Growable(Uint8Array, Uint8Array.of(7));
    growable.extend(3);
    expect([...growable.used]).toEqual([7, 0, 0]);
    growable.extend(2, 9);
    expect([...growable.used]).toEqual([7, 0, 0]);
  });
});
