import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import {
  type Behaviour,
  type EmbeddingProtocol,
  type EmbeddingServer,
  startEmbeddingServer,
} from '../support/embedding-servers.js';
import { onStack, type Product, startProduct, unavailable } from '../support/product.js';
import { cosine, everyHit, idsOf, refusal, search, sortedIds } from '../support/search.js';
import { waitFor } from '../support/stack-servers.js';

const DIMENSIONS = 64;

function settings(provider: EmbeddingServer, protocol: EmbeddingProtocol = 'openai'): Record<string, string> {
  return {
    ACERVO_EMBEDDER: protocol,
    ACERVO_EMBEDDING_URL: provider.url,
    ACERVO_EMBEDDING_MODEL: 'test-model',
    ACERVO_EMBEDDING_DIMENSIONS: String(DIMENSIONS),
    ACERVO_EMBEDDING_TIMEOUT_MS: '1000',
    ACERVO_EMBEDDING_MAX_RETRIES: '0',
    ...(protocol === 'gemini' ? { GEMINI_API_KEY: 'test-key' } : {}),
  };
}

interface Stored {
  id: string;
  revision: number;
  embedding_status: string;
  embedding_error?: string;
}

async function post(product: Product, document: object, status = 201): Promise<Stored> {
  const answer = await product.call<Stored & Record<string, unknown>>('POST', '/v1/knowledge', document);
  expect(answer.status, answer.text).toBe(status);
  return answer.body;
}

async function get(product: Product, id: string): Promise<Stored> {
  return (await product.call<Stored & Record<string, unknown>>('GET', `/v1/knowledge/${id}`)).body;
}

/** Waits for the worker. */
/** Waits until documents have their vectors, and searches see them: what a worker writes comes there a moment later. */
async function ready(product: Product, ...ids: string[]): Promise<void> {
  for (const id of ids) {
    await waitFor(`vectors of ${id}`, async () => (await get(product, id)).embedding_status === 'ready', 40_000);
    const { body } = await product.call<{ rows: { id: string }[] }>(
      'GET',
      `/v1/audit?resource=knowledge:${id}&limit=1`,
    );
    await search(product, { query: 'anything', mode: 'text', after: body.rows[0]!.id });
  }
}

/** The cosine under which a text must be found: search has the vectors that the provider sent, and no others. */
async function expectVector(product: Product, provider: EmbeddingServer, id: string, text: string): Promise<void> {
  const query = `about ${text}`;
  const { hits } = await search(product, { query, mode: 'vector', filter: { id } });
  expect(idsOf(hits)).toEqual([id]);
  expect(hits[0]!.score).toBeCloseTo(cosine(provider.vectorOf(text), provider.vectorOf(query)), 3.5);
}

const TEXTS = {
  reef: 'coral reefs grow slowly in warm water',
  ship: 'container ships carry most goods',
  bread: 'sourdough bread needs time and salt',
};
const documents = Object.entries(TEXTS).map(([id, content]) => ({ id, content }));

describe.skipIf(unavailable).each(['openai', 'gemini'] as const)('the embedder %s', (protocol) => {
  let provider: EmbeddingServer;
  let product: Product;
  beforeAll(async () => {
    provider = await startEmbeddingServer(protocol, { dimensions: DIMENSIONS });
    product = await startProduct(settings(provider, protocol));
  });
  afterAll(async () => {
    await product?.stop();
    await provider?.close();
  });

  it('gives documents their vectors, which are found by meaning', async () => {
    for (const document of documents)
      expect(await post(product, document)).toMatchObject({ embedding_status: 'ready', revision: 1 });
    for (const [id, text] of Object.entries(TEXTS)) await expectVector(product, provider, id, text);
    const { hits, plan } = await search(product, { query: 'warm coral water' });
    expect(plan.mode).toBe('hybrid');
    expect(hits[0]!.id).toBe('reef');
    expect(sortedIds(hits)).toEqual(['bread', 'reef', 'ship']);
    if (protocol === 'gemini')
      expect(provider.requests.map(({ purpose }) => purpose)).toEqual([
        ...documents.map(() => 'document'),
        ...documents.map(() => 'query'),
        'query',
      ]);
  });

  it('may be away: documents are stored, found by words at once, and by meaning when it is back', async () => {
    provider.behave('down');
    const stored = await post(product, { id: 'late', content: 'lighthouse keepers write long letters' });
    expect(stored).toMatchObject({ embedding_status: 'pending', revision: 1 });
    expect(await get(product, 'late')).toMatchObject({ embedding_status: 'pending' });

    const hybrid = await search(product, { query: 'lighthouse keeper' });
    expect(hybrid.plan).toMatchObject({ mode: 'text', degraded: 'embedding:unavailable' });
    expect(idsOf(hybrid.hits)).toEqual(['late']);
    expect(idsOf((await search(product, { query: 'lighthouse', mode: 'text' })).hits)).toEqual(['late']);
    const insisting = [{ mode: 'vector' }, { require: ['vector'] }, { min_score: 0.1 }];
    for (const body of insisting) {
      const refused = await product.call('POST', '/v1/search', { query: 'lighthouse', ...body });
      expect(refused.body, refused.text).toMatchObject({ status: 503, code: 'embedding:unavailable', retryable: true });
    }
    const demanding = { id: 'demanding', content: 'all or nothing', require_embedding: true };
    const refused = await product.call('POST', '/v1/knowledge', demanding);
    expect(refused.body, refused.text).toMatchObject({ status: 503, code: 'embedding:unavailable', retryable: true });
    expect((await product.call('GET', '/v1/knowledge/demanding')).status).toBe(404);
    expect(await refusal(product, { query: 'nothing', filter: { id: 'demanding' }, mode: 'vector' })).toMatchObject({
      status: 503,
    });

    // Stored without its vectors, it is not what is asked for now.
    const waiting = { id: 'late', content: 'lighthouse keepers write long letters', require_embedding: true };
    const unready = await product.call('POST', '/v1/knowledge', waiting);
    expect(unready.body, unready.text).toMatchObject({ status: 503, code: 'embedding:unavailable' });

    provider.behave('ok');
    await ready(product, 'late');
    expect((await get(product, 'late')).revision).toBe(2);
    await expectVector(product, provider, 'late', 'lighthouse keepers write long letters');
    expect((await search(product, { query: 'lighthouse' })).plan).not.toHaveProperty('degraded');
    expect(await post(product, demanding)).toMatchObject({ embedding_status: 'ready' });
  });

  it('may refuse a text: the document says so, and gets its vectors when it is sent again', async () => {
    const document = { id: 'refused', content: 'a text that was refused' };
    provider.behave({ status: 400 });
    expect(await post(product, document)).toMatchObject({ embedding_status: 'failed', revision: 1 });
    expect(await get(product, 'refused')).toMatchObject({
      embedding_status: 'failed',
      embedding_error: 'embedding:rejected',
    });
    expect(idsOf((await search(product, { query: 'refused', mode: 'text' })).hits)).toEqual(['refused']);
    const required = await product.call('POST', '/v1/knowledge', { ...document, id: 'never', require_embedding: true });
    expect(required.body, required.text).toMatchObject({ status: 502, code: 'embedding:rejected', retryable: false });
    expect((await product.call('GET', '/v1/knowledge/never')).status).toBe(404);
    const line = JSON.stringify({ ...document, id: 'never', require_embedding: true });
    const headers = { 'content-type': 'application/x-ndjson' };
    const bulk = await product.call('POST', '/v1/knowledge/bulk', `${line}\n`, { headers });
    const error = { code: 'embedding:rejected', retryable: false };
    expect(JSON.parse(bulk.text)).toMatchObject({ id: 'never', status: 'failed', error });

    provider.behave('ok');
    expect(await post(product, document, 200)).toMatchObject({ embedding_status: 'ready', status: 'updated' });
    expect(await get(product, 'refused')).not.toHaveProperty('embedding_error');
    await expectVector(product, provider, 'refused', document.content);
    expect(await post(product, document, 200)).toMatchObject({ status: 'unchanged' });
  });
});

describe.skipIf(unavailable)('a document whose embedding was refused', () => {
  const content = 'a text that is refused';
  const failed = { embedding_status: 'failed', embedding_error: 'embedding:rejected' };
  let provider: EmbeddingServer;
  let product: Product;
  beforeAll(async () => {
    provider = await startEmbeddingServer('openai', { dimensions: DIMENSIONS });
    product = await startProduct(settings(provider));
  });
  afterEach(() => provider.behave('ok'));
  afterAll(async () => {
    await product?.stop();
    await provider?.close();
  });

  async function refused(id: string, more: object = {}): Promise<void> {
    provider.behave({ status: 400 });
    expect(await post(product, { id, content, ...more })).toMatchObject({ embedding_status: 'failed', revision: 1 });
    provider.behave('ok');
  }
  const patch = (id: string, body: object, headers: Record<string, string> = {}) =>
    product.call<Stored & Record<string, unknown>>('PATCH', `/v1/knowledge/${id}`, body, { headers });

  it('can be patched: what else it says changes, the refusal stays, and nobody is asked again', async () => {
    await refused('patched');
    const asked = provider.requests.length;
    const first = await patch('patched', { metadata: { seen: 1 } });
    expect([first.status, first.body], first.text).toMatchObject([200, { revision: 2, embedding_status: 'failed' }]);
    const second = await patch('patched', { metadata: { seen: 2 } }, { 'if-match': '"2"' });
    expect([second.status, second.body], second.text).toMatchObject([200, { revision: 3, embedding_status: 'failed' }]);
    const stale = await patch('patched', { metadata: { seen: 3 } }, { 'if-match': '"2"' });
    expect([stale.status, stale.body]).toMatchObject([412, { code: 'revision:mismatch' }]);
    const same = await patch('patched', { metadata: { seen: 2 } });
    expect(same.body, same.text).toMatchObject({ status: 'unchanged', revision: 3, embedding_status: 'failed' });
    expect(await get(product, 'patched')).toMatchObject({ ...failed, content, metadata: { seen: 2 }, revision: 3 });
    expect(provider.requests.length).toBe(asked);
    const found = await search(product, { query: 'refused', mode: 'text', filter: { 'metadata.seen': 2 } });
    expect(idsOf(found.hits)).toEqual(['patched']);
  });

  it('gets its vectors when its content is sent again, in a patch or whole, also where it is the same', async () => {
    const whole = (id: string) => product.call('POST', '/v1/knowledge', { id, content });
    for (const [id, send] of Object.entries({ part: (id: string) => patch(id, { content }), whole })) {
      await refused(id);
      expect((await patch(id, { metadata: { seen: 1 } })).status).toBe(200);
      const sent = await send(id);
      expect(sent.body, sent.text).toMatchObject({ status: 'updated', embedding_status: 'ready', revision: 3 });
      expect(await get(product, id)).not.toHaveProperty('embedding_error');
      await expectVector(product, provider, id, content);
      expect((await send(id)).body).toMatchObject({ status: 'unchanged', revision: 3 });
    }
  });

  it('that brought its passages is patched all the same, and is to be sent again whole', async () => {
    await refused('cut', { content: undefined, passages: [{ text: 'one part' }, { text: 'another part' }] });
    expect((await patch('cut', { metadata: { seen: 1 } })).body).toMatchObject({ revision: 2, passage_count: 2 });
    expect(await get(product, 'cut')).toMatchObject(failed);
    const again = await patch('cut', { content: 'one part\n\nanother part' });
    expect([again.status, again.body]).toMatchObject([409, { code: 'knowledge:caller_passages' }]);
  });
});

describe.skipIf(unavailable)('an unreliable embedder', () => {
  let provider: EmbeddingServer;
  let product: Product;
  beforeAll(async () => {
    provider = await startEmbeddingServer('openai', { dimensions: DIMENSIONS });
    product = await startProduct(settings(provider));
  });
  afterEach(() => provider.behave('ok'));
  afterAll(async () => {
    await product?.stop();
    await provider?.close();
  });

  it('may go away in the middle of a bulk load: all is stored, and filled later', async () => {
    const lines = Array.from({ length: 200 }, (_, n) => ({ id: `bulk${n}`, content: `bulk number${n}` }));
    provider.next('ok', 'ok', 'down');
    const results = await product.bulk(lines);
    expect(results.map(({ id, status }) => ({ id, status }))).toEqual(
      lines.map(({ id }) => ({ id, status: 'stored' })),
    );
    const waiting = { query: 'bulk', mode: 'text', limit: 100, filter: { embedding_status: 'pending' } };
    expect((await everyHit(product, waiting)).length).toBeGreaterThan(0);
    await waitFor('all vectors', async () => (await everyHit(product, waiting)).length === 0, 40_000);
    const near = { query: 'bulk', mode: 'vector', limit: 100, filter: { id: { $in: idsOf(lines).slice(0, 100) } } };
    const far = { ...near, filter: { $not: near.filter, 'metadata.no': { $exists: false } } };
    const found = [...(await everyHit(product, near)), ...(await everyHit(product, far))];
    expect(sortedIds(found)).toEqual(idsOf(lines).sort());
    for (const n of [0, 70, 130, 199]) await expectVector(product, provider, `bulk${n}`, `bulk number${n}`);
  });

  it('may refuse one text of a bulk load: its neighbours get their vectors all the same', async () => {
    provider.behave({ rejects: 'poison' });
    const lines = Array.from({ length: 20 }, (_, n) => ({
      id: `mixed${n}`,
      content: n === 13 ? 'poison' : `mixed${n}`,
    }));
    const results = await product.bulk(lines);
    expect(results.map(({ status }) => status)).toEqual(lines.map(() => 'stored'));
    for (const { id } of lines)
      expect((await get(product, id)).embedding_status, id).toBe(id === 'mixed13' ? 'failed' : 'ready');
    await expectVector(product, provider, 'mixed14', 'mixed14');
  });

  it('never gets a wrong vector into the database', async () => {
    const faults: Behaviour[] = [
      'one-vector-short',
      'one-vector-more',
      'wrong-dimensions',
      'nan-in-vector',
      'null-in-vector',
      'infinite-in-vector',
      'zero-vector',
      'broken-json',
      'wrong-shape',
      'truncated-body',
      'repeated-index',
      { status: 500 },
      { slowMs: 1500 },
    ];
    // A good answer between two bad ones keeps the breaker from opening.
    provider.next(...faults.flatMap((fault): Behaviour[] => [fault, 'ok']));
    const before = provider.requests.length;
    const passages = (n: number) => [{ text: `first part${n}` }, { text: `second part${n}` }];
    const statuses: string[] = [];
    for (let n = 0; n < 2 * faults.length; n++)
      statuses.push((await post(product, { id: `fault${n}`, passages: passages(n) })).embedding_status);
    expect(statuses.filter((status) => status === 'pending').length).toBeGreaterThan(faults.length / 2);
    expect(statuses).not.toContain('failed');
    expect(provider.requests.length - before).toBeGreaterThanOrEqual(2 * faults.length);
    for (let n = 0; n < 2 * faults.length; n++) {
      await ready(product, `fault${n}`);
      for (const [ordinal, text] of [`first part${n}`, `second part${n}`].entries()) {
        const [hit] = (await search(product, { query: text, mode: 'vector', filter: { id: `fault${n}` } })).hits;
        expect(hit!.score).toBeCloseTo(1, 3.5);
        expect(hit!.passages.map(({ text }) => text)).toEqual(
          ordinal === 0 ? [`first part${n}`, `second part${n}`] : [`second part${n}`, `first part${n}`],
        );
      }
    }
  });
});

describe.skipIf(unavailable)('pending vectors', () => {
  async function embedder(dimensions = DIMENSIONS): Promise<EmbeddingServer> {
    const provider = await startEmbeddingServer('openai', { dimensions });
    onTestFinished(() => provider.close());
    return provider;
  }
  const running = (product: Product): Product => {
    onTestFinished(() => product.stop('SIGKILL'));
    return product;
  };

  it('are made after the product was killed', async () => {
    const provider = await embedder();
    const product = running(await startProduct(settings(provider)));
    provider.behave('down');
    for (const document of documents) expect((await post(product, document)).embedding_status).toBe('pending');
    await product.stop('SIGKILL');
    provider.behave('ok');
    const again = running(await product.restart());
    await ready(again, ...Object.keys(TEXTS));
    for (const [id, text] of Object.entries(TEXTS)) await expectVector(again, provider, id, text);
  });

  it('are not held up by documents that always fail, and whoever may see a document is told of its vectors', async () => {
    const provider = await embedder();
    const product = running(await startProduct(settings(provider)));
    const made = await product.call<{ token: string }>('POST', '/v1/keys', {
      name: 'bound',
      scopes: ['audit:read', 'knowledge:read'],
      agent_id: 'ana',
    });
    expect(made.status, made.text).toBe(201);
    provider.behave('down');
    for (const n of [1, 2, 3]) await post(product, { id: `a-bad${n}`, content: `poison ${n}` });
    for (const document of documents) await post(product, { ...document, agent_id: 'ana' });
    const decision = { id: 'choice', agent_id: 'ana', decision_type: 'action', reasoning: 'sourdough was chosen' };
    expect((await product.call('POST', '/v1/decisions', decision)).status).toBe(201);
    provider.behave({ rejects: 'poison', with: 500 });
    await ready(product, ...Object.keys(TEXTS));
    await waitFor('vectors of the decision', async () => {
      const { body } = await product.call('GET', '/v1/decisions/choice');
      return body.embedding_status === 'ready';
    });
    expect(await get(product, 'a-bad1')).toMatchObject({ embedding_status: 'pending', revision: 1 });
    const { body } = await product.call<{ rows: { revision: number }[] }>(
      'GET',
      '/v1/audit?resource=knowledge:reef',
      undefined,
      { key: made.body.token },
    );
    expect(body.rows.map(({ revision }) => revision)).toEqual([2, 1]);
    provider.behave('ok');
    await ready(product, 'a-bad1', 'a-bad3');
  });

  it('can be had for what was stored without an embedder, or brought its own, by sending it again', async () => {
    const caller = { ACERVO_EMBEDDER: 'caller', ACERVO_EMBEDDING_DIMENSIONS: String(DIMENSIONS) };
    const product = running(await startProduct(caller));
    const bare = { id: 'bare', content: TEXTS.reef };
    const own = { id: 'own', content: TEXTS.ship, vector: Array.from({ length: DIMENSIONS }, (_, i) => i + 1) };
    expect(await post(product, bare)).toMatchObject({ embedding_status: 'none' });
    expect(await post(product, bare, 200)).toMatchObject({ status: 'unchanged' });
    expect(await post(product, own)).toMatchObject({ embedding_status: 'ready' });
    await product.stop();
    const provider = await embedder();
    const again = running(await product.restart(settings(provider)));
    await waitFor('the other space', async () => (await get(again, 'own')).embedding_status === 'none');
    expect(await post(again, bare, 200)).toMatchObject({ status: 'updated', embedding_status: 'ready' });
    await expectVector(again, provider, 'bare', TEXTS.reef);
    const lines = await again.bulk([own]);
    expect(lines).toMatchObject([{ status: 'stored' }]);
    expect(await get(again, 'own')).toMatchObject({ embedding_status: 'ready', revision: 2 });
    expect(idsOf((await search(again, { vector: own.vector, limit: 1 })).hits)).toEqual(['own']);
    expect(await again.bulk([bare, own])).toMatchObject([{ status: 'unchanged' }, { status: 'unchanged' }]);
  });

  it('are made anew in the background when the embedder is changed', async () => {
    const [old, changed] = [await embedder(), await embedder(48)];
    const product = running(await startProduct(settings(old)));
    for (const document of documents) await post(product, document);
    const own = { id: 'own', content: 'own vector', vector: Array.from({ length: DIMENSIONS }, (_, i) => i + 1) };
    expect(await post(product, own)).toMatchObject({ embedding_status: 'ready' });
    await product.stop();

    changed.behave('held');
    const next = { ...settings(changed), ACERVO_EMBEDDING_MODEL: 'next-model', ACERVO_EMBEDDING_DIMENSIONS: '48' };
    const again = running(await product.restart(next));
    await waitFor('the documents to be pending', async () => (await get(again, 'reef')).embedding_status === 'pending');
    expect(idsOf((await search(again, { query: 'coral', mode: 'text' })).hits)).toEqual(['reef']);
    const unitAxis = Array.from({ length: 48 }, (_, i) => (i === 0 ? 1 : 0));
    expect(idsOf((await search(again, { vector: unitAxis })).hits)).toEqual([]);
    changed.behave('ok');
    await ready(again, ...Object.keys(TEXTS));
    for (const [id, text] of Object.entries(TEXTS)) {
      await expectVector(again, changed, id, text);
      expect((await get(again, id)).revision).toBe(2);
    }
    expect(await get(again, 'own')).toMatchObject({ embedding_status: 'none', revision: 1 });
    expect(await refusal(again, { vector: own.vector })).toEqual({ status: 400, code: 'vector:wrong_dimensions' });
    const all = await everyHit(again, { query: 'coral', mode: 'vector' });
    expect(sortedIds(all)).toEqual(Object.keys(TEXTS).sort());
    expect(old.requests.flatMap(({ texts }) => texts)).toHaveLength(documents.length);
  });

  it.runIf(onStack)('are made once by two nodes on one database', async () => {
    const provider = await embedder();
    const one = running(await startProduct(settings(provider)));
    const two = running(await one.restart());
    provider.behave('down');
    const lines = Array.from({ length: 60 }, (_, n) => ({ id: `shared${n}`, content: `shared number${n}` }));
    await Promise.all([one.bulk(lines.slice(0, 30)), two.bulk(lines.slice(30))]);
    const down = provider.requests.length;
    provider.behave('ok');
    await ready(one, ...idsOf(lines));
    await ready(two, ...idsOf(lines));
    const times = new Map<string, number>();
    for (const text of provider.requests.slice(down).flatMap(({ texts }) => texts))
      times.set(text, (times.get(text) ?? 0) + 1);
    // The requests of the last round that failed may have arrived after the count was taken.
    expect([...times.keys()].sort()).toEqual(lines.map(({ content }) => content).sort());
    expect([...times.values()].filter((count) => count > 1).length).toBeLessThanOrEqual(2);
    for (const { id } of lines) expect((await get(one, id)).revision, id).toBe(2);
  });

  it('and requests, retries and failures are counted', async () => {
    const provider = await embedder();
    const product = running(await startProduct({ ...settings(provider), ACERVO_EMBEDDING_MAX_RETRIES: '1' }));
    const counters = async () => {
      const { text } = await product.call('GET', '/metrics');
      const value = (name: string) => Number(new RegExp(`^acervo_embedding_${name} (\\S+)$`, 'm').exec(text)?.[1]);
      const names = ['requests_total', 'failures_total', 'retries_total', 'texts_total', 'pending_documents'];
      return Object.fromEntries(names.map((name) => [name, value(name)]));
    };
    provider.next({ status: 503 }, 'ok');
    await post(product, { id: 'a', passages: [{ text: 'one' }, { text: 'two' }] });
    expect(await counters()).toMatchObject({ requests_total: 2, failures_total: 1, retries_total: 1, texts_total: 2 });
    await search(product, { query: 'one' });
    expect(await counters()).toMatchObject({ requests_total: 3, failures_total: 1, retries_total: 1, texts_total: 3 });
    provider.behave('down');
    expect((await post(product, { id: 'b', content: 'three' })).embedding_status).toBe('pending');
    await waitFor('the pending document in the metrics', async () => (await counters()).pending_documents === 1);
    expect((await counters()).failures_total).toBeGreaterThanOrEqual(3);
    provider.behave('ok');
    await ready(product, 'b');
    await waitFor('nothing pending', async () => (await counters()).pending_documents === 0);
    expect((await counters()).texts_total).toBe(4);
  });
});
