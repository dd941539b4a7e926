import { randomUUID } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { AuditReader } from '../../src/audit/reader.js';
import type { CommittedChange } from '../../src/surreal/session-database.js';
import { change, type Engine, openEngine, unavailable } from './support/engine.js';

describe.skipIf(unavailable)('transact', () => {
  let engine: Engine;
  const seen = { conflicts: 0, changes: [] as (CommittedChange | undefined)[] };
  beforeAll(async () => {
    const changed = async (committed: CommittedChange | undefined) => {
      seen.changes.push(committed);
    };
    engine = await openEngine({ events: { conflict: () => (seen.conflicts += 1), changed } });
  });
  const auditRows = () => engine.db.query<number>('test/audit-count');

  it('commits data, answer and one audit row together', async () => {
    const before = await auditRows();
    const committed = await engine.db.transact<{ n: number }>(change('test/increment', 'one'));
    expect(committed.answer).toEqual({ n: 1 });
    expect(committed.replayed).toBe(false);
    expect(committed.audit_id).toMatch(/^\d{4}-.*Z_[0-9a-f-]{36}$/);
    expect(await engine.db.query('test/counter', { id: 'one' })).toBe(1);
    expect(await auditRows()).toBe(before + 1);
  });

  it('tells of every row that it has written, and of what each is about', async () => {
    seen.changes = [];
    const { audit_id } = await engine.db.transact(change('test/several', 'x'));
    expect(seen.changes).toHaveLength(1);
    const { resources, audit_ids } = seen.changes[0]!;
    expect([resources, audit_ids.at(-1)]).toEqual([['a', 'b', 'c'], audit_id]);
    const rows = await new AuditReader(engine.db).poll();
    const written = rows.filter(({ resource }) => resources.includes(resource));
    expect(written.map(({ id, resource }) => [id, resource])).toEqual(audit_ids.map((id, at) => [id, resources[at]]));
  });

  it('applies an operation once, however often it is sent', async () => {
    const before = await auditRows();
    const operation = randomUUID();
    const first = await engine.db.transact(change('test/increment', 'once', operation, 'd1'));
    const again = await engine.db.transact(change('test/increment', 'once', operation, 'd1'));
    expect(again).toEqual({ ...first, replayed: true });
    expect(await engine.db.query('test/counter', { id: 'once' })).toBe(1);
    expect(await auditRows()).toBe(before + 1);
  });

  it('applies an operation once when it is sent eight times at the same moment', async () => {
    const operation = randomUUID();
    const all = await Promise.all(
      Array.from({ length: 8 }, () => engine.db.transact<{ n: number }>(change('test/increment', 'burst', operation))),
    );
    expect(all.map((committed) => committed.answer.n)).toEqual(Array(8).fill(1));
    expect(all.filter((committed) => !committed.replayed)).toHaveLength(1);
    expect(await engine.db.query('test/counter', { id: 'burst' })).toBe(1);
  });

  it('refuses an operation id that comes with another request', async () => {
    const operation = randomUUID();
    await engine.db.transact(change('test/increment', 'reused', operation, 'd1'));
    await expect(engine.db.transact(change('test/increment', 'reused', operation, 'd2'))).rejects.toMatchObject({
      code: 'idempotency:key_reused',
    });
    expect(await engine.db.query('test/counter', { id: 'reused' })).toBe(1);
  });

  it('tells the cause of a refusal from its echoes, and leaves nothing behind', async () => {
    const before = await auditRows();
    const operation = randomUUID();
    await expect(engine.db.transact(change('test/refuse', 'refused', operation))).rejects.toMatchObject({
      code: 'knowledge:not_found',
    });
    expect(await engine.db.query('test/counter', { id: 'refused' })).toBeUndefined();
    expect(await auditRows()).toBe(before);
    expect(await engine.db.query('idempotency/get', { op: operation })).toBeUndefined();
  });

  it('writes no audit row when nothing changed, and still remembers the answer', async () => {
    const before = await auditRows();
    const operation = randomUUID();
    const first = await engine.db.transact(change('test/nothing', 'x', operation));
    expect(first).toEqual({ answer: { same: true }, audit_id: undefined, replayed: false });
    expect(await engine.db.transact(change('test/nothing', 'x', operation))).toMatchObject({
      answer: { same: true },
      replayed: true,
    });
    expect(await auditRows()).toBe(before);
  });

  it('loses no update of eight writers of one record', async () => {
    const nodes = await Promise.all(Array.from({ length: 8 }, () => engine.node()));
    const rounds = 25;
    const before = await auditRows();
    await Promise.all(
      nodes.map(async (node) => {
        for (let i = 0; i < rounds; i += 1) await node.transact(change('test/increment', 'shared'));
      }),
    );
    expect(await engine.db.query('test/counter', { id: 'shared' })).toBe(8 * rounds);
    expect(await auditRows()).toBe(before + 8 * rounds);
    expect(seen.conflicts).toBeGreaterThan(0);
  });

  it('gives audit ids that rise though the clock jumps back by 10 s', async () => {
    const first = await engine.db.transact(change('test/increment', 'clock'));
    await engine.db.query('test/clock-offset');
    const second = await engine.db.transact(change('test/increment', 'clock'));
    await engine.db.query('test/clock-true');
    const third = await engine.db.transact(change('test/increment', 'clock'));
    const ids = [first, second, third].map((committed) => committed.audit_id ?? '');
    const rising = await engine.db.run<boolean>({
      text: 'RETURN <datetime>$a < <datetime>$b AND <datetime>$b < <datetime>$c',
      params: Object.fromEntries(['a', 'b', 'c'].map((name, i) => [name, ids[i]?.split('_')[0]])),
    });
    expect(rising).toBe(true);
  });
});
