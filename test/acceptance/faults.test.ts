import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, inject, it } from 'vitest';
import {
  everyDocument,
  expectProblem,
  found,
  knowledgeOf,
  rawRequest,
  startBulk,
  withWords,
  wordOf,
} from '../support/knowledge.js';
import { onStack, type Product, startProduct, unavailable } from '../support/product.js';
import { startSurreal, waitFor } from '../support/stack-servers.js';
import { startProxy } from '../support/tcp-proxy.js';

const LINES = 1000;
const STORED_BEFORE_THE_FAULT = 300;
/** Longer than a request may take, so that one that hangs is told apart from one that waits for its deadline. */
const PATIENCE_MS = 10_000;

const products: Product[] = [];
async function start(env: Record<string, string> = {}): Promise<Product> {
  const product = await startProduct(env);
  products.push(product);
  return product;
}

const documents = Array.from({ length: LINES }, (_, n) => ({
  id: `doc-${String(n).padStart(4, '0')}`,
  content: `${wordOf(n)} stands in document ${n}. `.repeat(50),
  metadata: { n },
}));

/** Reads results until the connection ends, however it ends; `onStored` is told of each that was stored. */
async function readResults(bulk: ReturnType<typeof startBulk>, onStored: (count: number) => void) {
  const stored: string[] = [];
  const failed: string[] = [];
  try {
    for await (const { id, status } of bulk.results) {
      if (status === 'stored' && id !== undefined) onStored(stored.push(id));
      else if (id !== undefined) failed.push(id);
    }
  } catch {
    // The connection broke: what was read is all there is.
  }
  return { stored, failed };
}

/** Everything answered `stored` is there, whole and found; the rest can be sent again, and then all is complete. */
async function expectPromiseKept(product: Product, stored: string[]) {
  const api = knowledgeOf(product);
  for (const id of stored) {
    const n = Number(id.slice(4));
    const { status, body } = await api.get(id);
    expect([id, status, body.content, body.revision]).toEqual([id, 200, documents[n]!.content, 1]);
  }
  for (const id of stored.filter((_, index) => index % 10 === 0 || index === stored.length - 1))
    expect(await withWords(product, wordOf(Number(id.slice(4))))).toEqual([id]);
  const again = await product.bulk(documents);
  expect(again.filter(({ status }) => status === 'failed')).toEqual([]);
  const unchanged = new Set(again.filter(({ status }) => status === 'unchanged').map(({ id }) => id));
  expect(stored.filter((id) => !unchanged.has(id))).toEqual([]);
  const rows = await everyDocument(product);
  expect(rows.map(({ id, revision, passage_count }) => [id, revision, passage_count > 1])).toEqual(
    documents.map(({ id }) => [id, 1, true]),
  );
  for (let n = 0; n < LINES; n += 50) expect(await withWords(product, wordOf(n))).toEqual([documents[n]!.id]);
  const nearest = await found(product, { query: documents[7]!.content, mode: 'vector', limit: 1 });
  expect(nearest).toEqual([documents[7]!.id]);
}

describe.skipIf(unavailable)('faults', () => {
  afterEach(async () => {
    for (const product of products.splice(0)) if (product.process.exitCode === null) await product.stop('SIGKILL');
  });

  it('keeps what a bulk load was told is stored when the product is killed -9', async () => {
    const product = await start();
    const bulk = startBulk(product);
    bulk.request.on('error', () => undefined);
    bulk.write(documents);
    const { stored } = await readResults(bulk, (count) => {
      if (count === STORED_BEFORE_THE_FAULT) product.process.kill('SIGKILL');
    });
    await product.exited;
    expect(stored.length).toBeGreaterThanOrEqual(STORED_BEFORE_THE_FAULT);
    expect(stored.length).toBeLessThan(LINES);
    const again = await product.restart();
    products.push(again);
    await expectPromiseKept(again, stored);
  }, 120_000);

  it('answers what is in flight before it goes at SIGTERM', async () => {
    const product = await start();
    const api = knowledgeOf(product);
    const answers = Promise.all(
      Array.from({ length: 12 }, (_, n) =>
        api.post({ id: `last-${n}`, content: `${wordOf(n)} is long. `.repeat(400) }),
      ),
    );
    const slow = rawRequest(product, 'POST', '/v1/knowledge', { 'content-type': 'application/json' });
    slow.request.write('{"id":"slow","content":');
    await once(slow.request, 'socket');
    await waitFor('the first of them', async () => (await api.get('last-0')).status === 200);
    product.process.kill('SIGTERM');
    slow.request.end('"half before, half after"}');
    expect((await answers).map(({ status }) => status)).toEqual(Array(12).fill(201));
    expect((await slow.response).statusCode).toBe(201);
    expect(await product.exited).toBe(0);
    await expect(api.get('last-0')).rejects.toThrow();
    const again = await product.restart();
    products.push(again);
    expect((await everyDocument(again)).map(({ id }) => id)).toHaveLength(13);
    expect(await withWords(again, 'half before')).toEqual(['slow']);
  });

  it('ends at SIGTERM though a client holds its connection open and another sends no end', async () => {
    const product = await start();
    await knowledgeOf(product).list();
    const idle = rawRequest(product, 'POST', '/v1/knowledge/bulk', { 'content-type': 'application/x-ndjson' });
    idle.request.on('error', () => undefined);
    idle.request.write('{"id":"open-1","content":"stored before the end"}\n');
    await waitFor('the line', async () => (await knowledgeOf(product).get('open-1')).status === 200);
    product.process.kill('SIGTERM');
    await waitFor('the exit', async () => product.process.exitCode !== null, 40_000);
    expect(product.process.exitCode).toBe(0);
  });
});

describe.skipIf(unavailable || !onStack)('faults of the database server', () => {
  afterEach(async () => {
    for (const product of products.splice(0)) if (product.process.exitCode === null) await product.stop('SIGKILL');
  });

  it('keeps what was told is stored when the database is killed -9 in a bulk load, and recovers by itself', async () => {
    const bin = inject('surrealBin');
    const server = await startSurreal(bin);
    const product = await start({ SURREALDB_URL: server.url, ACERVO_DATABASE_TIMEOUT_MS: '8000' });
    const api = knowledgeOf(product);
    const bulk = startBulk(product);
    bulk.write(documents);
    bulk.request.end();
    const { stored, failed } = await readResults(bulk, (count) => {
      if (count === STORED_BEFORE_THE_FAULT) server.process.kill('SIGKILL');
    });
    expect(stored.length).toBeGreaterThanOrEqual(STORED_BEFORE_THE_FAULT);
    expect(stored.length + failed.length).toBe(LINES);
    await waitFor('the loss to be seen', async () => (await product.call('GET', '/readyz')).status === 503);
    const away = AbortSignal.timeout(PATIENCE_MS);
    const answers = await Promise.race([
      Promise.all([
        product.call('GET', '/readyz'),
        api.get('doc-0000'),
        api.post({ content: 'while it is away' }),
        api.patch('doc-0000', { metadata: { a: 1 } }),
        api.remove('doc-0000'),
        api.list(),
        api.search({ query: 'document' }),
      ]),
      new Promise<never>((_, reject) => away.addEventListener('abort', () => reject(new Error('a request hangs')))),
    ]);
    for (const answer of answers) {
      expect(expectProblem(answer, 503, 'database:unavailable').retryable).toBe(true);
      expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    }
    expect((await product.call('GET', '/livez')).status).toBe(200);
    const [line] = await product.bulk([{ id: 'away', content: 'x' }]);
    expect(line).toMatchObject({
      line: 1,
      id: 'away',
      status: 'failed',
      error: { code: 'database:unavailable', retryable: true },
    });

    const back = await startSurreal(bin, { port: server.port, directory: server.directory });
    await waitFor('the recovery', async () => (await product.call('GET', '/readyz')).status === 200);
    await expectPromiseKept(product, stored);
    await product.stop();
    await back.stop('SIGKILL');
  }, 180_000);

  it('tells an operator how it is while the database is away', async () => {
    const proxy = await startProxy(Number(new URL(inject('surrealUrl')).port));
    const product = await start({ SURREALDB_URL: `ws://127.0.0.1:${proxy.port}` });
    expect((await product.call('GET', '/health')).body).toMatchObject({ status: 'ok', database: { ready: true } });
    proxy.refuse();
    await waitFor('the loss to be seen', async () => (await product.call('GET', '/readyz')).status === 503);
    // Longer than a node may use what it remembers of a key.
    const until = performance.now() + 5_000;
    const statuses = new Set<number>();
    while (performance.now() < until) {
      const health = await product.call('GET', '/health');
      statuses.add(health.status);
      if (health.status !== 200) break;
      expect(health.body).toMatchObject({ status: 'degraded', database: { ready: false } });
    }
    expect([...statuses]).toEqual([200]);
    expect((await product.call('GET', '/metrics')).text).toContain('acervo_http_requests_total');
    await product.stop();
    await proxy.close();
  });

  it('ends well at SIGTERM while the database is away', async () => {
    const proxy = await startProxy(Number(new URL(inject('surrealUrl')).port));
    const product = await start({ SURREALDB_URL: `ws://127.0.0.1:${proxy.port}` });
    proxy.refuse();
    await waitFor('the loss to be seen', async () => (await product.call('GET', '/readyz')).status === 503);
    product.process.kill('SIGTERM');
    expect([await product.exited, product.output()]).toEqual([0, expect.stringContaining('"msg":"stopped"')]);
    await proxy.close();
  });

  it('answers within its bound when the database is silent', async () => {
    const proxy = await startProxy(Number(new URL(inject('surrealUrl')).port));
    const product = await start({ SURREALDB_URL: `ws://127.0.0.1:${proxy.port}`, ACERVO_DATABASE_TIMEOUT_MS: '2000' });
    const api = knowledgeOf(product);
    await api.post({ id: 'silent', content: 'silent' });
    proxy.hold();
    const patience = AbortSignal.timeout(PATIENCE_MS);
    const hanging = new Promise<never>((_, reject) =>
      patience.addEventListener('abort', () => reject(new Error('a request hangs'))),
    );
    for (const answer of await Promise.race([
      Promise.all([product.call('GET', '/readyz'), api.get('silent'), api.patch('silent', { metadata: { a: 1 } })]),
      hanging,
    ]))
      expectProblem(answer, 503, 'database:unavailable');
    proxy.refuse();
    proxy.restore();
    await waitFor('the recovery', async () => (await product.call('GET', '/readyz')).status === 200);
    expect((await api.get('silent')).body.content).toBe('silent');
    await product.stop();
    await proxy.close();
  });

  it('takes another connection when nobody is at the other end any more', async () => {
    const proxy = await startProxy(Number(new URL(inject('surrealUrl')).port));
    const product = await start({ SURREALDB_URL: `ws://127.0.0.1:${proxy.port}`, ACERVO_DATABASE_TIMEOUT_MS: '2000' });
    const api = knowledgeOf(product);
    await api.post({ id: 'mute', content: 'before' });
    proxy.mute();
    expectProblem(await api.patch('mute', { metadata: { a: 1 } }), 503, 'database:unavailable');
    await waitFor('the recovery', async () => (await product.call('GET', '/readyz')).status === 200);
    expect((await api.get('mute')).body).toMatchObject({ content: 'before', revision: 1 });
    expect((await api.post({ id: 'mute', content: 'after' })).body.revision).toBe(2);
    expect(await withWords(product, 'after')).toEqual(['mute']);
    await product.stop();
    await proxy.close();
  });

  it('comes back when the connection breaks again while it is being made anew', async () => {
    const proxy = await startProxy(Number(new URL(inject('surrealUrl')).port));
    const product = await start({ SURREALDB_URL: `ws://127.0.0.1:${proxy.port}` });
    const api = knowledgeOf(product);
    await api.post({ id: 'anew', content: 'before' });
    proxy.refuse();
    // Only the answer to a session that is attached, and says which database it uses, holds the name.
    const cut = proxy.cutBeforeAnswerHolding(product.env.SURREALDB_DATABASE!);
    proxy.restore();
    await cut;
    // The first connection that comes back may be one that gives up.
    await waitFor('the recovery, for a second', async () => {
      for (let asked = 0; asked < 5; asked += 1) {
        if ((await product.call('GET', '/readyz')).status !== 200) return false;
        await sleep(200);
      }
      return true;
    });
    expect((await api.get('anew')).body).toMatchObject({ content: 'before', revision: 1 });
    expect((await api.post({ id: 'anew', content: 'after' })).body.revision).toBe(2);
    expect(await withWords(product, 'after')).toEqual(['anew']);
    await product.stop();
    await proxy.close();
  });

  it('applies a write once when its answer is lost on the way', async () => {
    const proxy = await startProxy(Number(new URL(inject('surrealUrl')).port));
    const product = await start({ SURREALDB_URL: `ws://127.0.0.1:${proxy.port}` });
    const api = knowledgeOf(product);
    for (let n = 1; n <= 3; n += 1) {
      // Only the answer of a transaction holds an audit id.
      const cut = proxy.cutBeforeAnswerHolding('audit_id');
      const stored = await api.post({ id: 'cut', content: `${wordOf(n)} version` });
      await cut;
      expect([stored.status, stored.body.revision]).toEqual([n === 1 ? 201 : 200, n]);
      expect(await withWords(product, 'version')).toEqual(['cut']);
    }
    await product.stop();
    await proxy.close();
  });

  it('shows at once through one node what was written through another', async () => {
    const one = await start();
    const two = await start({ SURREALDB_DATABASE: one.env.SURREALDB_DATABASE!, ACERVO_ADMIN_KEY: one.key });
    const [first, second] = [knowledgeOf(one), knowledgeOf(two)];
    for (let n = 0; n < 5; n += 1) {
      const { audit_id: after } = (await first.post({ id: 'shared', content: `${wordOf(n)} through one` })).body;
      expect((await second.get('shared')).body).toMatchObject({ content: `${wordOf(n)} through one` });
      const earlier = wordOf(n - 1 + 100 * Number(n === 0));
      expect([await withWords(two, wordOf(n), after), await withWords(two, earlier)]).toEqual([['shared'], []]);
      await second.patch('shared', { metadata: { n } });
      expect((await first.get('shared')).body.metadata).toEqual({ n });
    }
    const patches = Array.from({ length: 8 }, (_, n) =>
      (n % 2 ? first : second).patch('shared', { metadata: { [`k${n}`]: n } }),
    );
    expect((await Promise.all(patches)).map(({ status }) => status)).toEqual(Array(8).fill(200));
    expect(Object.keys((await first.get('shared')).body.metadata).sort()).toEqual([
      'k0',
      'k1',
      'k2',
      'k3',
      'k4',
      'k5',
      'k6',
      'k7',
      'n',
    ]);
    const headers = { 'idempotency-key': 'across' };
    const across = await Promise.all([
      first.post({ content: 'acrossnodes' }, headers),
      second.post({ content: 'acrossnodes' }, headers),
    ]);
    expect(across.map(({ status }) => status)).toEqual([201, 201]);
    expect(across[1]!.body).toEqual(across[0]!.body);
    const page = await first.list({ limit: '1' });
    expect((await second.list({ limit: '1', cursor: page.body.cursor! })).status).toBe(200);
    await second.remove('shared');
    expectProblem(await first.get('shared'), 404, 'knowledge:not_found');
    expect(await withWords(one, wordOf(4))).toEqual([]);
    await Promise.all([one.stop(), two.stop()]);
  });
});
