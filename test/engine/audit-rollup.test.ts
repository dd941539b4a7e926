import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { rollUp } from '../../src/audit/rollup.js';
import { type Minute, rollupRows } from '../../src/audit/rollup-rows.js';
import { auditSeries, BUCKETS, GROUPINGS, type SeriesPoint, type SeriesQuery } from '../../src/audit/series.js';
import { nanosOf } from '../../src/audit/time.js';
import type { Context } from '../../src/context.js';
import { SURQL_ROOT } from '../../src/surreal/query-files.js';
import { auditContext, insertRows, type MadeRow, madeRows } from './support/audit-log.js';
import { change, type Engine, openEngine, unavailable } from './support/engine.js';

const START_MS = Date.parse('2026-01-01T00:00:00Z');
const HOUR_MS = 3_600_000;
const SECONDS = { '1m': 60, '5m': 300, '1h': 3600, '1d': 86_400 };
const FROM = '2026-01-01T00:00:00Z';
const TO = '2026-01-02T00:00:00Z';

/** The points that a plain count of the rows makes. */
function naive(rows: readonly MadeRow[], { bucket, by, from, to, ...filter }: SeriesQuery): SeriesPoint[] {
  const kindOf = (row: MadeRow) => row.resource.split(':')[0]!;
  const keyOf = (row: MadeRow): string =>
    ({
      none: '',
      agent: row.agent_id ?? '',
      action: row.action,
      status: row.status,
      resource_kind: kindOf(row),
    })[by];
  const points = new Map<string, { bucket_start: string; key: string; count: number; sizes: number[] }>();
  const length = BigInt(SECONDS[bucket]) * 1_000_000_000n;
  for (const row of rows) {
    const nanos = nanosOf(row.time);
    if (nanos < nanosOf(from) || (to !== undefined && nanos >= nanosOf(to))) continue;
    if (filter.agent_id !== undefined && row.agent_id !== filter.agent_id) continue;
    if (filter.action !== undefined && row.action !== filter.action) continue;
    if (filter.status !== undefined && row.status !== filter.status) continue;
    if (filter.resource_kind !== undefined && kindOf(row) !== filter.resource_kind) continue;
    const bucket_start = new Date(Number(((nanos / length) * length) / 1_000_000n)).toISOString();
    const point = points.get(`${bucket_start} ${keyOf(row)}`) ?? { bucket_start, key: keyOf(row), count: 0, sizes: [] };
    point.count += 1;
    if (row.size_bytes !== undefined) point.sizes.push(row.size_bytes);
    points.set(`${bucket_start} ${keyOf(row)}`, point);
  }
  return [...points.values()]
    .sort((a, b) => (`${a.bucket_start} ${a.key}` < `${b.bucket_start} ${b.key}` ? -1 : 1))
    .map(({ bucket_start, key, count, sizes }) => {
      const sum = sizes.reduce((total, size) => total + size, 0);
      return {
        bucket_start,
        ...(by !== 'none' && { key }),
        count,
        ...(filter.field && { sum }),
        ...(filter.field && sizes.length > 0 && { average: sum / sizes.length }),
      };
    });
}

/** Times are the same whatever their digits. */
const plain = (points: SeriesPoint[]) =>
  points.map((point) => ({ ...point, bucket_start: new Date(point.bucket_start).toISOString() }));

describe.skipIf(unavailable)('series of the audit log', () => {
  let engine: Engine;
  let ctx: Context;
  beforeEach(async () => {
    engine = await openEngine();
    ctx = auditContext(engine);
  });
  const roll = (fineSeriesDays = 3_650) => rollUp(engine, { holder: randomUUID(), fineSeriesDays });
  const run = <Result>(text: string) => engine.db.run<Result>({ text, params: {} });

  it('are what a plain count says: from rows, from rollups, and from both', async () => {
    const early = madeRows(1_000, START_MS, 18 * HOUR_MS, 3);
    const lateOnes = madeRows(600, START_MS + 17.3 * HOUR_MS, 6 * HOUR_MS, 4).map((row) => ({
      ...row,
      uuid: row.uuid.replace('0190', '0191'),
    }));
    // The newest row stays unsettled until there is a newer one, so the mark ends in the midst of a minute.
    const rows = [...early, ...lateOnes].sort((a, b) => (nanosOf(a.time) < nanosOf(b.time) ? -1 : 1));
    const first = rows.slice(0, 1_200);
    const rest = rows.slice(1_200);
    await insertRows(engine, first);
    const check = async (known: readonly MadeRow[], source: string) => {
      for (const bucket of BUCKETS)
        for (const by of GROUPINGS) {
          const query: SeriesQuery = { bucket, by, from: FROM, to: TO, field: 'size_bytes' };
          const series = await auditSeries(ctx, query);
          expect([bucket, by, series.source]).toEqual([bucket, by, source]);
          expect(plain(series.points)).toEqual(naive(known, query));
          if (source === 'rollup')
            expect(plain((await auditSeries(ctx, query, true)).points)).toEqual(naive(known, query));
        }
    };
    await check(first, 'raw');
    expect(await roll()).toBe(1_199);
    await insertRows(engine, rest);
    await check(rows, 'both');
    expect(await roll()).toBe(400);
    expect(await roll()).toBe(0);
    await check(rows, 'both');
    await engine.db.transact(change('test/increment', 'newer'));
    await roll();
    await check(rows, 'rollup');
  });

  it('take filters, and a span that they widen to whole buckets', async () => {
    const rows = madeRows(1_000, START_MS, 24 * HOUR_MS, 5);
    await insertRows(engine, rows);
    await roll();
    for (const filter of [
      { agent_id: 'a1' },
      { status: 'DENIED' },
      { action: 'DELETE', status: 'DENIED' },
      { resource_kind: 'artifact', field: 'size_bytes' as const },
    ])
      for (const by of ['none', 'status'] as const)
        for (const bucket of BUCKETS) {
          const query = { bucket, by, from: FROM, to: TO, ...filter };
          expect(plain((await auditSeries(ctx, query)).points)).toEqual(naive(rows, query));
        }
    const within = { from: '2026-01-01T03:20:00Z', to: '2026-01-01T05:10:00Z' };
    const series = await auditSeries(ctx, { bucket: '1h', by: 'none', ...within });
    expect([series.from, series.to]).toEqual(['2026-01-01T03:00:00.000000000Z', '2026-01-01T06:00:00.000000000Z']);
    const whole = { bucket: '1h' as const, by: 'none' as const, from: series.from, to: series.to };
    expect(plain(series.points)).toEqual(naive(rows, whole));
    await expect(
      auditSeries(ctx, { bucket: '1m', by: 'none', from: FROM, to: '2026-02-01T00:00:00Z' }),
    ).rejects.toThrow(expect.objectContaining({ code: 'request:invalid' }));
    await expect(auditSeries(ctx, { bucket: '1m', by: 'none', from: TO, to: FROM })).rejects.toThrow(
      expect.objectContaining({ code: 'request:invalid' }),
    );
  });

  it('of a bound key count its agent alone', async () => {
    const rows = madeRows(500, START_MS, HOUR_MS, 6);
    await insertRows(engine, rows);
    await roll();
    const bound = auditContext(engine, { agent_id: 'a2' });
    const query = { bucket: '1h' as const, by: 'agent' as const, from: FROM, to: TO };
    expect(plain((await auditSeries(bound, query)).points)).toEqual(naive(rows, { ...query, agent_id: 'a2' }));
    expect((await auditSeries(bound, { ...query, agent_id: 'a1' })).points).toEqual([]);
  });

  it('stay right when the rows that they were made of are gone', async () => {
    const rows = madeRows(1_000, START_MS, 20 * HOUR_MS, 7);
    await insertRows(engine, rows);
    await engine.db.transact(change('test/increment', 'newer'));
    await roll();
    await engine.db.run({
      text: "DELETE audit_log WHERE timestamp < d'2026-01-01T15:00:00Z'; DELETE audit_values",
      params: {},
    });
    await roll();
    const query = { bucket: '1h' as const, by: 'action' as const, from: FROM, to: TO, field: 'size_bytes' as const };
    expect(plain((await auditSeries(ctx, query)).points)).toEqual(naive(rows, query));
  });

  it('miss no row that commits late, and count none twice', async () => {
    const late = engine.db.query('test/late-commit', { resource: 'counter:late' });
    const query = { bucket: '1h' as const, by: 'none' as const, from: new Date(Date.now() - HOUR_MS).toISOString() };
    const total = async () => (await auditSeries(ctx, query)).points.reduce((sum, { count }) => sum + count, 0);
    for (let n = 0; n < 5; n += 1) await engine.db.transact(change('test/increment', `n${n}`));
    await roll();
    await late;
    await roll();
    expect(await total()).toBe(6);
    // As if 20 s had passed: all but the newest row are settled now.
    const ahead = 'DEFINE FUNCTION OVERWRITE fn::clock() { RETURN time::now() + 20s }';
    await engine.db.run({ text: ahead, params: {} });
    expect(await roll()).toBe(5);
    expect(await roll()).toBe(0);
    expect(await total()).toBe(6);
    await engine.db.transact(change('test/increment', 'last'));
    expect(await roll()).toBe(1);
    expect(await total()).toBe(7);
  });

  it('are of one moment while several nodes roll up and others write', async () => {
    const rows = madeRows(1_500, START_MS, 24 * HOUR_MS, 8);
    await insertRows(engine, rows);
    const query = { bucket: '1d' as const, by: 'none' as const, from: FROM, to: TO };
    let rolling = true;
    const nodes = [roll(), roll(), roll()];
    void Promise.all(nodes).then(() => {
      rolling = false;
    });
    const counts = new Set<number>();
    while (rolling) counts.add((await auditSeries(ctx, query)).points[0]!.count);
    counts.add((await auditSeries(ctx, query)).points[0]!.count);
    expect([...counts]).toEqual([1_500]);
    const done = (await Promise.all(nodes)).filter((counted) => counted !== undefined);
    expect(done.reduce((sum, counted) => sum + counted, 0)).toBe(1_499);
  });

  it('are counted once when two nodes believe that they hold the lease', async () => {
    await insertRows(engine, madeRows(1_000, START_MS, HOUR_MS, 9));
    const window = { from: '2026-01-01T00:00:00Z', to: '2026-01-01T02:00:00Z' };
    const batches = [rollupRows(await engine.db.query<Minute[]>('audit/count-minutes', window))];
    const write = () => engine.db.query('audit/roll-up', { ...window, batches });
    const outcomes = await Promise.allSettled([1, 2, 3].map(write));
    const counted = outcomes.filter((outcome) => outcome.status === 'fulfilled' && outcome.value === true);
    expect(counted).toHaveLength(1);
    const query = { bucket: '1h' as const, by: 'none' as const, ...window };
    expect((await auditSeries(ctx, query)).points.map(({ count }) => count)).toEqual([1_000]);
  });

  it('by one column read a row for each bucket and value, however the other columns differ', async () => {
    await insertRows(engine, madeRows(3_000, START_MS, HOUR_MS, 10));
    await roll();
    const sizeOf = (rollup: string) =>
      run<number>(`RETURN array::len((SELECT VALUE id FROM audit_rollups:['${rollup}', NONE]..['${rollup}', ..]))`);
    expect(await sizeOf('5m')).toBeGreaterThan(1_000);
    // Three agents and rows without one; three kinds; twelve times five minutes in the hour.
    expect(await sizeOf('5m/agent')).toBe(12 * 4);
    expect(await sizeOf('5m/resource_kind')).toBe(12 * 3);
    expect(await sizeOf('5m/none')).toBe(12);
    expect(await sizeOf('1h/none')).toBe(1);
  });

  it('finer than an hour are kept for so many days, and then refused; by the hour they stay as they were', async () => {
    const rows = madeRows(300, START_MS, 24 * HOUR_MS, 12);
    await insertRows(engine, rows);
    await engine.db.transact(change('test/increment', 'newer'));
    await roll();
    const query = { bucket: '5m' as const, by: 'agent' as const, from: FROM, to: TO };
    expect(plain((await auditSeries(ctx, query)).points)).toEqual(naive(rows, query));
    // The newest row is of today, so that all of these are older than a day.
    await run("DELETE audit_log WHERE timestamp < d'2026-01-10T00:00:00Z'; DELETE audit_values");
    await roll(1);
    for (const bucket of ['1m', '5m'] as const)
      await expect(auditSeries(ctx, { ...query, bucket })).rejects.toMatchObject({
        code: 'request:invalid',
        faults: [{ path: 'query.from', message: expect.stringMatching(/1h or 1d/) }],
      });
    const fine = ['1m', '1m/status', '5m', '5m/agent', '5m/none'].map(
      (name) => `audit_rollups:['${name}', NONE]..['${name}', ..]`,
    );
    for (const range of fine)
      expect(await run(`SELECT VALUE start FROM ${range} WHERE start < time::now() - 25h`)).toEqual([]);
    for (const bucket of ['1h', '1d'] as const) {
      const coarse = { ...query, bucket };
      expect(plain((await auditSeries(ctx, coarse)).points)).toEqual(naive(rows, coarse));
    }
    const recent = new Date(Date.now() - 2 * HOUR_MS).toISOString();
    const lately = await auditSeries(ctx, { bucket: '1m', by: 'none', from: recent });
    expect(lately.points.map(({ count }) => count)).toEqual([1]);
  });

  it('finer than an hour are not refused where nothing has been dropped', async () => {
    await engine.db.transact(change('test/increment', 'first'));
    await roll(1);
    const from = new Date(Date.now() - 50 * HOUR_MS).toISOString();
    expect((await auditSeries(ctx, { bucket: '1m', by: 'none', from })).points).toHaveLength(1);
  });

  it('get the rollups of one column by a migration, from what had been counted before there were any', async () => {
    await insertRows(engine, madeRows(600, START_MS, 5 * HOUR_MS, 13));
    await roll();
    const all = () => run('SELECT * FROM audit_rollups ORDER BY id');
    const before = await all();
    await run("DELETE audit_rollups WHERE record::id(id)[0] NOT IN ['1m', '1h']");
    expect(await all()).not.toEqual(before);
    const text = readFileSync(join(SURQL_ROOT, 'migrations', '0002-audit-rollups-of-one-column.surql'), 'utf8');
    await run(`BEGIN; ${text} COMMIT;`);
    expect(await all()).toEqual(before);
  });
});
