import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, inject, it } from 'vitest';
import { freePort, startSurreal, waitFor } from '../support/stack-servers.js';
import { startProxy } from '../support/tcp-proxy.js';
import { change, onStack, openEngine, TEST_QUERIES, unavailable, VALUES } from './support/engine.js';

const WRITER = fileURLToPath(new URL('./support/writer.mjs', import.meta.url));

interface Writer {
  process: ChildProcess;
  lines: string[];
  exited: Promise<number | null>;
  errors: string;
}

/** Starts a process that writes until it is killed. */
function startWriter(url: string, database: string): Writer {
  const child = spawn(process.execPath, [WRITER, url, database, JSON.stringify(TEST_QUERIES), JSON.stringify(VALUES)]);
  const writer: Writer = { process: child, lines: [], exited: Promise.resolve(null), errors: '' };
  let rest = '';
  child.stdout.on('data', (bytes) => {
    const parts = (rest + String(bytes)).split('\n');
    rest = parts.pop() ?? '';
    writer.lines.push(...parts);
  });
  child.stderr.on('data', (bytes) => {
    writer.errors += String(bytes);
  });
  writer.exited = new Promise((resolve) => child.once('exit', resolve));
  return writer;
}

const acknowledged = (writer: Writer) => writer.lines.filter((line) => line.startsWith('done ')).map((l) => l.slice(5));
const databaseName = () => `t${randomUUID().replaceAll('-', '')}`;

/** All that was acknowledged is there, and nothing is there in part. */
async function expectWhole(engine: Awaited<ReturnType<typeof openEngine>>, acks: string[]) {
  const counters = await engine.db.run<number>({
    text: 'RETURN math::sum((SELECT VALUE n FROM counters))',
    params: {},
  });
  const operations = await engine.db.run<string[]>({ text: 'SELECT VALUE id FROM idempotency', params: {} });
  const rows = await engine.db.query<number>('test/audit-count');
  expect(acks.filter((id) => !operations.includes(id))).toEqual([]);
  expect({ counters, rows }).toEqual({ counters: operations.length, rows: operations.length });
}

describe.skipIf(unavailable)('the spine under faults', () => {
  it('loses no acknowledged write, and tears none, when the process is killed -9', async () => {
    const url = onStack ? inject('surrealUrl') : `rocksdb://${mkdtempSync(join(tmpdir(), 'acervo-kill-'))}`;
    const database = databaseName();
    const writer = startWriter(url, database);
    await waitFor('writes', async () => acknowledged(writer).length > 200);
    writer.process.kill('SIGKILL');
    await writer.exited;
    await expectWhole(await openEngine({ url, database }), acknowledged(writer));
  });

  it.skipIf(!onStack)('loses no acknowledged write when the database server is killed -9', async () => {
    const server = await startSurreal(inject('surrealBin'));
    const database = databaseName();
    const writer = startWriter(server.url, database);
    await waitFor('writes', async () => acknowledged(writer).length > 200);
    await server.stop('SIGKILL');
    writer.process.kill('SIGKILL');
    await writer.exited;
    const again = await startSurreal(inject('surrealBin'), { directory: server.directory, port: server.port });
    await expectWhole(await openEngine({ url: again.url, database }), acknowledged(writer));
    await again.stop('SIGKILL');
  });

  it('lets two processes start together, with the schema applied once', async () => {
    const url = onStack ? inject('surrealUrl') : `rocksdb://${mkdtempSync(join(tmpdir(), 'acervo-two-'))}`;
    const database = databaseName();
    const writers = [startWriter(url, database), startWriter(url, database)];
    if (onStack) {
      await waitFor('both to write', async () => writers.every((writer) => acknowledged(writer).length > 50));
      for (const writer of writers) writer.process.kill('SIGKILL');
      await Promise.all(writers.map((writer) => writer.exited));
      const applied = writers.map((writer) => Number(writer.lines[0]?.split(' ')[1]));
      expect(applied.sort()).toEqual([0, expect.any(Number)]);
      expect(applied[1]).toBeGreaterThan(4);
      await expectWhole(await openEngine({ url, database }), writers.flatMap(acknowledged));
    } else {
      // One directory, one process: the second says so and stops; the first goes on.
      await Promise.race(writers.map((writer) => writer.exited));
      await waitFor('writes', async () => writers.some((writer) => acknowledged(writer).length > 50));
      const refused = writers.filter((writer) => writer.process.exitCode !== null);
      expect(refused).toHaveLength(1);
      expect(refused[0]?.errors).toContain('Another process has it open?');
      for (const writer of writers) writer.process.kill('SIGKILL');
      await Promise.all(writers.map((writer) => writer.exited));
    }
  });

  it.skipIf(!onStack)('applies a change once when the socket is cut between COMMIT and its answer', async () => {
    const proxy = await startProxy(Number(new URL(inject('surrealUrl')).port));
    const database = databaseName();
    const engine = await openEngine({ url: `ws://127.0.0.1:${proxy.port}`, database });
    for (let n = 1; n <= 5; n += 1) {
      const operation = randomUUID();
      // The answer to the transaction holds its audit id; nothing else that is sent here does.
      const cut = proxy.cutBeforeAnswerHolding('audit_id');
      const committed = await engine.db.transact<{ n: number }>(change('test/increment', 'cut', operation));
      await cut;
      expect(committed).toMatchObject({ answer: { n }, replayed: true });
    }
    expect(await engine.db.query('test/counter', { id: 'cut' })).toBe(5);
    expect(await engine.db.query('test/audit-count')).toBe(5);
    await engine.connection.close();
    await proxy.close();
  });

  it.skipIf(!onStack)('reads while the answer to a transaction is awaited', async () => {
    const proxy = await startProxy(Number(new URL(inject('surrealUrl')).port));
    const engine = await openEngine({ url: `ws://127.0.0.1:${proxy.port}` });
    await engine.db.transact(change('test/increment', 'read'));
    const held = proxy.holdAnswersFrom('audit_id');
    const outcome = { committed: false };
    const writing = engine.db.transact<{ n: number }>(change('test/increment', 'read')).finally(() => {
      outcome.committed = true;
    });
    await held;
    expect(await engine.db.query('test/counter', { id: 'read' })).toBe(2);
    expect(outcome.committed).toBe(false);
    proxy.restore();
    expect(await writing).toMatchObject({ answer: { n: 2 } });
    await engine.connection.close();
    await proxy.close();
  });

  it.skipIf(!onStack)('answers 503 at once while the database is away, and goes on by itself afterwards', async () => {
    const proxy = await startProxy(Number(new URL(inject('surrealUrl')).port));
    const engine = await openEngine({ url: `ws://127.0.0.1:${proxy.port}`, timeoutMs: 3_000 });
    await engine.db.transact(change('test/increment', 'away'));
    proxy.refuse();
    await waitFor('the loss to be seen', async () => !(await engine.db.isReady()));
    await expect(engine.db.query('test/counter', { id: 'away' })).rejects.toMatchObject({
      code: 'database:unavailable',
    });
    await expect(engine.db.transact(change('test/increment', 'away'))).rejects.toMatchObject({
      code: 'database:unavailable',
    });
    proxy.restore();
    await waitFor('the connection', () => engine.db.isReady());
    expect((await engine.db.transact<{ n: number }>(change('test/increment', 'away'))).answer.n).toBeGreaterThan(1);
    await engine.connection.close();
    await proxy.close();
  });

  it.skipIf(!onStack)('ends a call whose answer never comes', async () => {
    const proxy = await startProxy(Number(new URL(inject('surrealUrl')).port));
    const engine = await openEngine({ url: `ws://127.0.0.1:${proxy.port}`, timeoutMs: 500 });
    proxy.hold();
    await expect(engine.db.query('test/counter', { id: 'held' })).rejects.toMatchObject({
      code: 'database:unavailable',
    });
    await proxy.close();
  });

  it.skipIf(!onStack)('comes back to a server that was killed and started again', async () => {
    const port = await freePort();
    const server = await startSurreal(inject('surrealBin'), { port });
    const engine = await openEngine({ url: server.url, timeoutMs: 3_000 });
    await engine.db.transact(change('test/increment', 'back'));
    await server.stop('SIGKILL');
    await waitFor('the loss to be seen', async () => !(await engine.db.isReady()));
    const again = await startSurreal(inject('surrealBin'), { port, directory: server.directory });
    await waitFor('the connection', () => engine.db.isReady());
    expect(await engine.db.transact(change('test/increment', 'back'))).toMatchObject({ answer: { n: 2 } });
    await engine.connection.close();
    await again.stop('SIGKILL');
  });
});
