import { describe, expect, test } from 'vitest';
import { Inlet } from '../../../src/hooks/inlet.js';
import type { Change } from '../../../src/live/change.js';

const change = (n: number, fields: Partial<Change> = {}): Change => ({
  id: `2026-01-02T03:04:05.${String(n).padStart(9, '0')}Z_u`,
  resource: `knowledge:k${n}`,
  kind: 'knowledge',
  action: 'CREATE',
  status: 'SUCCESS',
  revision: 1,
  timestamp: `2026-01-02T03:04:05.${String(n).padStart(9, '0')}Z`,
  columns: { title: 'not told' },
  ...fields,
});
const batch = (changes: Change[], after: string) => ({ changes, before: '', after, end: true });
const inletOf = (wants: (change: Change) => boolean = () => true) =>
  new Inlet(wants, (edge) => ({ edge, rows: 0, mark: 0 }));

describe('an inlet', () => {
  test('gives events in order, thin, with the place up to which they lead', async () => {
    const inlet = inletOf(({ action }) => action !== 'UPDATE');
    inlet.take(batch([change(1), change(2, { action: 'UPDATE' }), change(3, { action: 'DELETE' })], 'a'));
    const given = await inlet.next();
    expect(given?.position.edge).toBe('a');
    expect(given?.events.map(({ id, type, resource }) => [id, type, resource])).toEqual([
      [change(1).id, 'knowledge.created', 'knowledge:k1'],
      [change(3).id, 'knowledge.deleted', 'knowledge:k3'],
    ]);
    const { columns: _not, ...told } = change(1);
    expect(JSON.parse(given?.events[0]?.body ?? '')).toEqual({
      type: 'knowledge.created',
      timestamp: change(1).timestamp,
      data: told,
    });
  });

  test('lets what is of no interest only move the place on', async () => {
    const inlet = inletOf(({ resource }) => resource === 'knowledge:k1');
    inlet.take(batch([change(1)], 'a'));
    inlet.take(batch([change(2)], 'b'));
    inlet.take(batch([], 'c'));
    expect(inlet.waitingSince).toEqual(new Date(change(1).timestamp));
    const given = await inlet.next();
    expect([given?.events.length, given?.position.edge, inlet.waitingSince]).toEqual([1, 'c', undefined]);
    const waiting = inlet.next();
    inlet.take(batch([change(4)], 'd'));
    expect(await waiting).toEqual({ events: [], position: { edge: 'd', rows: 0, mark: 0 } });
  });

  test('leaves the log when too much waits, and gives what it has taken', async () => {
    const inlet = inletOf();
    inlet.take(
      batch(
        Array.from({ length: 600 }, (_, n) => change(n)),
        'a',
      ),
    );
    let room = false;
    const waited = inlet.room().then(() => (room = true));
    inlet.take(
      batch(
        Array.from({ length: 600 }, (_, n) => change(600 + n)),
        'b',
      ),
    );
    expect([inlet.signal.aborted, room]).toEqual([true, false]);
    inlet.take(batch([change(5_000)], 'never'));
    const edges = [await inlet.next(), await inlet.next(), await inlet.next()].map((given) => given?.position.edge);
    expect(edges).toEqual(['a', 'b', undefined]);
    expect(await waited).toBe(true);
  });

  test('tells what the reading failed with, after all that came before', async () => {
    const inlet = inletOf();
    inlet.take(batch([change(1)], 'a'));
    inlet.fail(new Error('away'));
    expect((await inlet.next())?.events).toHaveLength(1);
    await expect(inlet.next()).rejects.toThrow('away');
  });
});
