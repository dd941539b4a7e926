import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { startEmbeddingServer } from '../support/embedding-servers.js';
import { everyDocument, expectProblem, knowledgeOf, wordOf } from '../support/knowledge.js';
import { isCold, onStack, type Product, startProduct, unavailable, warmed } from '../support/product.js';
import { cosine, idsOf, load, search, seededRandom, sortedIds, unitVector } from '../support/search.js';
import { waitFor } from '../support/stack-servers.js';
import { fromMemory, reportOf } from '../support/warm-index.js';

const DIMENSIONS = 16;
const CALLER = { ACERVO_EMBEDDER: 'caller', ACERVO_EMBEDDING_DIMENSIONS: String(DIMENSIONS) };
const vectorOf = (seed: number) => unitVector(seededRandom(seed), DIMENSIONS);
const DECISIONS = '/v1/decisions/search';

describe.skipIf(unavailable || isCold)('what was written here is found at once, from memory', () => {
  let product: Product;
  beforeAll(async () => {
    product = await startProduct(CALLER);
    await warmed(product);
  });
  afterAll(() => product?.stop());

  const withWords = async (query: string, filter?: object, key?: string) =>
    sortedIds((await fromMemory(product, { query, mode: 'text', ...(filter && { filter }) }, key ? { key } : {})).hits);
  const api = () => knowledgeOf(product);
  const call = async (method: string, path: string, body?: unknown, status = 200) => {
    const answer = await product.call<Record<string, string>>(method, path, body);
    expect(answer.status, answer.text).toBe(status);
    return answer.body;
  };

  it('a document: made, given new content, new metadata, deleted, and made again', async () => {
    const near = async (seed: number) => {
      const { hits } = await fromMemory(product, { vector: vectorOf(seed), filter: { id: 'life' } });
      return hits.map(({ id, score }) => [id, Math.round(score * 1000) / 1000]);
    };
    await api().post({ id: 'life', content: 'first salamander', vector: vectorOf(1), metadata: { place: 'pond' } });
    expect(await withWords('salamander')).toEqual(['life']);
    expect(await near(1)).toEqual([['life', 1]]);

    await api().post({ id: 'life', content: 'second newt', vector: vectorOf(2), metadata: { place: 'pond' } });
    expect([await withWords('salamander'), await withWords('first'), await withWords('newt')]).toEqual([
      [],
      [],
      ['life'],
    ]);
    expect(await near(2)).toEqual([['life', 1]]);
    expect(await near(1)).toEqual([['life', Math.round(cosine(vectorOf(1), vectorOf(2)) * 1000) / 1000]]);

    await api().patch('life', { metadata: { place: 'river', depth: 3 } });
    for (const [filter, expected] of [
      [{ 'metadata.place': 'pond' }, []],
      [{ 'metadata.place': 'river' }, ['life']],
      [{ 'metadata.depth': { $gte: 3 } }, ['life']],
    ] as const)
      expect(await withWords('newt', filter)).toEqual(expected);

    await api().remove('life');
    expect(await withWords('newt')).toEqual([]);
    expect(await near(2)).toEqual([]);

    await api().post({ id: 'life', content: 'third axolotl', vector: vectorOf(3) });
    expect([await withWords('newt'), await withWords('axolotl')]).toEqual([[], ['life']]);
    expect(await withWords('axolotl', { 'metadata.place': { $exists: true } })).toEqual([]);
    expect(await near(3)).toEqual([['life', 1]]);
  });

  it('marks the words in what it finds', async () => {
    await api().post({ id: 'marked', content: 'Réefs grow; a reef is <i>old</i>.' });
    const { hits } = await fromMemory(product, { query: 'reef', mode: 'text', highlight: true });
    expect(hits[0]!.passages).toEqual([
      {
        ordinal: 0,
        text: 'Réefs grow; a reef is <i>old</i>.',
        highlight: '<b>Réefs</b> grow; a <b>reef</b> is <i>old</i>.',
      },
    ]);
  });

  it('a bulk of new documents, and of changed ones', async () => {
    const made = Array.from({ length: 120 }, (_, n) => ({
      id: `bulk-${n}`,
      content: `${wordOf(n)} shoal`,
      vector: vectorOf(100 + n),
      metadata: { n },
    }));
    await load(product, made);
    expect(await withWords('shoal')).toHaveLength(100);
    expect(await withWords(wordOf(119))).toEqual(['bulk-119']);
    const changed = made.slice(0, 60).map((document) => ({ ...document, content: `${document.content} turned` }));
    await load(product, changed);
    expect(await withWords('turned')).toEqual(sortedIds(changed));
    const patched = made.slice(60).map((document) => ({ ...document, metadata: { n: -1 } }));
    await load(product, patched);
    expect(await withWords('shoal', { 'metadata.n': -1 })).toEqual(sortedIds(patched));
    expect(await withWords('shoal', { 'metadata.n': { $gte: 0 } })).toEqual(sortedIds(changed));
  });

  it('a decision: made, its outcome, deleted', async () => {
    const found = async (filter?: object) =>
      idsOf(
        (await fromMemory(product, { query: 'umbrella', mode: 'text', ...(filter && { filter }) }, { path: DECISIONS }))
          .hits,
      );
    const decision = { id: 'order', agent_id: 'buyer', decision_type: 'action', reasoning: 'Order one umbrella.' };
    await call('POST', '/v1/decisions', { ...decision, vector: vectorOf(9) }, 201);
    expect([await found(), await found({ 'outcome.status': 'success' })]).toEqual([['order'], []]);
    await call('PATCH', '/v1/decisions/order', { outcome: { status: 'success', summary: 'Sold.' } });
    expect(await found({ 'outcome.status': 'success' })).toEqual(['order']);
    expect(await found({ 'outcome.status': { $exists: false } })).toEqual([]);
    const near = await fromMemory(product, { vector: vectorOf(9) }, { path: DECISIONS });
    expect(near.hits[0]).toMatchObject({ id: 'order', outcome: { status: 'success' } });
    await call('DELETE', '/v1/decisions/order', undefined, 204);
    expect(await found()).toEqual([]);
    expect(await withWords('umbrella')).toEqual([]);
  });

  it('all parts of an execution', async () => {
    const step = (word: string) => ({
      session: { id: 'run', agent_id: 'analyst', user: 'ana', state: { word } },
      knowledge: { id: 'finding', content: `Umbrellas sell in ${word}.` },
      decision: {
        id: `because-${word}`,
        decision_type: 'action',
        reasoning: `It rains in ${word}.`,
        evidence: ['finding'],
      },
    });
    for (const word of ['lisbon', 'porto']) {
      await call('POST', '/v1/executions', step(word), 201);
      expect(await withWords(word)).toEqual(['finding']);
      const decided = await fromMemory(product, { query: word, mode: 'text' }, { path: DECISIONS });
      expect(idsOf(decided.hits)).toEqual([`because-${word}`]);
    }
    expect(await withWords('lisbon')).toEqual([]);
  });

  it('shows a key that is bound to an agent nothing of another, also right after a document changed hands', async () => {
    const bound = async (agent_id: string) =>
      (await call('POST', '/v1/keys', { name: agent_id, scopes: ['search:read'], agent_id }, 201)).token!;
    const [ana, bob] = [await bound('ana'), await bound('bob')];
    const seenBy = async (key: string) => ({
      words: await withWords('ledger', undefined, key),
      others: await withWords('ledger', { $or: [{ agent_id: 'ana' }, { $not: { agent_id: 'nobody' } }] }, key),
      near: sortedIds(
        (await fromMemory(product, { vector: vectorOf(50), filter: { 'metadata.ledger': true } }, { key })).hits,
      ),
    });
    const as = (id: string, agent_id: string) => ({
      ...{ id, agent_id, content: 'ledger', vector: vectorOf(50), metadata: { ledger: true } },
    });
    const all = (ids: string[]) => ({ words: ids, others: ids, near: ids });
    await load(product, [as('of-ana', 'ana'), as('of-bob', 'bob')]);
    expect([await seenBy(ana), await seenBy(bob)]).toEqual([all(['of-ana']), all(['of-bob'])]);
    for (const owner of ['bob', 'ana', 'bob']) {
      await load(product, [as('moving', owner)]);
      const [has, lacks] = owner === 'ana' ? [ana, bob] : [bob, ana];
      const own = owner === 'ana' ? 'of-ana' : 'of-bob';
      expect([await seenBy(lacks), await seenBy(has)]).toEqual([
        all([owner === 'ana' ? 'of-bob' : 'of-ana']),
        all(['moving', own]),
      ]);
    }
  });

  it('only the last state of a document that 12 writers change 300 times at once', async () => {
    const UPDATES = 300;
    const WRITERS = 12;
    let next = 0;
    const writer = async () => {
      while (next < UPDATES) {
        const n = next++;
        let answer: Awaited<ReturnType<typeof update>>;
        do answer = await update(n);
        while (answer.status === 409);
        expect([200, 201], answer.text).toContain(answer.status);
      }
    };
    const update = (n: number) => api().post({ id: 'flooded', content: `${wordOf(5000 + n)} torrent` });
    await Promise.all(Array.from({ length: WRITERS }, writer));
    const last = (await api().get('flooded')).body.content.split(' ')[0]!;
    expect(await withWords('torrent')).toEqual(['flooded']);
    const words = Array.from({ length: UPDATES }, (_, n) => wordOf(5000 + n));
    expect(await withWords(last)).toEqual(['flooded']);
    const older = words.filter((word) => word !== last);
    expect(older).toHaveLength(UPDATES - 1);
    expect(await withWords(older.slice(0, 150).join(' '))).toEqual([]);
    expect(await withWords(older.slice(150).join(' '))).toEqual([]);
  }, 120_000);

  it('refuses a malformed `after`, and asks the database for what has not come yet', async () => {
    const stored = await api().post({ id: 'after', content: 'cormorant' });
    const own = await fromMemory(product, { query: 'cormorant', mode: 'text', after: stored.body.audit_id! });
    expect(idsOf(own.hits)).toEqual(['after']);
    const future = '2199-01-01T00:00:00.123456789Z_01890000-0000-7000-8000-000000000000';
    const answer = await search(product, { query: 'cormorant', mode: 'text', after: future });
    expect([idsOf(answer.hits), answer.plan.legs.map(({ from }) => from)]).toEqual([['after'], ['database']]);
    for (const after of ['', 'x', 7, `${future}x`, '2199-01-01_01890000-0000-7000-8000-000000000000'])
      expectProblem(await product.call('POST', '/v1/search', { query: 'cormorant', after }), 400, 'request:invalid');
  });

  it('tells of itself in /health and /metrics', async () => {
    expect(await reportOf(product)).toMatchObject({
      state: 'ready',
      documents: { document: expect.any(Number), decision: expect.any(Number) },
      memory_bytes: expect.any(Number),
      max_memory_bytes: expect.any(Number),
      lag_seconds: expect.any(Number),
    });
    const count = async () => {
      const { text } = await product.call('GET', '/metrics');
      return Number(/acervo_warm_index_documents\{corpus="document"\} (\d+)/.exec(text)?.[1]);
    };
    const { text } = await product.call('GET', '/metrics');
    for (const name of ['bytes', 'lag_seconds', 'restarts_total'])
      expect(text).toMatch(new RegExp(`acervo_warm_index_${name} \\d`));
    const stored = (await everyDocument(product)).length;
    await waitFor('the count', async () => (await count()) === stored);
    expect(stored).toBeGreaterThan(0);
  });
});

it.skipIf(unavailable || isCold)('finds by meaning what got its vectors later', async () => {
  const provider = await startEmbeddingServer('openai', { dimensions: 64 });
  onTestFinished(() => provider.close());
  const product = await startProduct({
    ACERVO_EMBEDDER: 'openai',
    ACERVO_EMBEDDING_URL: provider.url,
    ACERVO_EMBEDDING_MODEL: 'test-model',
    ACERVO_EMBEDDING_DIMENSIONS: '64',
    ACERVO_EMBEDDING_MAX_RETRIES: '0',
  });
  onTestFinished(() => product.stop());
  await warmed(product);
  const api = knowledgeOf(product);
  provider.behave('down');
  const content = 'lighthouse keepers write long letters';
  expect((await api.post({ id: 'late', content })).body.embedding_status).toBe('pending');
  const pending = { query: 'keeper', mode: 'text', filter: { embedding_status: 'pending' } };
  expect(idsOf((await fromMemory(product, pending)).hits)).toEqual(['late']);

  provider.behave('ok');
  await waitFor('the vectors', async () => (await api.get('late')).body.embedding_status === 'ready', 40_000);
  // What a worker writes can be read a moment before it is in memory.
  const { body } = await product.call<{ rows: { id: string }[] }>('GET', '/v1/audit?resource=knowledge:late&limit=1');
  const { hits } = await fromMemory(product, { query: 'keepers', mode: 'vector', after: body.rows[0]!.id });
  expect(idsOf(hits)).toEqual(['late']);
  expect(hits[0]!.score).toBeCloseTo(cosine(provider.vectorOf(content), provider.vectorOf('keepers')), 3);
  expect((await fromMemory(product, pending)).hits).toEqual([]);
});

describe.skipIf(unavailable || isCold || !onStack)('what another node wrote', () => {
  let [a, b] = [] as unknown as [Product, Product];
  beforeAll(async () => {
    a = await startProduct(CALLER);
    b = await startProduct({ ...CALLER, SURREALDB_DATABASE: a.env.SURREALDB_DATABASE!, ACERVO_ADMIN_KEY: a.key });
    await Promise.all([warmed(a), warmed(b)]);
  });
  afterAll(async () => {
    await Promise.all([a?.stop(), b?.stop()]);
  });

  it('is found at once by a search that asks for it', async () => {
    for (let n = 0; n < 20; n += 1) {
      const { body } = await knowledgeOf(a).post({ id: 'shared', content: `${wordOf(n)} gannet`, metadata: { n } });
      const found = await search(b, {
        query: `${wordOf(n)}`,
        mode: 'text',
        filter: { 'metadata.n': n },
        after: body.audit_id,
      });
      expect(idsOf(found.hits)).toEqual(['shared']);
      expect(
        (await search(b, { query: wordOf(n - 1 + 9000 * Number(n === 0)), mode: 'text', after: body.audit_id })).hits,
      ).toEqual([]);
    }
    const removed = await knowledgeOf(a).remove('shared');
    expect(removed.status).toBe(204);
  });

  it('is found from memory soon by any search, and so is what it deleted and made again', async () => {
    const found = async (query: string) => idsOf((await search(b, { query, mode: 'text' })).hits);
    await knowledgeOf(a).post({ id: 'soon', content: 'puffin' });
    await waitFor('the other node', async () => (await found('puffin')).length === 1, 5_000);
    for (let n = 0; n < 4; n += 1) await knowledgeOf(a).post({ id: 'soon', content: `puffin ${wordOf(n)}` });
    await knowledgeOf(a).remove('soon');
    const { body } = await knowledgeOf(a).post({ id: 'soon', content: 'guillemot' });
    await waitFor('the other node', async () => (await found('guillemot')).length === 1, 5_000);
    expect(await found(`puffin ${wordOf(3)}`)).toEqual([]);
    const { hits } = await fromMemory(b, { query: 'guillemot', mode: 'text', after: body.audit_id! });
    expect(idsOf(hits)).toEqual(['soon']);
  });
});
