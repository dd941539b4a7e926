import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { PendingUpload } from '../../../src/artifacts/row.js';
import { arrivedAndMissing, checkSize, partsOf, plannedUpload, reservedUntil } from '../../../src/artifacts/upload.js';
import { readConfig } from '../../../src/config.js';
import type { Context } from '../../../src/context.js';

const MIB = 1024 * 1024;
const GREATEST_BYTES = 5_497_558_138_880;
const now = new Date('2026-03-01T12:00:00Z');
const ctx = { config: readConfig({}), clock: () => now } as unknown as Context;

const sizes = fc.oneof(
  fc.integer({ min: 1, max: 100 * MIB }),
  fc.integer({ min: 1, max: GREATEST_BYTES }),
  fc.integer({ min: 1, max: 1200 }).map((parts) => parts * 8 * MIB),
  fc.constantFrom(1, 5 * MIB, 10_000_000, 10_000_001, 8 * MIB, 8000 * MIB, 8000 * MIB + 1, GREATEST_BYTES),
);
const planned = (size_bytes: number, upload_method: 'auto' | 'PUT' | 'POST' | 'multipart' = 'multipart') =>
  plannedUpload(ctx, { size_bytes, content_type: 'a/b', upload_method });

describe('parts', () => {
  test('tile the object exactly, none empty, at most 1 000, all but the last of 5 MiB or more', () => {
    fc.assert(
      fc.property(sizes, (size_bytes) => {
        const parts = partsOf(planned(size_bytes));
        expect(parts.length).toBeGreaterThan(0);
        expect(parts.length).toBeLessThanOrEqual(1000);
        let end = 0;
        for (const [index, part] of parts.entries()) {
          expect(part.part_number).toBe(index + 1);
          expect(part.offset_bytes).toBe(end);
          expect(part.size_bytes).toBeGreaterThan(0);
          if (index < parts.length - 1) expect(part.size_bytes).toBeGreaterThanOrEqual(5 * MIB);
          end += part.size_bytes;
        }
        expect(end).toBe(size_bytes);
      }),
      { numRuns: 300 },
    );
  });

  test('have arrived when they are there with their size, and are missing else', () => {
    const of = fc.integer({ min: 1, max: 200 * MIB }).chain((size_bytes) => {
      const { length } = partsOf(planned(size_bytes));
      return fc.record({
        size_bytes: fc.constant(size_bytes),
        states: fc.array(fc.constantFrom('there', 'missing', 'short', 'long'), {
          minLength: length,
          maxLength: length,
        }),
        foreign: fc.boolean(),
      });
    });
    fc.assert(
      fc.property(of, ({ size_bytes, states, foreign }) => {
        const upload = planned(size_bytes);
        const listed = partsOf(upload)
          .map((part, index) => ({ ...part, state: states[index] }))
          .filter(({ state }) => state !== 'missing')
          .map(({ part_number, size_bytes: size, state }) => ({
            part_number,
            etag: `e${part_number}`,
            size_bytes: state === 'short' ? size - 1 : state === 'long' ? size + 1 : size,
          }));
        const last = { part_number: states.length + 1, etag: 'x', size_bytes: 9 };
        const { arrived, missing } = arrivedAndMissing(upload, foreign ? [last, ...listed.toReversed()] : listed);
        const numbers = (wanted: boolean) =>
          states.flatMap((state, index) => ((state === 'there') === wanted ? [index + 1] : []));
        expect(arrived.map(({ part_number }) => part_number)).toEqual(numbers(true));
        expect(missing.map(({ part_number }) => part_number)).toEqual(numbers(false));
      }),
    );
  });
});

describe('an upload', () => {
  test.each<[number, 'auto' | 'PUT' | 'POST' | 'multipart', PendingUpload['method']]>([
    [10_000_000, 'auto', 'POST'],
    [10_000_001, 'auto', 'multipart'],
    [0, 'auto', 'POST'],
    [0, 'multipart', 'POST'],
    [0, 'PUT', 'PUT'],
    [1, 'multipart', 'multipart'],
    [20_000_000, 'PUT', 'PUT'],
    [20_000_000, 'POST', 'POST'],
  ])('of %i bytes by %s is a %s', (size_bytes, wanted, method) => {
    const upload = planned(size_bytes, wanted);
    expect(upload).toMatchObject({ method, size_bytes, urls_expire_at: '2026-03-01T13:00:00.000Z' });
    expect('part_size_bytes' in upload).toBe(method === 'multipart');
  });

  test('is awaited for as long as its URLs live and the longest upload takes', () => {
    expect(reservedUntil(ctx)).toEqual(new Date('2026-03-01T19:00:00Z'));
  });

  test('is as large as the configuration allows, and no larger', () => {
    const { maxBytes } = ctx.config.objects;
    expect(() => checkSize(ctx, maxBytes)).not.toThrow();
    expect(() => checkSize(ctx, maxBytes + 1)).toThrow(expect.objectContaining({ code: 'artifact:too_large' }));
  });
});
