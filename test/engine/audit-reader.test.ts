import { beforeEach, describe, expect, it } from 'vitest';
import { AuditReader, type AuditRow, BEGINNING, settledCursor } from '../../src/audit/reader.js';
import { nanosOf } from '../../src/audit/time.js';
import { change, type Engine, openEngine, unavailable } from './support/engine.js';

async function drain(reader: AuditReader): Promise<AuditRow[]> {
  const all: AuditRow[] = [];
  for (;;) {
    const rows = await reader.poll();
    if (rows.length === 0) return all;
    all.push(...rows);
  }
}

describe.skipIf(unavailable)('the reader of the audit log', () => {
  let engine: Engine;
  beforeEach(async () => {
    engine = await openEngine();
  });
  const write = (id: string) => engine.db.transact(change('test/increment', id));
  const resources = (rows: AuditRow[]) => rows.map((row) => row.resource);

  it.each(['12:00:00Z', '12:00:00.5Z', '12:00:00.500Z', '12:00:00.500001Z', '12:00:00.500001001Z'])(
    'skips nothing after %s, though keys hold times as text',
    async (from) => {
      const times = ['12:00:00Z', '12:00:00.5Z', '12:00:00.500001Z', '12:00:00.500001001Z', '12:00:00.6Z', '12:00:01Z'];
      await engine.db.run({
        text: `FOR $time IN $times { CREATE audit_log:[<datetime> $time, rand::uuid::v7()] SET
          timestamp = <datetime> $time, action = 'CREATE', status = 'SUCCESS', resource = $time RETURN NONE }`,
        params: { times: times.map((time) => `2026-01-01T${time}`) },
      });
      const given = resources(await drain(new AuditReader(engine.db, `2026-01-01T${from}`)));
      const nanos = nanosOf(`2026-01-01T${from}`);
      const due = times.map((time) => `2026-01-01T${time}`).filter((time) => nanosOf(time) >= nanos);
      expect(given.toSorted()).toEqual(due.toSorted());
    },
  );

  it('gives every row once, in order, with its content', async () => {
    const committed = [];
    for (const id of ['a', 'b', 'a']) committed.push(await write(id));
    const reader = new AuditReader(engine.db);
    const rows = await drain(reader);
    expect(rows.map((row) => row.id)).toEqual(committed.map((c) => c.audit_id));
    expect(resources(rows)).toEqual(['counter:a', 'counter:b', 'counter:a']);
    expect(rows.map((row) => row.revision)).toEqual([1, 1, 2]);
    expect(await drain(reader)).toEqual([]);
    await write('c');
    expect(resources(await drain(reader))).toEqual(['counter:c']);
  });

  it('reads more rows than a page holds', async () => {
    await engine.db.run({
      text: `FOR $i IN 0..2500 { CREATE audit_log:[time::now(), rand::uuid::v7()] SET timestamp = time::now(),
        action = 'CREATE', status = 'SUCCESS', resource = 'n:' + <string>$i RETURN NONE }`,
      params: {},
    });
    const reader = new AuditReader(engine.db);
    const rows = await drain(reader);
    expect(new Set(resources(rows)).size).toBe(2500);
    expect(rows).toHaveLength(2500);
    expect(await drain(reader)).toEqual([]);
  });

  it('sees a commit that comes late, after rows with newer ids were given out', async () => {
    const reader = new AuditReader(engine.db);
    const late = engine.db.query('test/late-commit', { resource: 'counter:late' });
    const early: AuditRow[] = [];
    while (early.length < 20) {
      await write(`early${early.length}`);
      early.push(...(await drain(reader)));
    }
    expect(resources(early)).not.toContain('counter:late');
    await late;
    const rows = await drain(reader);
    expect(resources(rows)).toEqual(['counter:late']);
    expect((rows[0]?.id ?? '') < (early.at(-1)?.id ?? '')).toBe(true);
  });

  it('resumes by cursor without losing the late commit', async () => {
    const late = engine.db.query('test/late-commit', { resource: 'counter:late' });
    for (let i = 0; i < 5; i += 1) await write(`e${i}`);
    const first = new AuditReader(engine.db);
    const before = await drain(first);
    const second = new AuditReader(engine.db, first.cursor);
    await late;
    const after = await drain(second);
    expect(resources(after)).toContain('counter:late');
    expect(new Set([...resources(before), ...resources(after)]).size).toBe(6);
  });

  it('skips nothing when the clock jumps back 10 s, nor when it ran ahead before', async () => {
    const reader = new AuditReader(engine.db);
    const got: string[] = [];
    const step = async (id: string) => {
      await write(id);
      got.push(...resources(await drain(reader)));
    };
    await step('now');
    await engine.db.query('test/clock-offset');
    await step('back');
    await engine.db.query('test/clock-ahead');
    got.push(...resources(await drain(reader)));
    await engine.db.query('test/clock-true');
    await step('again');
    expect(got).toEqual(['counter:now', 'counter:back', 'counter:again']);
  });

  it('hands out a cursor that never stands behind an unseen row', async () => {
    expect(await settledCursor(engine.db)).toBe(BEGINNING);
    await write('a');
    const cursor = await settledCursor(engine.db);
    await write('b');
    expect(resources(await drain(new AuditReader(engine.db, cursor)))).toEqual(['counter:a', 'counter:b']);
  });

  it('gives every row of four nodes that write at once', async () => {
    const nodes = await Promise.all(Array.from({ length: 4 }, () => engine.node()));
    const reader = new AuditReader(engine.db);
    const rows: AuditRow[] = [];
    let writing = true;
    const reading = (async () => {
      while (writing) rows.push(...(await reader.poll()));
      rows.push(...(await drain(reader)));
    })();
    await Promise.all(
      nodes.map(async (node, n) => {
        for (let i = 0; i < 40; i += 1) await node.transact(change('test/increment', `n${n}-${i}`));
      }),
    );
    writing = false;
    await reading;
    expect(rows).toHaveLength(160);
    expect(new Set(resources(rows)).size).toBe(160);
  });
});
