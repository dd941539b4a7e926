import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, it } from 'vitest';
import { proveRow } from '../../src/audit/seal/proof.js';
import type { Seal } from '../../src/audit/seal/seal.js';
import { faultOfProof } from '../../src/audit/seal/verify-proof.js';
import type { Database } from '../../src/surreal/database.js';
import { auditContext, insertRows, type MadeRow, madeRows } from './support/audit-log.js';
import { change, type Engine, openEngine, unavailable } from './support/engine.js';
import { idOf, seal, verify } from './support/seals.js';

const HOUR_MS = 3_600_000;
const START = Date.now() - HOUR_MS;

/** So many rows in a span, none of them at its end. */
const rowsOf = (count: number, spanMs = 60_000) => madeRows(count, START, spanMs, 3);
const rowAt = (time: string): MadeRow => ({
  time,
  uuid: randomUUID(),
  action: 'UPDATE',
  status: 'SUCCESS',
  resource: 'knowledge:late',
});
const minutesLater = (minutes: number) => new Date(START + minutes * 60_000).toISOString();

/** A database whose nth call fails: before it is sent, or after it was done. */
function failing(db: Database, nth: number, when: 'before' | 'after'): Database {
  let calls = 0;
  return {
    engine: db.engine,
    run: (statement) => db.run(statement),
    transact: (made) => db.transact(made),
    isReady: () => db.isReady(),
    async query<Result>(name: string, params?: Record<string, unknown>): Promise<Result> {
      calls += 1;
      if (calls === nth && when === 'before') throw new Error('broken');
      const result = await db.query<Result>(name, params);
      if (calls === nth && when === 'after') throw new Error('broken');
      return result;
    },
  };
}

/** A lease that everybody gets. */
function lenient(control: Database): Database {
  return { ...failing(control, 0, 'before'), query: async <Result>() => true as Result };
}

describe.skipIf(unavailable)('sealing', () => {
  let engine: Engine;
  beforeEach(async () => {
    engine = await openEngine();
  });
  const seals = () => engine.db.run<Seal[]>({ text: 'SELECT * OMIT id FROM audit_seals', params: {} });
  const clock = (offset: string) =>
    engine.db.run({ text: `DEFINE FUNCTION OVERWRITE fn::clock() { RETURN time::now() ${offset} }`, params: {} });

  it('has nothing to say about an empty log', async () => {
    expect(await seal(engine)).toEqual({ seals: 0, rows: 0, late_rows: 0 });
    expect(await verify(engine)).toMatchObject({ seals: 0, rows: 0, faults: [], unsealed_rows: 0 });
  });

  it('leaves rows alone that are not settled, and counts them', async () => {
    const { audit_id } = await engine.db.transact(change('test/increment', 'a'));
    expect(await seal(engine)).toMatchObject({ rows: 0 });
    expect(await verify(engine)).toMatchObject({ rows: 0, unsealed_rows: 1, faults: [] });
    const error = proveRow(auditContext(engine), audit_id ?? '');
    await expect(error).rejects.toMatchObject({ code: 'audit:not_sealed' });
  });

  it('seals late what appears late, and marks it', async () => {
    await insertRows(engine, [...rowsOf(1500), rowAt(minutesLater(20))]);
    await seal(engine);
    const late = [rowAt(minutesLater(12)), rowAt(minutesLater(19.5))];
    await insertRows(engine, late);
    expect(await verify(engine)).toMatchObject({ unsealed_rows: 2, faults: [] });
    expect(await seal(engine)).toEqual({ seals: 1, rows: 2, late_rows: 2 });
    expect(await verify(engine)).toMatchObject({ rows: 1503, late_rows: 2, unsealed_rows: 0, faults: [] });
    expect(await verify(engine, { maxRows: 1 })).toMatchObject({ rows: 1503, late_rows: 2, faults: [] });
    expect((await seals()).map((made) => made.late)).toEqual([false, false, true]);
    expect(await seal(engine)).toMatchObject({ seals: 0 });
    // Later rows, and late ones once more.
    await insertRows(engine, [rowAt(minutesLater(21)), rowAt(minutesLater(15))]);
    expect(await seal(engine)).toEqual({ seals: 2, rows: 2, late_rows: 1 });
    expect(await verify(engine)).toMatchObject({ rows: 1505, late_rows: 3, unsealed_rows: 0, faults: [] });
    for (const { time, uuid } of late) {
      const proof = await proveRow(auditContext(engine), `${time}_${uuid}`);
      expect(proof.seals[0]).toMatchObject({ late: true, number: 3 });
      expect(faultOfProof(proof, proof.seals.at(-1)!.hash)).toBeUndefined();
    }
    await engine.db.run({
      text: "UPDATE audit_log SET code = 'x' WHERE resource = 'knowledge:late' AND timestamp = <datetime> $time",
      params: { time: late[0]!.time },
    });
    expect((await verify(engine)).faults).toEqual([{ kind: 'changed', seal: 3, row: idOf(late[0]!) }]);
  });

  it('finds what is late in a log whose last rows are years apart', async () => {
    await insertRows(engine, [rowAt('2001-01-01T00:00:00Z'), rowAt('2025-06-01T00:05:00.5Z')]);
    expect(await seal(engine)).toEqual({ seals: 1, rows: 2, late_rows: 0 });
    await insertRows(engine, [rowAt('2025-06-01T00:00:00Z')]);
    expect(await seal(engine)).toEqual({ seals: 1, rows: 1, late_rows: 1 });
    expect(await verify(engine)).toMatchObject({ rows: 3, late_rows: 1, unsealed_rows: 0, faults: [] });
  });

  it('splits a second with many rows, and proves each of them', async () => {
    const rows = rowsOf(2500, 1).map((row, n) => ({
      ...row,
      time: `2026-01-01T00:00:07${n % 9 ? `.00${n % 10}` : ''}Z`,
    }));
    await insertRows(engine, rows);
    expect(await seal(engine)).toEqual({ seals: 3, rows: 2500, late_rows: 0 });
    expect(await verify(engine)).toMatchObject({ seals: 3, rows: 2500, faults: [] });
    for (const { time, uuid } of [rows[0]!, rows[1]!, rows[1200]!, rows[2499]!]) {
      const proof = await proveRow(auditContext(engine), `${time}_${uuid}`);
      expect(faultOfProof(proof, proof.seals.at(-1)!.hash)).toBeUndefined();
    }
    expect(await seal(engine)).toMatchObject({ seals: 0 });
  });

  it.each(['before', 'after'] as const)('goes on after it was broken off, %s any of its steps', async (when) => {
    await insertRows(engine, rowsOf(2500, 900));
    let broken = 0;
    for (let nth = 1; nth < 200; nth += 1) {
      const run = await seal(engine, failing(engine.db, nth, when)).catch(() => undefined);
      if (run !== undefined) break;
      broken += 1;
    }
    expect(broken).toBeGreaterThan(8);
    expect(await seal(engine)).toMatchObject({ seals: 0 });
    expect(await verify(engine)).toMatchObject({ rows: 2500, late_rows: 0, unsealed_rows: 0, faults: [] });
    expect((await seals()).reduce((sum, made) => sum + made.row_count, 0)).toBe(2500);
  });

  it('makes one chain though four sealers are at it at once', async () => {
    const nodes = await Promise.all([1, 2, 3, 4].map(() => engine.node()));
    await insertRows(engine, rowsOf(5000, 2_000_000));
    const runs = await Promise.all(nodes.map((node) => seal(engine, node, lenient(engine.control))));
    const made = runs.reduce((sum, run) => sum + (run?.seals ?? 0), 0);
    await seal(engine);
    const chain = await seals();
    expect(made).toBeLessThanOrEqual(chain.length);
    expect(chain.reduce((sum, { row_count }) => sum + row_count, 0)).toBe(5000);
    expect(await verify(engine)).toMatchObject({ rows: 5000, unsealed_rows: 0, faults: [] });
  });

  it('seals every row though the clock jumps back 10 s', async () => {
    const write = (id: string) => engine.db.transact(change('test/increment', id));
    await write('a');
    await write('b');
    await clock('+ 30s');
    expect(await seal(engine)).toMatchObject({ rows: 2 });
    await write('ahead');
    await clock('- 10s');
    const ids = [await write('c'), await write('d')].map(({ audit_id }) => audit_id ?? '');
    await seal(engine);
    await clock('+ 60s');
    await write('e');
    await seal(engine);
    await clock('+ 120s');
    await seal(engine);
    expect(await verify(engine)).toMatchObject({ rows: 6, unsealed_rows: 0, faults: [] });
    for (const id of ids) expect((await proveRow(auditContext(engine), id)).row.id).toBe(id);
  });

  it('stops, and says why, when the newest seal is not as it was made', async () => {
    await insertRows(engine, rowsOf(10));
    await seal(engine);
    await engine.db.run({
      text: "UPDATE audit_seals SET sealed_through = '2099-01-01T00:00:00.000Z_x' RETURN NONE",
      params: {},
    });
    await expect(seal(engine)).rejects.toThrow('not as it was made');
    expect((await verify(engine)).faults).toEqual([{ kind: 'seal_changed', seal: 1 }]);
  });
});
