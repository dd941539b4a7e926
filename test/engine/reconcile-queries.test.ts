import { randomInt } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Engine, openEngine, unavailable } from './support/engine.js';

interface Pointer {
  artifact_id: string;
  key: string;
}

/** Keys whose order differs between UTF-16 units, code points and languages. */
const TRICKY = [
  'z',
  'Z',
  'ä',
  'a',
  'a/b',
  'a b',
  'a0',
  'ﬀ',
  '\u{ffff}',
  '\u{1f600}',
  '\u{10ffff}',
  'é',
  'e\u0301',
  'שלום',
  '~',
  '!',
];
const byBytes = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b));

describe.skipIf(unavailable)('queries of reconcile', () => {
  let engine: Engine;
  const put = (bucket: string, key: string, id: string, more: Record<string, unknown> = {}) =>
    engine.db.run({
      text: `
        CREATE ONLY type::record('minio_objects', [$bucket, $key]) SET artifact_id = $id RETURN NONE;
        CREATE ONLY type::record('minio_references', $id) CONTENT object::extend({
          bucket: $bucket, key: $key, name: 'n', metadata: {}, status: 'stored', content_type: 'text/plain',
          size_bytes: 3, checksum: 'verified', version_count: 1, legal_hold: false, created_at: time::now(),
          updated_at: time::now(), revision: 1, state_digest: ''
        }, $more) RETURN NONE`,
      params: { bucket, key, id, more },
    });
  const pointers = (bucket: string, after: string, to?: string, limit = 1000) =>
    engine.db.query<Pointer[]>('reconcile/pointers', { bucket, after, to, limit });

  beforeAll(async () => {
    engine = await openEngine();
  });

  it('walk the keys of a bucket in the order of their bytes, and of no other bucket', async () => {
    const random = Array.from({ length: 60 }, () =>
      Array.from({ length: 1 + randomInt(4) }, () => TRICKY[randomInt(TRICKY.length)]).join(''),
    );
    const keys = [...new Set([...TRICKY, ...random])];
    for (const [at, key] of keys.entries()) await put('middle', key, `m${at}`);
    await put('middl', 'a', 'before');
    await put('middle2', 'a', 'behind');
    const sorted = keys.toSorted(byBytes);
    expect((await pointers('middle', '')).map(({ key }) => key)).toEqual(sorted);
    const walked: string[] = [];
    for (let page = await pointers('middle', '', undefined, 7); page.length > 0; ) {
      walked.push(...page.map(({ key }) => key));
      page = await pointers('middle', walked.at(-1) ?? '', undefined, 7);
    }
    expect(walked).toEqual(sorted);
    expect((await pointers('middle', sorted[3] ?? '', sorted[9])).map(({ key }) => key)).toEqual(sorted.slice(4, 10));
    expect(await pointers('middle', sorted[3] ?? '', sorted[4])).toMatchObject([{ key: sorted[4] }]);
    expect(await pointers('nowhere', '')).toEqual([]);
  });

  it('find what is due, and nothing that is not yet', async () => {
    const now = new Date('2026-01-01T00:00:00Z');
    const due = async (limit: number) => (await engine.db.query<string[]>('artifacts/due', { now, limit })).toSorted();
    expect(await due(5)).toEqual([]);
    for (let at = 0; at < 5; at += 1)
      await put('due', `k${at}`, `due-${at}`, { settle_after: new Date(now.getTime() - 1000 * (5 - at)) });
    await put('due', 'at', 'due-now', { settle_after: now });
    await put('due', 'later', 'due-later', { settle_after: new Date(now.getTime() + 1) });
    expect(await due(10)).toEqual(['due-0', 'due-1', 'due-2', 'due-3', 'due-4', 'due-now']);
    expect(await due(4)).toHaveLength(4);
  });

  it('keep one position, the last run and a bounded number of runs', async () => {
    const state = () => engine.db.query('reconcile/state');
    const runs = () => engine.db.run<string[]>({ text: 'SELECT VALUE id FROM reconcile_runs', params: {} });
    expect(await state()).toBeUndefined();
    expect(await engine.db.query('reconcile/last')).toBeUndefined();
    const position = { pass: 'walk', bucket: 'b', key: 'ключ' };
    await engine.db.query('reconcile/save', { position, report: { n: 1 } });
    expect(await state()).toEqual({ position, report: { n: 1 } });
    for (const id of ['r1', 'r2', 'r3', 'r4', 'r4'])
      await engine.db.query('reconcile/finish', { id, report: { id }, keep: 3 });
    expect(await runs()).toEqual(['r2', 'r3', 'r4']);
    expect(await engine.db.query('reconcile/last')).toEqual({ id: 'r4' });
    expect(await state()).toEqual({});
  });

  it('tell whether somebody holds the lease', async () => {
    const running = () => engine.control.query<boolean>('reconcile/running');
    const lease = { name: 'reconcile', holder: 'me', ttl_ms: 60_000 };
    expect(await running()).toBe(false);
    await engine.control.query('leases/acquire', lease);
    expect(await running()).toBe(true);
    await engine.control.query('leases/acquire', { ...lease, ttl_ms: 0 });
    expect(await running()).toBe(false);
  });
});
