import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Texts } from '../../../../src/warm-index/filter/texts.js';
import type { Parts } from '../../../../src/warm-index/parts.js';

/** Few letters, so that texts repeat, begin like each other, and hold each other across their borders. */
const texts = fc.oneof(
  { weight: 3, arbitrary: fc.string({ unit: fc.constantFrom('a', 'b', 'é', '😀', '\uffee'), maxLength: 5 }) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 5 }) },
);
const lists = fc.array(texts, { maxLength: 60 });

function textsOf(list: string[]): Texts {
  const texts = new Texts();
  for (const text of list) texts.intern(Buffer.from(text));
  return texts;
}

function gather(visit: (take: (code: number) => void) => void): number[] {
  const codes: number[] = [];
  visit((code) => codes.push(code));
  return codes;
}

describe('Texts', () => {
  it('gives each distinct text a code, and finds it again', () => {
    fc.assert(
      fc.property(lists, texts, (list, other) => {
        const distinct = [...new Set(list)];
        const parts: Parts = {};
        const made = textsOf(list);
        made.dump(parts, 't');
        for (const texts of [made, Texts.load(parts, 't')]) {
          expect(list.map((text) => texts.codeOf(Buffer.from(text)))).toEqual(
            list.map((text) => distinct.indexOf(text)),
          );
          expect(texts.size).toBe(distinct.length);
          expect(distinct.map((_, code) => Buffer.from(texts.bytesOf(code)).toString())).toEqual(distinct);
          const code = distinct.indexOf(other);
          expect(texts.codeOf(Buffer.from(other))).toBe(code < 0 ? undefined : code);
          expect(texts.intern(Buffer.from(other))).toBe(code < 0 ? distinct.length : code);
        }
      }),
    );
  });

  it('finds what holds a text, as includes does', () => {
    fc.assert(
      fc.property(lists, texts, (list, part) => {
        const distinct = [...new Set(list)];
        const expected = distinct.flatMap((text, code) => (text.includes(part) ? [code] : []));
        const made = textsOf(list);
        expect(gather((take) => made.forEachHolding(Buffer.from(part), take))).toEqual(expected);
      }),
      { numRuns: 2_000 },
    );
  });

  it('finds what begins in one text and ends in the next in neither, and what comes after it', () => {
    const made = textsOf(['xa', 'bcab', 'b', 'a', 'ab']);
    expect(gather((take) => made.forEachHolding(Buffer.from('ab'), take))).toEqual([1, 4]);
  });

  it('orders by code point', () => {
    const orders = { gt: [1], gte: [0, 1], lt: [-1], lte: [-1, 0] } as const;
    const points = (text: string) => [...text].map((char) => String.fromCodePoint(char.codePointAt(0)!));
    /** Compares code point by code point: an own reading, not that by bytes. */
    const compare = (a: string, b: string): number => {
      const [left, right] = [points(a), points(b)];
      const at = left.findIndex((char, index) => char !== right[index]);
      if (at < 0) return Math.sign(left.length - right.length);
      return right[at] === undefined ? 1 : Math.sign(left[at]!.codePointAt(0)! - right[at].codePointAt(0)!);
    };
    fc.assert(
      fc.property(lists, texts, fc.constantFrom('gt', 'gte', 'lt', 'lte'), (list, text, kind) => {
        const wanted: readonly number[] = orders[kind];
        const expected = [...new Set(list)].flatMap((member, code) =>
          wanted.includes(compare(member, text)) ? [code] : [],
        );
        const made = textsOf(list);
        expect(gather((take) => made.forEachOrdered(kind, Buffer.from(text), take))).toEqual(expected);
      }),
      { numRuns: 1_000 },
    );
  });

  it('keeps many apart', () => {
    const list = Array.from({ length: 20_000 }, (_, n) => `document-${n.toString(36)}`);
    const made = textsOf(list);
    expect(made.size).toBe(list.length);
    expect(list.findIndex((text, code) => made.codeOf(Buffer.from(text)) !== code)).toBe(-1);
    expect(made.codeOf(Buffer.from('document-'))).toBeUndefined();
  });
});
