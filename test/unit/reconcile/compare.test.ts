import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ListedObject } from '../../../src/objects/port.js';
import { compare, compareKeys, type PointerFacts } from '../../../src/reconcile/compare.js';

const STORED_AT = '2026-01-01T00:00:00.000Z';

function object(key: string, more: Partial<ListedObject> = {}): ListedObject {
  return { key, size_bytes: 3, etag: 'e', modified_at: '2025-12-31T23:59:59.000Z', ...more };
}

function pointer(key: string, more: Partial<PointerFacts> = {}): PointerFacts {
  const about = { artifact_id: `id of ${key}`, key, size_bytes: 3, etag: 'e', version_id: 'v', sha256: 's' };
  return { ...about, status: 'stored', checksum: 'verified', stored_at: STORED_AT, ...more };
}

const WHOLE = { after: '', to: undefined };
const keysOf = (rows: { key: string }[]) => rows.map(({ key }) => key);

describe('one key', () => {
  const judged = (row: PointerFacts, listed: ListedObject[]) => {
    const { orphans, doubtful, agreeing } = compare(WHOLE, listed, [row], 10);
    return { orphans: orphans.length, doubtful: doubtful.length, agreeing: agreeing.length };
  };
  const agrees = { orphans: 0, doubtful: 0, agreeing: 1 };
  const doubt = { orphans: 0, doubtful: 1, agreeing: 0 };

  test.each([
    ['the same', object('k'), agrees],
    ['stored at that very moment', object('k', { modified_at: STORED_AT }), agrees],
    ['not listed', undefined, doubt],
    ['of another size', object('k', { size_bytes: 4 }), doubt],
    ['of another etag', object('k', { etag: 'f' }), doubt],
    ['the same bytes, sent once more', object('k', { modified_at: '2026-01-01T00:00:00.001Z' }), doubt],
  ])('stored, and %s', (_, listed, expected) => {
    expect(judged(pointer('k'), listed === undefined ? [] : [listed])).toEqual(expected);
  });

  test.each(['reserved', 'abandoned', 'deleted', 'expired'] as const)('%s: nothing may be listed', (status) => {
    expect(judged(pointer('k', { status }), [])).toEqual(agrees);
    expect(judged(pointer('k', { status }), [object('k')])).toEqual(doubt);
  });

  test('deleting: always in doubt', () => {
    expect(judged(pointer('k', { status: 'deleting' }), [])).toEqual(doubt);
    expect(judged(pointer('k', { status: 'deleting' }), [object('k')])).toEqual(doubt);
  });

  test('an object that no pointer names', () => {
    expect(judged(pointer('k'), [object('k'), object('l')])).toEqual({ ...agrees, orphans: 1 });
  });
});

describe('keys', () => {
  test('are in the order of their UTF-8 bytes', () => {
    const sorted = ['A', 'a', 'a!', 'a/b', 'a0', 'é', '\u{ffff}', '\u{10000}', '\u{1f600}'];
    expect(sorted.toReversed().toSorted(compareKeys)).toEqual(sorted);
    // What JavaScript's own order would say.
    expect('\u{ffff}' < '\u{10000}').toBe(false);
  });
});

/** Keys that are close to each other and differ in what orders take them for. */
const keyArb = fc
  .array(fc.constantFrom('a', 'b', '/', '0', '!', 'é', '\u{ffff}', '\u{1f600}', 'ﬀ'), { minLength: 1, maxLength: 4 })
  .map((parts) => parts.join(''));
const keysArb = fc.uniqueArray(keyArb, { maxLength: 40 });

/** The whole walk over two sorted sides, as src/reconcile/walk.ts goes. */
function walk(objects: ListedObject[], pointers: PointerFacts[], pageObjects: number, limit: number) {
  const found = { orphans: [] as string[], doubtful: [] as string[], agreeing: [] as string[], objects: 0, steps: 0 };
  const sorted = objects.toSorted((a, b) => compareKeys(a.key, b.key));
  let after = '';
  for (let at = 0; at === 0 || at < sorted.length; at += pageObjects) {
    const page = sorted.slice(at, at + pageObjects);
    const to = at + pageObjects < sorted.length ? page.at(-1)?.key : undefined;
    for (let end: string | undefined = after; end !== to; ) {
      const within = pointers
        .filter(({ key }) => compareKeys(key, after) > 0 && (to === undefined || compareKeys(key, to) <= 0))
        .toSorted((a, b) => compareKeys(a.key, b.key))
        .slice(0, limit);
      const compared = compare({ after, to }, page, within.toReversed(), limit);
      found.orphans.push(...keysOf(compared.orphans));
      found.doubtful.push(...keysOf(compared.doubtful));
      found.agreeing.push(...keysOf(compared.agreeing));
      found.objects += compared.objects.length;
      found.steps += 1;
      end = compared.end;
      after = end ?? after;
    }
  }
  return found;
}

test('pages of any size find what a comparison of the whole sets finds, each once', () => {
  fc.assert(
    fc.property(
      keysArb,
      keysArb,
      fc.array(fc.boolean(), { minLength: 40, maxLength: 40 }),
      fc.integer({ min: 1, max: 9 }),
      fc.integer({ min: 1, max: 9 }),
      (listed, named, changed, pageObjects, limit) => {
        const objects = listed.map((key, at) => object(key, changed[at] ? { etag: 'other' } : {}));
        const pointers = named.map((key) => pointer(key));
        const found = walk(objects, pointers, pageObjects, limit);
        const changedKeys = new Set(listed.filter((_, at) => changed[at]));
        const same = named.filter((key) => listed.includes(key) && !changedKeys.has(key));
        expect(found.orphans.toSorted()).toEqual(listed.filter((key) => !named.includes(key)).toSorted());
        expect(found.agreeing.toSorted()).toEqual(same.toSorted());
        expect(found.doubtful.toSorted()).toEqual(named.filter((key) => !same.includes(key)).toSorted());
        expect(found.objects).toBe(objects.length);
      },
    ),
    { numRuns: 300 },
  );
});
