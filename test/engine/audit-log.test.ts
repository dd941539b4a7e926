import { parse } from 'csv-parse/sync';
import { v7 as uuidv7 } from 'uuid';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { eraseValues } from '../../src/audit/erase.js';
import { CSV_COLUMNS, exportAudit } from '../../src/audit/export.js';
import { type AuditQuery, getAudit, listAudit } from '../../src/audit/list.js';
import type { FullAuditRow } from '../../src/audit/list-rows.js';
import { nanosOf } from '../../src/audit/time.js';
import type { Context } from '../../src/context.js';
import { auditContext, insertRows, type MadeRow, madeRows } from './support/audit-log.js';
import { change, type Engine, openEngine, unavailable } from './support/engine.js';

const DAY_MS = 86_400_000;
const START_MS = Date.parse('2026-01-01T00:00:00Z');

/** What the log should answer, said as plainly as can be. */
function expected(rows: readonly MadeRow[], query: Partial<AuditQuery>): string[] {
  const fits = (row: MadeRow) =>
    (query.from === undefined || nanosOf(row.time) >= nanosOf(query.from)) &&
    (query.to === undefined || nanosOf(row.time) < nanosOf(query.to)) &&
    (['agent_id', 'key_id', 'user', 'action', 'status'] as const).every(
      (name) => query[name] === undefined || row[name] === query[name],
    ) &&
    (query.resource === undefined ||
      row.resource === query.resource ||
      (!query.resource.includes(':') && row.resource.split(':')[0] === query.resource));
  const sign = query.order === 'asc' ? 1 : -1;
  return rows
    .filter(fits)
    .map(({ time, uuid }) => ({ nanos: nanosOf(time), uuid }))
    .sort((a, b) => sign * (a.nanos === b.nanos ? (a.uuid < b.uuid ? -1 : 1) : a.nanos < b.nanos ? -1 : 1))
    .map(({ uuid }) => uuid);
}

const uuidOf = ({ id }: { id: string }): string => id.slice(id.indexOf('_') + 1);

async function allPages(ctx: Context, query: AuditQuery & { limit: number }): Promise<FullAuditRow[]> {
  const rows: FullAuditRow[] = [];
  let cursor: string | undefined;
  do {
    const page = await listAudit(ctx, { ...query, cursor });
    expect(page.rows.length).toBeLessThanOrEqual(query.limit);
    rows.push(...page.rows);
    cursor = page.cursor;
  } while (cursor !== undefined);
  return rows;
}

async function textOf(stream: ReadableStream<Uint8Array>): Promise<string> {
  return new Response(stream as ReadableStream).text();
}

describe.skipIf(unavailable)('the audit log, read', () => {
  let engine: Engine;
  let ctx: Context;
  // A dense minute, a gap of days, and rows spread over a day.
  const rows = [
    ...madeRows(7_000, START_MS, 60_000, 1),
    ...madeRows(1_000, START_MS + 9 * DAY_MS, DAY_MS, 2).map((row) => ({
      ...row,
      uuid: row.uuid.replace('0190', '0191'),
    })),
  ];
  beforeAll(async () => {
    engine = await openEngine();
    await insertRows(engine, rows);
    ctx = auditContext(engine);
  });

  const noon = new Date(START_MS + 9.5 * DAY_MS).toISOString();
  it.each<[string, Partial<AuditQuery>]>([
    ['everything', {}],
    ['everything, oldest first', { order: 'asc' }],
    ['a span that begins and ends on whole seconds', { from: '2026-01-01T00:00:10Z', to: '2026-01-01T00:00:11Z' }],
    ['a span of another zone', { from: '2026-01-01T02:00:30.5+02:00', to: '2026-01-01T02:00:31.25+02:00' }],
    ['an agent', { agent_id: 'a2', order: 'asc' }],
    ['an agent, newest first', { agent_id: 'a2' }],
    ['an agent, an action and a user, from a time', { agent_id: 'a1', action: 'READ', user: 'bob', from: noon }],
    ['an agent in a kind, up to a whole second', { agent_id: 'a3', resource: 'artifact', to: '2026-01-01T00:00:20Z' }],
    ['a key, an action and a status', { key_id: 'k1', action: 'DELETE', status: 'DENIED' }],
    ['a kind', { resource: 'session', from: noon }],
    ['a resource', { resource: 'artifact:r7' }],
    ['a resource, oldest first, from a time', { resource: 'artifact:r7', order: 'asc', from: '2026-01-01T00:00:30Z' }],
    ['a user', { user: 'ana', from: noon }],
    ['nothing', { agent_id: 'nobody' }],
    ['before all', { to: '2025-01-01T00:00:00Z' }],
  ])('finds %s, page by page, as a naive filter does', async (_name, part) => {
    const query = { order: 'desc' as const, ...part };
    const found = await allPages(ctx, { ...query, limit: 333 });
    expect(found.map(uuidOf)).toEqual(expected(rows, query));
  });

  it.each(['asc', 'desc'] as const)(
    'takes few queries to a page of an agent that has done little, %s',
    async (order) => {
      const asked: string[] = [];
      const query: Context['db']['query'] = (name, params) => {
        asked.push(name);
        return engine.db.query(name, params);
      };
      const counting = { ...ctx, db: { engine: engine.db.engine, query } as Context['db'] };
      expect(await listAudit(counting, { order, limit: 50, agent_id: 'nobody' })).toEqual({ rows: [] });
      // Windows that grow without rows, and none of them reads the rows of others.
      expect(asked.length).toBeLessThan(15);
      expect(asked).not.toContain('audit/window');
    },
  );

  it('looks at 10 000 rows for a page at most, and goes on from there', async () => {
    const page = await listAudit(ctx, { order: 'desc', limit: 50, key_id: 'nobody' });
    expect(page).toEqual({ rows: [] });
    const other = await openEngine();
    await insertRows(other, madeRows(12_000, START_MS, 3_600_000, 11));
    const first = await listAudit(auditContext(other), { order: 'desc', limit: 50, key_id: 'nobody' });
    expect(first).toEqual({ rows: [], cursor: expect.any(String) });
  });

  it('finds all rows of an agent that has done more in a second than a window holds', async () => {
    const other = await openEngine();
    const made = ['one', 'two'].flatMap((agent_id, place) =>
      madeRows(2_600, START_MS, 2_000, place + 20).map((row) => ({
        ...row,
        ...{ agent_id, uuid: row.uuid.replace('0190', `019${place}`) },
      })),
    );
    await insertRows(other, made);
    for (const order of ['asc', 'desc'] as const) {
      const query = { order, agent_id: 'two' };
      const found = await allPages(auditContext(other), { ...query, limit: 500 });
      expect(found.map(uuidOf)).toEqual(expected(made, query));
    }
  });

  it('gives each row with its columns', async () => {
    const made = rows.find(({ resource, agent_id }) => resource === 'session:r3' && agent_id === 'a1')!;
    const found = await allPages(ctx, { order: 'desc', resource: 'session:r3', limit: 500 });
    const row = found.find((candidate) => uuidOf(candidate) === made.uuid)!;
    const { action, status, resource, agent_id, key_id } = made;
    expect(row).toMatchObject({ action, status, resource, agent_id, key_id });
    expect(nanosOf(row.timestamp)).toBe(nanosOf(made.time));
  });

  it('is complete and without repeats while writers write', async () => {
    const before = new Set(expected(rows, {}));
    let writing = true;
    let written = 0;
    const writer = (async () => {
      while (writing) {
        await engine.db.transact(change('test/increment', `w${written}`));
        written += 1;
      }
    })();
    const found = (await allPages(ctx, { order: 'desc', limit: 400 })).map(uuidOf);
    writing = false;
    await writer;
    expect(written).toBeGreaterThan(0);
    expect(new Set(found).size).toBe(found.length);
    expect(found.filter((uuid) => before.has(uuid))).toHaveLength(before.size);
    // Taken out again: the other tests know their rows.
    await engine.db.run({
      text: "DELETE audit_log WHERE resource = 'counter' OR string::starts_with(resource, 'counter:')",
      params: {},
    });
  });

  it('shows a bound key the rows of its agent alone', async () => {
    const bound = auditContext(engine, { agent_id: 'a1' });
    const found = await allPages(bound, { order: 'desc', limit: 500 });
    expect(found.map(uuidOf)).toEqual(expected(rows, { agent_id: 'a1' }));
    expect(await listAudit(bound, { order: 'desc', limit: 5, agent_id: 'a2' })).toEqual({ rows: [] });
    const foreign = await listAudit(ctx, { order: 'desc', limit: 1, agent_id: 'a2' });
    await expect(getAudit(bound, foreign.rows[0]!.id)).rejects.toMatchObject({ code: 'audit:not_found' });
    expect((await getAudit(bound, found[0]!.id)).agent_id).toBe('a1');
  });

  it('refuses the cursor of another query', async () => {
    const { cursor } = await listAudit(ctx, { order: 'desc', limit: 5 });
    await expect(listAudit(ctx, { order: 'asc', limit: 5, cursor })).rejects.toMatchObject({ code: 'cursor:invalid' });
  });

  it('comes as NDJSON and CSV, the same rows in the same order', async () => {
    const query = { order: 'asc' as const, from: '2026-01-01T00:00:20Z', to: '2026-01-01T00:00:40Z' };
    const names = expected(rows, query);
    const lines = (await textOf(exportAudit(ctx, query, 'ndjson'))).trim().split('\n');
    expect(lines.map((line) => uuidOf(JSON.parse(line)))).toEqual(names);
    const records: Record<string, string>[] = parse(await textOf(exportAudit(ctx, query, 'csv')), {
      columns: true,
      record_delimiter: '\r\n',
    });
    expect(records.map((record) => uuidOf(record as { id: string }))).toEqual(names);
    expect(Object.keys(records[0]!)).toEqual([...CSV_COLUMNS]);
    expect(records.map(({ resource }) => resource)).toEqual(lines.map((line) => JSON.parse(line).resource));
  });

  it.each<[string, string | undefined, Partial<AuditQuery>]>([
    ['of all agents', undefined, { resource: 'artifact:r7' }],
    ['of an agent', undefined, { resource: 'artifact:r7', agent_id: 'a1' }],
    ['of an agent, by its key', 'a1', { resource: 'artifact:r7' }],
    ['of a kind and an agent', undefined, { resource: 'artifact', agent_id: 'a1' }],
  ])('is exported as it is paged: the rows of a resource, %s', async (_name, agent_id, part) => {
    const query = { order: 'asc' as const, ...part };
    const names = expected(rows, { ...query, agent_id: agent_id ?? part.agent_id });
    expect(names.length).toBeGreaterThan(0);
    const lines = (await textOf(exportAudit(auditContext(engine, { agent_id }), query, 'ndjson'))).trim().split('\n');
    expect(lines.map((line) => uuidOf(JSON.parse(line)))).toEqual(names);
  });

  it('is exported no faster than it is read, and not further than to where the reader leaves', async () => {
    let queries = 0;
    const counting = { ...engine.db, engine: engine.db.engine } as unknown as Context['db'];
    counting.query = (name, params) => {
      queries += 1;
      return engine.db.query(name, params);
    };
    const reader = exportAudit({ ...ctx, db: counting }, { order: 'asc' }, 'ndjson').getReader();
    expect(queries).toBe(0);
    await reader.read();
    const afterOne = queries;
    await new Promise((resolve) => setImmediate(resolve));
    expect(queries).toBe(afterOne);
    await reader.cancel();
    expect(queries).toBe(afterOne);
  });
});

describe.skipIf(unavailable)('CSV', () => {
  it('quotes what must be quoted, and disarms formulas', async () => {
    const engine = await openEngine();
    const nasty = ['=1+1', '+1', '-1', '@x', '\ttab', 'a,"b"\r\nc', "it's", 'plain'];
    for (const user_agent of nasty) {
      const audit = { resource: 'knowledge:x', user_agent };
      await engine.db.transact({ ...change('test/increment', 'x'), audit });
    }
    const text = await textOf(exportAudit(auditContext(engine), { order: 'asc' }, 'csv'));
    const records: Record<string, string>[] = parse(text, { columns: true, record_delimiter: '\r\n' });
    expect(records.map(({ user_agent }) => user_agent)).toEqual([
      "'=1+1",
      "'+1",
      "'-1",
      "'@x",
      "'\ttab",
      'a,"b"\r\nc',
      "it's",
      'plain',
    ]);
    expect(text.endsWith('\r\n')).toBe(true);
  });
});

describe.skipIf(unavailable)('values', () => {
  let engine: Engine;
  let ctx: Context;
  beforeEach(async () => {
    engine = await openEngine();
    ctx = auditContext(engine);
  });

  /** A change of `thing:<id>` from one state to the next. */
  async function write(
    id: string,
    old_digest: string | undefined,
    new_digest: string,
    columns: object,
  ): Promise<string> {
    const params = { old_digest, new_digest, audit_values: [{ salt: new_digest, columns }] };
    const operation = { id: uuidv7(), request_digest: '' };
    const { audit_id } = await engine.db.transact({
      query: 'test/values',
      params,
      operation,
      audit: { resource: `thing:${id}` },
    });
    return audit_id!;
  }

  it('are shown as they were before and after a change, whatever came between', async () => {
    const first = await write('a', undefined, 'd1', { name: 'one' });
    await write('b', undefined, 'x1', { name: 'other' });
    await engine.db.transact({ ...change('test/increment', 'n'), audit: { resource: 'thing:a' } });
    const second = await write('a', 'd1', 'd2', { name: 'two' });
    expect(await getAudit(ctx, first)).toMatchObject({ id: first, resource: 'thing:a', new: { name: 'one' } });
    expect(await getAudit(ctx, first)).not.toHaveProperty('old');
    expect(await getAudit(ctx, second)).toMatchObject({
      old_digest: 'd1',
      new_digest: 'd2',
      old: { name: 'one' },
      new: { name: 'two' },
    });
    await expect(getAudit(ctx, `2026-01-01T00:00:00Z_${uuidv7()}`)).rejects.toMatchObject({ code: 'audit:not_found' });
  });

  it('before a change are not shown to a bound key when they were those of another agent', async () => {
    const write = async (agent_id: string, old_digest: string | undefined, new_digest: string) => {
      const audit_values = [{ salt: new_digest, columns: { of: agent_id } }];
      const { audit_id } = await engine.db.transact({
        query: 'test/values',
        params: { old_digest, new_digest, audit_values },
        operation: { id: uuidv7(), request_digest: '' },
        audit: { resource: 'thing:passed-on', agent_id },
      });
      return audit_id!;
    };
    await write('a1', undefined, 'p1');
    const taken = await write('a2', 'p1', 'p2');
    const kept = await write('a2', 'p2', 'p3');
    const bound = auditContext(engine, { agent_id: 'a2' });
    expect(await getAudit(ctx, taken)).toMatchObject({ old: { of: 'a1' }, new: { of: 'a2' } });
    expect(await getAudit(bound, taken)).not.toHaveProperty('old');
    expect(await getAudit(bound, kept)).toMatchObject({ old: { of: 'a2' }, new: { of: 'a2' } });
  });

  it('are erased with their salts, of one resource; rows and digests stay, and the erasure is a row', async () => {
    const ids: string[] = [];
    for (let n = 0; n < 3; n += 1) ids.push(await write('a', `d${n}`, `d${n + 1}`, { n }));
    const other = await write('b', undefined, 'x', { n: 9 });
    const operation = { id: uuidv7(), request_digest: 'r' };
    const { audit_id, ...erased } = await eraseValues({ ...ctx, operation }, 'thing:a');
    expect(erased).toEqual({ erased: 3, complete: true });
    for (const [n, id] of ids.entries()) {
      const row = await getAudit(ctx, id);
      expect(row).toMatchObject({ old_digest: `d${n}`, new_digest: `d${n + 1}` });
      expect([row.old, row.new]).toEqual([undefined, undefined]);
    }
    expect((await getAudit(ctx, other)).new).toEqual({ n: 9 });
    const left = await engine.db.run({ text: 'SELECT VALUE salt FROM audit_values', params: {} });
    expect(left).toEqual(['x']);
    expect(await getAudit(ctx, audit_id!)).toMatchObject({
      action: 'DELETE',
      resource: 'audit:thing:a',
      key_id: 'tester',
    });
    // Sent again: the same row, and nothing left to do.
    expect(await eraseValues({ ...ctx, operation }, 'thing:a')).toEqual({ audit_id, erased: 0, complete: true });
  });

  it('are erased in batches, however many there are', async () => {
    await insertRows(
      engine,
      madeRows(1_201, START_MS, DAY_MS).map((row) => ({ ...row, resource: 'thing:many', agent_id: 'a1' })),
    );
    const operation = { id: uuidv7(), request_digest: '' };
    const stranger = auditContext(engine, { agent_id: 'a2' });
    expect(await eraseValues({ ...stranger, operation }, 'thing:many')).toMatchObject({ erased: 0, complete: true });
    const own = { id: uuidv7(), request_digest: '' };
    expect(await eraseValues({ ...ctx, operation: own }, 'thing:many')).toMatchObject({
      erased: 1_201,
      complete: true,
    });
    expect(await engine.db.run({ text: 'SELECT VALUE id FROM audit_values', params: {} })).toEqual([]);
  });
});
