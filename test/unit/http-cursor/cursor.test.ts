import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CursorSigner, MAX_BODY_CURSOR_CHARS } from '../../../src/http/cursor.js';
import { digestOf } from '../../../src/http/digest.js';

const secret = Buffer.alloc(32, 7);
const clock = { now: Date.parse('2026-01-01T00:00:00Z') };
const signer = new CursorSigner({ secret, clock: () => new Date(clock.now), ttlSeconds: 60 });
const payloads = fc
  .dictionary(fc.string({ maxLength: 10 }), fc.jsonValue({ maxDepth: 2 }) as fc.Arbitrary<unknown>, {
    maxKeys: 4,
    noNullPrototype: true,
  })
  .filter((payload) => JSON.stringify(payload).length < 600 && !JSON.stringify(payload).includes('-0'));
const kinds = fc.string({ maxLength: 10 });
const digests = fc.option(fc.string({ maxLength: 10 }), { nil: undefined });
const code = (work: () => unknown): unknown => {
  try {
    return { opened: work() };
  } catch (error) {
    return (error as { code?: string }).code ?? error;
  }
};

describe('CursorSigner', () => {
  it('opens what it made', () => {
    fc.assert(
      fc.property(kinds, payloads, digests, (kind, payload, digest) => {
        const text = signer.sign(kind, payload, digest);
        expect(text).toMatch(/^[A-Za-z0-9_-]{1,2000}$/);
        expect(signer.verify(kind, text, digest)).toEqual(JSON.parse(JSON.stringify(payload)));
      }),
    );
  });

  it('refuses a text in which any one character was changed, added or taken away', () => {
    const characters = fc.constantFrom(
      ...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+/. \n\u0000é',
    );
    fc.assert(
      fc.property(
        payloads,
        fc.nat(),
        characters,
        fc.constantFrom('change', 'add', 'take'),
        (payload, pick, character, how) => {
          const text = signer.sign('k', payload);
          const at = pick % (how === 'add' ? text.length + 1 : text.length);
          const changed =
            text.slice(0, at) + (how === 'take' ? '' : character) + text.slice(how === 'add' ? at : at + 1);
          fc.pre(changed !== text);
          expect(code(() => signer.verify('k', changed))).toBe('cursor:invalid');
        },
      ),
      { numRuns: 500 },
    );
  });

  it('refuses every other spelling of the last character, whose low bits decode to nothing', () => {
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    for (const filler of ['', 'x', 'xx']) {
      const text = signer.sign('k', { filler });
      for (const last of alphabet.replace(text.at(-1)!, ''))
        expect(code(() => signer.verify('k', text.slice(0, -1) + last))).toBe('cursor:invalid');
      expect(signer.verify('k', text)).toEqual({ filler });
    }
  });

  it('refuses any text that it did not make', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.base64String({ maxLength: 200 })), (text) => {
        expect(code(() => signer.verify('k', text))).toBe('cursor:invalid');
      }),
    );
    expect(code(() => signer.verify('k', 'A'.repeat(12_001)))).toBe('cursor:invalid');
  });

  it('refuses a cursor of another kind, request or secret', () => {
    fc.assert(
      fc.property(kinds, kinds, digests, digests, (kind, otherKind, digest, otherDigest) => {
        fc.pre(kind !== otherKind || digest !== otherDigest);
        const text = signer.sign(kind, { at: 1 }, digest);
        expect(code(() => signer.verify(otherKind, text, otherDigest))).toBe('cursor:invalid');
      }),
    );
    const other = new CursorSigner({ secret: Buffer.alloc(32, 8), clock: () => new Date(clock.now), ttlSeconds: 60 });
    expect(code(() => other.verify('k', signer.sign('k', {})))).toBe('cursor:invalid');
  });

  it('expires when its time is over, and says so only of its own', () => {
    const text = signer.sign('k', { at: 1 });
    clock.now += 59_999;
    expect(signer.verify('k', text)).toEqual({ at: 1 });
    clock.now += 1;
    expect(code(() => signer.verify('k', text))).toBe('cursor:expired');
    expect(code(() => signer.verify('other', text))).toBe('cursor:invalid');
  });

  it('is bounded', () => {
    expect(signer.sign('k', { at: 'x'.repeat(1400) }).length).toBeLessThanOrEqual(2000);
    expect(() => signer.sign('k', { at: 'x'.repeat(1500) })).toThrow(RangeError);
    const long = signer.sign('k', { at: 'x'.repeat(8_900) }, undefined, MAX_BODY_CURSOR_CHARS);
    expect(long.length).toBeLessThanOrEqual(12_000);
    expect(signer.verify('k', long)).toEqual({ at: 'x'.repeat(8_900) });
    expect(() => signer.sign('k', { at: 'x'.repeat(9_000) }, undefined, MAX_BODY_CURSOR_CHARS)).toThrow(RangeError);
    expect(() => new CursorSigner({ secret: Buffer.alloc(31), clock: () => new Date(), ttlSeconds: 1 })).toThrow(
      RangeError,
    );
  });
});

describe('digestOf', () => {
  it('is the SHA-256 of the canonical JSON', () => {
    // printf '{"a":[1,{"c":null,"d":"é"}],"b":true}' | sha256sum
    expect(digestOf({ b: true, a: [1, { d: 'é', c: null }] })).toBe(
      '47f93a44aba63c7259429d766b2137b9366b6a5015c66057a22f510970ca8c0a',
    );
  });

  it('does not see the order of keys, at any depth', () => {
    const reversed = (value: unknown): unknown => {
      if (Array.isArray(value)) return value.map(reversed);
      if (typeof value !== 'object' || value === null) return value;
      return Object.fromEntries(
        Object.entries(value)
          .reverse()
          .map(([key, member]) => [key, reversed(member)]),
      );
    };
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(digestOf(reversed(value))).toBe(digestOf(value));
      }),
    );
  });

  it('sees every other difference', () => {
    const values = [
      null,
      false,
      0,
      '',
      '0',
      [],
      {},
      [0],
      ['0'],
      [[0]],
      { a: 0 },
      { a: '0' },
      { b: 0 },
      { a: { b: 0 } },
      [1, 2],
      [2, 1],
      'a',
      '\ud800',
    ];
    expect(new Set(values.map(digestOf)).size).toBe(values.length);
    expect(digestOf(JSON.parse('{"__proto__": 1}'))).not.toBe(digestOf({}));
  });
});
