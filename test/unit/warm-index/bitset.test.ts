import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Bitset } from '../../../src/warm-index/bitset.js';

const numbers = fc.oneof(fc.nat({ max: 300 }), fc.constantFrom(0, 31, 32, 63, 64, 95, 1_023, 1_024, 5_000));
const sets = fc.uniqueArray(numbers, { maxLength: 120 });

function bitsetOf(values: number[]): Bitset {
  const bitset = new Bitset();
  for (const value of values) bitset.add(value);
  return bitset;
}

function listOf(bitset: Bitset): number[] {
  const list: number[] = [];
  bitset.forEach((value) => {
    list.push(value);
  });
  return list;
}

const sorted = (values: Iterable<number>) => [...values].sort((a, b) => a - b);

describe('Bitset', () => {
  it('holds what was added and not deleted since', () => {
    const steps = fc.array(fc.record({ adds: fc.boolean(), value: numbers }), { maxLength: 200 });
    fc.assert(
      fc.property(steps, (all) => {
        const bitset = new Bitset();
        const model = new Set<number>();
        for (const { adds, value } of all) {
          bitset[adds ? 'add' : 'delete'](value);
          model[adds ? 'add' : 'delete'](value);
          expect(bitset.has(value)).toBe(adds);
        }
        expect(listOf(bitset)).toEqual(sorted(model));
        expect(bitset.size).toBe(model.size);
        for (let value = 0; value < 310; value += 1) expect(bitset.has(value)).toBe(model.has(value));
        expect(bitset.has(1_000_000)).toBe(false);
      }),
    );
  });

  it('unites, intersects and subtracts as sets do, whatever their lengths, and leaves the other one alone', () => {
    fc.assert(
      fc.property(sets, sets, (a, b) => {
        const other = bitsetOf(b);
        expect(listOf(bitsetOf(a).or(other))).toEqual(sorted(new Set([...a, ...b])));
        expect(listOf(bitsetOf(a).and(other))).toEqual(sorted(a.filter((value) => b.includes(value))));
        expect(listOf(bitsetOf(a).andNot(other))).toEqual(sorted(a.filter((value) => !b.includes(value))));
        expect(listOf(other)).toEqual(sorted(b));
      }),
    );
  });

  it('obeys De Morgan under a universe', () => {
    fc.assert(
      fc.property(sets, sets, fc.nat({ max: 400 }), (a, b, length) => {
        const not = (bitset: Bitset) => Bitset.full(length).andNot(bitset);
        const [left, right] = [not(bitsetOf(a).or(bitsetOf(b))), not(bitsetOf(a)).and(not(bitsetOf(b)))];
        expect(listOf(left)).toEqual(listOf(right));
      }),
    );
  });

  it.each([0, 1, 31, 32, 33, 64, 1_000])('is full of every number under %i', (length) => {
    const full = Bitset.full(length);
    expect(listOf(full)).toEqual(Array.from({ length }, (_, value) => value));
    expect(full.size).toBe(length);
    expect(full.has(length)).toBe(false);
  });

  it('adds all of an array', () => {
    const bitset = bitsetOf([3]);
    bitset.addAll(Uint32Array.of(900, 31, 32, 31));
    expect(listOf(bitset)).toEqual([3, 31, 32, 900]);
  });

  it('takes over words as they are', () => {
    const bitset = bitsetOf([1, 40]);
    expect(listOf(new Bitset(bitset.words))).toEqual([1, 40]);
    expect(bitset.bytes).toBe(bitset.words.length * 4);
  });
});
