import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { digestOf } from '../../../src/http/digest.js';

/** As digests have always been made: they are stored, and sealed. */
function expected(value: unknown): string {
  const text = JSON.stringify(value, (_key, member: unknown) =>
    typeof member === 'object' && member !== null && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1)))
      : member,
  );
  return createHash('sha256')
    .update(text ?? '')
    .digest('hex');
}

const keys = fc.oneof(fc.string(), fc.constantFrom('__proto__', '10', '9', 'a', 'é', 'toString'));
const values = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.jsonValue(),
    fc.constant(undefined),
    fc.array(fc.double()),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(keys, tie('value'), { maxKeys: 4 }),
  ),
})).value;

describe('a digest', () => {
  it('is that of the JSON with its keys sorted', () => {
    fc.assert(
      fc.property(values, (value) => {
        expect(digestOf(value)).toBe(expected(value));
      }),
    );
  });

  it('does not depend on the order of keys', () => {
    expect(digestOf([{ b: [{ d: 1, c: 2 }], a: 0 }])).toBe(digestOf([{ a: 0, b: [{ c: 2, d: 1 }] }]));
    expect(digestOf({ a: [1, 2] })).not.toBe(digestOf({ a: [2, 1] }));
  });
});
