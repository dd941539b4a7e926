import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CursorSigner } from '../../../src/http/cursor.js';
import { GivenRows, idsBehind, readPosition, signPosition, sortableId } from '../../../src/live/position.js';
import type { Database } from '../../../src/surreal/database.js';

const cursors = new CursorSigner({ secret: randomBytes(32), clock: () => new Date(0), ttlSeconds: 60 });

/** An id at so many milliseconds, as the database writes times: zeros at the end are left out. */
function idAt(ms: number): string {
  const time = new Date(ms).toISOString().replace(/\.?0+Z$/, 'Z');
  return `${time}_01a1fe2e-cff1-76f0-add7-${randomBytes(6).toString('hex')}`;
}

/** A log that answers `live/given` as the query does. */
function logOf(ids: string[]): Database {
  const query = async (_name: string, { from, to, to_uuid, limit }: Record<string, string>) =>
    ids
      .toSorted((a, b) => (sortableId(a) < sortableId(b) ? -1 : 1))
      .filter((id) => sortableId(id) >= sortableId(`${from}_`) && sortableId(id) <= sortableId(`${to}_${to_uuid}`))
      .slice(0, Number(limit))
      .map((id) => id.split('_'));
  return { query } as unknown as Database;
}

const times = fc.uniqueArray(fc.integer({ min: 1_000, max: 20_000 }), { minLength: 1, maxLength: 30 });

describe('a position', () => {
  test('survives its cursor', () => {
    const given = new GivenRows('1970-01-01T00:00:01Z', [idAt(1500), idAt(2000)]);
    expect(readPosition(cursors, signPosition(cursors, given.position))).toEqual(given.position);
    const empty = new GivenRows('1970-01-01T00:00:01Z').position;
    expect(readPosition(cursors, signPosition(cursors, empty))).toEqual(empty);
  });

  test('spares what has been given, whatever the order, and whatever came after', async () => {
    await fc.assert(
      fc.asyncProperty(times, fc.integer({ min: 0, max: 15_000 }), async (at, settledMs) => {
        const ids = at.map(idAt);
        const given = new GivenRows('1970-01-01T00:00:00Z', ids);
        given.settle(new Date(settledMs).toISOString());
        const later = [idAt(30_000), idAt(31_000)];
        const behind = await idsBehind(logOf([...ids, ...later]), given.position);
        expect(behind?.every((id) => ids.includes(id))).toBe(true);
        expect(behind?.length).toBe(given.position.rows);
      }),
    );
  });

  test('gives all again when one has come late between them', async () => {
    await fc.assert(
      fc.asyncProperty(times, fc.integer({ min: 1_000, max: 19_999 }), async (at, lateMs) => {
        const ids = [...at.map(idAt), idAt(20_001)];
        const { position } = new GivenRows('1970-01-01T00:00:00Z', ids);
        expect(await idsBehind(logOf([...ids, idAt(lateMs)]), position)).toBeUndefined();
        // One gone and one come is no less seen than one come.
        expect(await idsBehind(logOf([...ids.slice(1), idAt(lateMs)]), position)).toBeUndefined();
      }),
    );
  });
});
