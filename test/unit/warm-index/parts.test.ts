import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Parts, partOf, putTexts, textsOf } from '../../../src/warm-index/parts.js';

describe('texts in parts', () => {
  it('come back as they were', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary' })), fc.array(fc.string()), (texts, others) => {
        const parts: Parts = {};
        putTexts(parts, 'a', texts);
        putTexts(parts, 'b', others);
        expect(textsOf(parts, 'a')).toEqual(texts);
        expect(textsOf(parts, 'b')).toEqual(others);
      }),
    );
  });

  it('are read where they lie within a larger buffer', () => {
    const parts: Parts = {};
    putTexts(parts, 'a', ['é', '', 'ab']);
    const large = new Uint8Array(100).fill(33);
    const bytes = partOf(parts, 'a.bytes', Uint8Array);
    large.set(bytes, 8);
    expect(textsOf({ ...parts, 'a.bytes': large.subarray(8, 8 + bytes.length) }, 'a')).toEqual(['é', '', 'ab']);
  });

  it('are refused when their bytes are not those that their ends speak of', () => {
    const parts: Parts = {};
    putTexts(parts, 'a', ['ab', 'c']);
    expect(() => textsOf({ ...parts, 'a.bytes': new Uint8Array(2) }, 'a')).toThrow('a');
    expect(() => textsOf({ ...parts, 'a.ends': Float64Array.of(2) }, 'a')).toThrow('a');
    expect(() => textsOf({ ...parts, 'a.ends': Float64Array.of(4, 3) }, 'a')).toThrow('a');
  });
});

describe('a part', () => {
  it('is given back when it is there and of its type', () => {
    const part = Uint32Array.of(1, 2);
    expect(partOf({ part }, 'part', Uint32Array)).toBe(part);
    expect(() => partOf({ part }, 'part', Float64Array)).toThrow('part');
    expect(() => partOf({ part }, 'other', Uint32Array)).toThrow('other');
  });
});
