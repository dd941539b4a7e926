import { afterEach, describe, expect, inject, it } from 'vitest';
import { knowledgeOf, withWords, wordOf } from '../support/knowledge.js';
import { isCold, onStack, type Product, spawnProduct, startProduct, unavailable, warmed } from '../support/product.js';
import { everyHit, idsOf, load, search, seededRandom, sortedIds, unitVector } from '../support/search.js';
import { waitFor } from '../support/stack-servers.js';
import { startProxy } from '../support/tcp-proxy.js';
import {
  fromDatabase,
  fromMemory,
  logged,
  loggedOnce,
  reportOf,
  restored,
  settled,
  snapshotNames,
} from '../support/warm-index.js';

const DIMENSIONS = 16;
const CALLER = { ACERVO_EMBEDDER: 'caller', ACERVO_EMBEDDING_DIMENSIONS: String(DIMENSIONS) };
const vectorOf = (seed: number) => unitVector(seededRandom(seed), DIMENSIONS);
const BEGINS_ANEW = 'the warm index begins anew';
/** Longer than a row of the audit log may still be read late. */
const AWAY_SECONDS = 17;

const documents = Array.from({ length: 120 }, (_, n) => ({
  id: `d${String(n).padStart(3, '0')}`,
  content: `${wordOf(n)} estuary`,
  vector: vectorOf(n),
  metadata: { n },
}));

const products: Product[] = [];
const known = (product: Product): Product => {
  products.push(product);
  return product;
};
const start = async (env: Record<string, string> = {}) => known(await startProduct({ ...CALLER, ...env }));

/** A product that holds the documents, warm. */
async function loaded(env: Record<string, string> = {}): Promise<Product> {
  const product = await start(env);
  await warmed(product);
  await load(product, documents);
  return product;
}

/** Every document by words, some by meaning and by filter; from wherever the answers come. */
async function expectRight(product: Product, expected: { id: string; content: string }[] = documents) {
  const all = await everyHit(product, { query: 'estuary', mode: 'text', limit: 100 });
  expect(sortedIds(all)).toEqual(sortedIds(expected));
  for (const { id, content } of expected.slice(-3))
    expect(await withWords(product, content.split(' ')[0]!)).toEqual([id]);
  const near = await search(product, { vector: vectorOf(7), limit: 1 });
  expect(idsOf(near.hits)).toEqual(['d007']);
  const some = await search(product, { query: 'estuary', mode: 'text', filter: { 'metadata.n': { $lt: 3 } } });
  expect(sortedIds(some.hits)).toEqual(['d000', 'd001', 'd002']);
}

/** The same, and from memory. */
async function expectWarm(product: Product, expected: { id: string; content: string }[] = documents) {
  await warmed(product);
  await fromMemory(product, { query: 'estuary', mode: 'text' });
  await expectRight(product, expected);
}

/** The report, once it counts so many vectors: it is made every few seconds. */
async function weighed(product: Product, vectors: number) {
  await waitFor('it to be weighed', async () => (await reportOf(product)).vectors === vectors, 20_000);
  return reportOf(product);
}

const restarts = async (product: Product) => {
  const { text } = await product.call('GET', '/metrics');
  return Number(/^acervo_warm_index_restarts_total (\d+)/m.exec(text)?.[1]);
};

/** Runs a statement in the product's own database, behind its back. */
async function behindItsBack({ env }: Product, statement: string): Promise<void> {
  const answer = await fetch(`${env.SURREALDB_URL!.replace('ws', 'http')}/sql`, {
    method: 'POST',
    body: statement,
    headers: {
      accept: 'application/json',
      authorization: `Basic ${btoa('root:root')}`,
      'surreal-ns': env.SURREALDB_NAMESPACE!,
      'surreal-db': env.SURREALDB_DATABASE!,
    },
  });
  expect(await answer.json()).toEqual([expect.objectContaining({ status: 'OK' })]);
}

describe.skipIf(unavailable || isCold)('faults of the warm index', () => {
  afterEach(async () => {
    for (const { process, stop } of products.splice(0))
      if (process.exitCode === null && process.signalCode === null) await stop('SIGKILL');
  });

  it('kill -9 between commit and apply: what was committed is found', async () => {
    const first = await loaded();
    await first.stop('SIGKILL');
    const cut = known(await first.restart({ ACERVO_FAULT_POINT: 'warm-index:before_apply' }));
    await warmed(cut);
    await expect(knowledgeOf(cut).post({ id: 'd120', content: `${wordOf(120)} estuary` })).rejects.toThrow();
    await cut.exited;
    expect(cut.process.signalCode).toBe('SIGKILL');
    const again = known(await cut.restart({ ACERVO_FAULT_POINT: '' }));
    await expectWarm(again, [...documents, { id: 'd120', content: `${wordOf(120)} estuary` }]);
  });

  // Waits three times for the log to settle, which takes 15 s: in one of the rings only.
  it.runIf(onStack)(
    'kill -9 while it is first built, and while a snapshot is written: the next start makes it right',
    async () => {
      const first = await loaded();
      await first.stop('SIGKILL');
      const building = spawnProduct({ ...first.env, ACERVO_FAULT_POINT: 'warm-index:building' });
      await building.exited;
      expect(building.child.signalCode).toBe('SIGKILL');

      let product = known(await first.restart());
      await expectWarm(product);
      let expected: { id: string; content: string }[] = documents;
      for (const [n, [point, left]] of (
        [
          ['warm-index:snapshot_written', [/^writing-/]],
          ['warm-index:snapshot_renamed', [/^snapshot-/]],
          ['warm-index:snapshot_written', [/^snapshot-/, /^writing-/]],
          ['warm-index:snapshot_renamed', [/^snapshot-/, /^snapshot-/]],
        ] as const
      ).entries()) {
        await product.stop('SIGKILL');
        product = known(await product.restart({ ACERVO_FAULT_POINT: point }));
        await warmed(product);
        const document = { id: `e${n}`, content: `${wordOf(500 + n)} estuary` };
        const { body } = await knowledgeOf(product).post(document);
        expected = [...expected, document];
        // With a snapshot to go on from, the next one need not wait for the log.
        if (n < 2) await settled(product, body.audit_id!);
        await product.stop();
        expect(product.process.signalCode).toBe('SIGKILL');
        expect(snapshotNames(product)).toEqual(left.map((name) => expect.stringMatching(name)));
        product = known(await product.restart({ ACERVO_FAULT_POINT: '' }));
        await expectWarm(product, expected);
        // The first one never came to its name.
        expect([n, await restored(product)]).toEqual([n, n > 0]);
        expect(snapshotNames(product)).toHaveLength(n > 0 ? 1 : 0);
      }
    },
    180_000,
  );

  it.each(['open', 'apply', 'measure', 'search'])(
    'its thread ends when asked to %s: the database answers, and it comes back',
    async (name) => {
      const first = await loaded();
      await first.stop('SIGKILL');
      const product = known(await first.restart({ ACERVO_FAULT_POINT: `warm-index:thread_${name}` }));
      // Before it is back, and after.
      await expectRight(product);
      await waitFor('the end of the thread', async () => logged(product, BEGINS_ANEW).length === 1);
      await expectWarm(product);
      expect(await restarts(product)).toBe(1);
      await load(product, [{ id: 'after', content: 'cormorant' }]);
      expect(idsOf((await fromMemory(product, { query: 'cormorant', mode: 'text' })).hits)).toEqual(['after']);
    },
  );

  it('its thread ends on a change: the write is answered, and found', async () => {
    const first = await start();
    await first.stop();
    const product = known(await first.restart({ ACERVO_FAULT_POINT: 'warm-index:thread_apply' }));
    await warmed(product);
    await load(product, documents);
    await expectRight(product);
    await waitFor('the end of the thread', async () => logged(product, BEGINS_ANEW).length === 1);
    await expectWarm(product);
  });

  it.runIf(onStack)('its thread ends while the last snapshot is written: the process ends well', async () => {
    const first = await loaded();
    await first.stop('SIGKILL');
    const product = known(await first.restart({ ACERVO_FAULT_POINT: 'warm-index:thread_save' }));
    await warmed(product);
    const { body } = await knowledgeOf(product).post({ id: 'd120', content: `${wordOf(120)} estuary` });
    await settled(product, body.audit_id!);
    await product.stop();
    expect(product.process.exitCode).toBe(0);
    const again = known(await product.restart({ ACERVO_FAULT_POINT: '' }));
    expect(logged(again, 'cannot be used')).toEqual([]);
    await expectWarm(again, [...documents, { id: 'd120', content: `${wordOf(120)} estuary` }]);
  });

  it('keeps its vectors on disk where memory does not hold them, over restarts and a kill -9', async () => {
    const LONG = 1024;
    const longVector = (n: number) => unitVector(seededRandom(n), LONG);
    const rows = Array.from({ length: 600 }, (_, n) => ({
      ...documents[n % 120]!,
      id: `l${n}`,
      vector: longVector(n),
    }));
    const product = await start({ ACERVO_EMBEDDING_DIMENSIONS: String(LONG) });
    await warmed(product);
    await load(product, rows);
    const { memory_bytes = 0, disk_bytes } = await weighed(product, 600);
    expect(disk_bytes).toBe(0);
    await product.stop();
    const nearest = async (from: Product, n: number, filter?: object) => {
      const body = { vector: longVector(n), limit: 1, ...(filter && { filter }) };
      const { hits, plan } = await search(from, body);
      expect(plan.legs.map((leg) => leg.from)).toEqual(['disk']);
      return hits.map(({ id, score }) => [id, Math.round(score * 1000)]);
    };
    const expectOnDisk = async (from: Product) => {
      await warmed(from);
      const report = await reportOf(from);
      expect(report).toMatchObject({ state: 'ready', disk_bytes: 600 * LONG * 2 });
      expect(report.memory_bytes).toBeLessThan(memory_bytes - 300_000);
      for (const n of [7, 300, 599]) expect(await nearest(from, n)).toEqual([[`l${n}`, 1000]]);
      expect(await nearest(from, 300, { 'metadata.n': 60 })).toEqual([['l300', 1000]]);
    };

    const limit = { ACERVO_WARM_INDEX_MAX_BYTES: String(memory_bytes - 300_000) };
    const small = known(await product.restart(limit));
    await expectOnDisk(small);
    await loggedOnce(small, 'lie on disk from now on');
    await load(small, [{ ...documents[0]!, id: 'l8', vector: longVector(1008) }]);
    expect(await nearest(small, 1008)).toEqual([['l8', 1000]]);
    expect((await small.call('DELETE', '/v1/knowledge/l9')).status).toBe(204);
    expect((await nearest(small, 9))[0]![0]).not.toBe('l9');
    // A snapshot needs a row that nothing can come before any more: 16 s, which one ring waits for.
    const { body } = await knowledgeOf(small).post({ id: 'l1011', content: 'estuary', vector: longVector(1011) });
    if (onStack) await settled(small, body.audit_id!);
    await small.stop();

    const again = known(await small.restart());
    await warmed(again);
    if (onStack) expect(await restored(again)).toBe(true);
    expect(logged(again, 'cannot be used')).toEqual([]);
    expect(await nearest(again, 1011)).toEqual([['l1011', 1000]]);
    await expectOnDisk(again);
    await load(again, [{ ...documents[0]!, id: 'l10', vector: longVector(1010) }]);
    await again.stop('SIGKILL');
    const third = known(await again.restart());
    await expectOnDisk(third);
    expect(await nearest(third, 1010)).toEqual([['l10', 1000]]);
    expect(await nearest(third, 1008)).toEqual([['l8', 1000]]);
  });

  it('declines what does not fit into its memory, from the beginning or while it grows', async () => {
    const declined = async (product: Product) => {
      await waitFor('it to decline', async () => (await reportOf(product)).state === 'declined');
      await loggedOnce(product, 'does not fit into its memory');
      await waitFor('its snapshot to go', async () => snapshotNames(product).length === 0);
      await waitFor('its memory to go', async () =>
        /^acervo_warm_index_bytes 0$/m.test((await product.call('GET', '/metrics')).text),
      );
      await fromDatabase(product, { query: 'estuary', mode: 'text' });
      await fromDatabase(product, { vector: vectorOf(1) });
    };
    const first = await start({ ACERVO_WARM_INDEX_MAX_BYTES: '1' });
    await declined(first);
    await load(first, documents);
    await expectRight(first);
    await first.stop();

    const second = await start();
    await warmed(second);
    const { memory_bytes = 0 } = await reportOf(second);
    await second.stop();
    const growing = known(await second.restart({ ACERVO_WARM_INDEX_MAX_BYTES: String(memory_bytes + 50_000) }));
    await warmed(growing);
    expect(await reportOf(growing)).toMatchObject({ state: 'ready', max_memory_bytes: memory_bytes + 50_000 });
    await load(growing, documents);
    const more = Array.from({ length: 1500 }, (_, n) => ({
      id: `m${n}`,
      content: `${wordOf(1000 + n)} delta `.repeat(8),
      metadata: { n },
    }));
    await load(growing, more);
    await declined(growing);
    await expectRight(growing);
    for (const n of [0, 700, 1499]) expect(await withWords(growing, wordOf(1000 + n))).toEqual([`m${n}`]);
  });

  it('its embedding space is switched while it is searched: no answer mixes both, and all is found again', async () => {
    const embedder = (dimensions: number) => ({
      ACERVO_EMBEDDER: 'hashing',
      ACERVO_EMBEDDING_DIMENSIONS: String(dimensions),
    });
    const product = await start(embedder(64));
    await warmed(product);
    await load(
      product,
      documents.map(({ vector: _, ...document }) => document),
    );
    const nearest = async (from: Product, n: number) => {
      const { hits } = await search(from, { query: `${wordOf(n)} estuary`, mode: 'vector', limit: 1 });
      return hits.map(({ id, scores }) => [id, Math.round(scores.vector! * 1000)]);
    };
    const expected = (n: number) => [[documents[n]!.id, 1000]];
    expect(await nearest(product, 5)).toEqual(expected(5));

    await product.stop();
    const other = known(await product.restart(embedder(96)));
    // Whatever is embedded already is as near to its own words as can be; a vector of the other space would not be.
    const deadlineMs = Date.now() + 40_000;
    for (let n = 0, found = 0; found < documents.length; n = (n + 1) % documents.length) {
      expect(Date.now()).toBeLessThan(deadlineMs);
      const { hits, plan } = await search(other, { query: `${wordOf(n)} estuary`, mode: 'vector', candidates: 200 });
      for (const { id, scores } of hits)
        if (id === documents[n]!.id) expect(scores.vector).toBeCloseTo(1, 3);
        else expect(scores.vector).toBeLessThan(0.999);
      found = plan.legs[0]!.found;
    }
    await warmed(other);
    for (const n of [0, 5, 60, 119]) expect(await nearest(other, n)).toEqual(expected(n));
    const { plan } = await fromMemory(other, { query: 'estuary', mode: 'vector', candidates: 200 });
    expect(plan.legs[0]!.found).toBe(documents.length);
  });

  it('leaves a filter on metadata that it has no room for to the database', async () => {
    const product = await start();
    await warmed(product);
    const PATHS = 60;
    const wide = Array.from({ length: 20 }, (_, n) => ({
      id: `w${String(n).padStart(2, '0')}`,
      content: 'wide estuary',
      agent_id: `agent-${n % 2}`,
      metadata: Object.fromEntries(Array.from({ length: PATHS }, (_, i) => [`k${n}_${i}`, n * PATHS + i])),
    }));
    // One at a time, so that the last ones are those that are too many.
    for (const document of wide) await load(product, [document]);
    const body = (filter: object) => ({ query: 'estuary', mode: 'text', filter });
    const check = async () => {
      expect(idsOf((await fromMemory(product, body({ 'metadata.k0_7': 7 }))).hits)).toEqual(['w00']);
      expect(idsOf((await fromMemory(product, body({ agent_id: 'agent-0' }))).hits)).toHaveLength(10);
      const late = { 'metadata.k19_3': { $gte: 19 * PATHS } };
      expect(idsOf((await fromDatabase(product, body(late))).hits)).toEqual(['w19']);
      expect(sortedIds((await fromDatabase(product, body({ $not: late }))).hits)).toEqual(sortedIds(wide.slice(0, -1)));
      expect((await fromDatabase(product, body({ 'metadata.nowhere': 1 }))).hits).toEqual([]);
    };
    await check();
    for (const { id } of wide.slice(0, 10)) await knowledgeOf(product).remove(id);
    expect(idsOf((await fromDatabase(product, body({ 'metadata.k19_3': { $exists: true } }))).hits)).toEqual(['w19']);
  });
});

describe.skipIf(unavailable || isCold || !onStack)('the warm index and its database', () => {
  afterEach(async () => {
    for (const { process, stop } of products.splice(0))
      if (process.exitCode === null && process.signalCode === null) await stop('SIGKILL');
  });

  const changed = { id: 'd119', content: `${wordOf(900)} estuary` };
  const expected = [...documents.slice(1, -1), { id: 'd120', content: `${wordOf(120)} estuary` }, changed];
  /** A document deleted, one changed, one new. */
  async function change(product: Product): Promise<string> {
    const api = knowledgeOf(product);
    expect((await api.remove('d000')).status).toBe(204);
    expect((await api.post(changed)).status).toBe(200);
    return (await api.post({ id: 'd120', content: `${wordOf(120)} estuary` })).body.audit_id!;
  }
  async function expectChanged(product: Product) {
    const all = await everyHit(product, { query: 'estuary', mode: 'text', limit: 100 });
    expect(sortedIds(all)).toEqual(sortedIds(expected));
    expect([await withWords(product, wordOf(119)), await withWords(product, wordOf(900))]).toEqual([[], ['d119']]);
  }

  it('the log was archived past its snapshot: it is built anew, and so is the snapshot', async () => {
    const first = await loaded();
    const { body } = await knowledgeOf(first).patch('d005', { metadata: { settled: true } });
    await settled(first, body.audit_id!);
    await first.stop();
    const cold = known(await first.restart({ ACERVO_WARM_INDEX: 'off' }));
    await change(cold);
    await behindItsBack(cold, 'DELETE audit_log');
    await cold.stop();
    const product = known(await cold.restart({ ACERVO_WARM_INDEX: 'auto' }));
    await warmed(product);
    await loggedOnce(product, 'the audit log no longer holds');
    expect(await restored(product)).toBe(false);
    await fromMemory(product, { query: 'estuary', mode: 'text' });
    await expectChanged(product);
    await settled(product, (await knowledgeOf(product).patch('d005', { metadata: { settled: false } })).body.audit_id!);
    await product.stop();
    const again = known(await product.restart());
    await warmed(again);
    expect(await restored(again)).toBe(true);
    await expectChanged(again);
  }, 120_000);

  it.each([
    ['for a while: the database answers until the index has caught up', 6, false],
    ['while the log is archived: the index is built anew', AWAY_SECONDS, true],
  ])(
    'a node loses its database %s',
    async (_name, seconds, archived) => {
      const a = await loaded();
      const proxy = await startProxy(Number(new URL(inject('surrealUrl')).port));
      const b = await start({
        SURREALDB_URL: `ws://127.0.0.1:${proxy.port}`,
        SURREALDB_DATABASE: a.env.SURREALDB_DATABASE!,
        ACERVO_ADMIN_KEY: a.key,
      });
      await expectWarm(b);
      proxy.refuse();
      await waitFor('the loss to be seen', async () => (await b.call('GET', '/readyz')).status === 503);
      await change(a);
      const refused = await b.call('POST', '/v1/search', { query: 'estuary', mode: 'text' });
      expect([refused.status, refused.body.code]).toEqual([503, 'database:unavailable']);
      await waitFor('the lag', async () => ((await reportOf(b)).lag_seconds ?? 0) > seconds);
      if (archived) await behindItsBack(a, 'DELETE audit_log');
      proxy.restore();
      await waitFor('the recovery', async () => (await b.call('GET', '/readyz')).status === 200);
      if (!archived) await expectChanged(b);
      else await waitFor('the new index', async () => logged(b, BEGINS_ANEW).length === 1);
      await expectChanged(b);
      await waitFor('memory', async () => {
        const { plan } = await search(b, { query: 'estuary', mode: 'text' });
        return plan.legs.every(({ from }) => from === 'memory');
      });
      await expectChanged(b);
      expect(logged(b, BEGINS_ANEW)).toHaveLength(Number(archived));
      await b.stop();
      await proxy.close();
    },
    120_000,
  );
});
