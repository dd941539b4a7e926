import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import { type EmbeddingServer, startEmbeddingServer } from '../support/embedding-servers.js';
import { type Product, startProduct, unavailable } from '../support/product.js';
import { cosine, idsOf, search, sortedIds } from '../support/search.js';
import { waitFor } from '../support/stack-servers.js';

const DIMENSIONS = 32;
const PATH = '/v1/decisions/search';

function settings(provider: EmbeddingServer, dimensions = DIMENSIONS): Record<string, string> {
  return {
    ACERVO_EMBEDDER: 'openai',
    ACERVO_EMBEDDING_URL: provider.url,
    ACERVO_EMBEDDING_MODEL: `model-${dimensions}`,
    ACERVO_EMBEDDING_DIMENSIONS: String(dimensions),
    ACERVO_EMBEDDING_TIMEOUT_MS: '1000',
    ACERVO_EMBEDDING_MAX_RETRIES: '0',
  };
}

const REASONINGS = {
  dam: 'the dam holds until the thaw',
  rail: 'freight by rail costs less than by road',
  seed: 'late seed ripens before the frost',
};

describe.skipIf(unavailable)('vectors of decisions', () => {
  const closing: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close();
  });

  async function embedder(dimensions = DIMENSIONS): Promise<EmbeddingServer> {
    const provider = await startEmbeddingServer('openai', { dimensions });
    closing.push(() => provider.close());
    return provider;
  }
  function running(product: Product): Product {
    onTestFinished(() => product.stop('SIGKILL'));
    return product;
  }
  const post = async (product: Product, id: string, reasoning: string, more: object = {}) => {
    const body = { id, agent_id: 'keeper', decision_type: 'analysis', reasoning, ...more };
    const answer = await product.call('POST', '/v1/decisions', body);
    expect(answer.status, answer.text).toBe(201);
    return answer.body;
  };
  const get = async (product: Product, id: string) => (await product.call('GET', `/v1/decisions/${id}`)).body;
  const hits = async (product: Product, body: Record<string, unknown>) =>
    (await search(product, { limit: 50, ...body }, undefined, PATH)).hits;
  const withStatus = (product: Product, id: string, status: string) =>
    waitFor(`${id} to be ${status}`, async () => (await get(product, id)).embedding_status === status, 40_000);

  /** The cosine under which a text must be found: search has the vectors that the provider sent, and no others. */
  async function expectVector(product: Product, provider: EmbeddingServer, id: string, text: string): Promise<void> {
    const query = `about ${text}`;
    const [hit, ...others] = await hits(product, { query, mode: 'vector', filter: { id } });
    expect(others).toEqual([]);
    expect(hit!.score).toBeCloseTo(cosine(provider.vectorOf(text), provider.vectorOf(query)), 3.5);
  }

  it('wait for an embedder that is away, while words find them, and are made when it is back', async () => {
    const provider = await embedder();
    const product = running(await startProduct(settings(provider)));
    provider.behave('down');
    // Documents wait in the same queue.
    await product.call('POST', '/v1/knowledge', { id: 'doc', content: 'a document that waits as well' });
    for (const [id, text] of Object.entries(REASONINGS))
      expect(await post(product, id, text)).toMatchObject({ embedding_status: 'pending', revision: 1 });
    expect(idsOf(await hits(product, { query: 'freight rail', mode: 'text' }))).toEqual(['rail']);
    await waitFor('the waiting ones in the metrics', async () =>
      (await product.call('GET', '/metrics')).text.includes('acervo_embedding_pending_documents 4'),
    );
    await product.stop('SIGKILL');
    provider.behave('ok');
    const again = running(await product.restart());
    for (const [id, text] of Object.entries(REASONINGS)) {
      await withStatus(again, id, 'ready');
      await expectVector(again, provider, id, text);
      expect(await get(again, id)).toMatchObject({ revision: 2, reasoning: text });
    }
    expect(sortedIds(await hits(again, { query: 'anything', mode: 'vector' }))).toEqual(Object.keys(REASONINGS));
  });

  it('that are refused are told of, and the decision stays', async () => {
    const provider = await embedder();
    const product = running(await startProduct(settings(provider)));
    provider.behave({ status: 400 });
    expect(await post(product, 'refused', 'words that are refused')).toMatchObject({ embedding_status: 'failed' });
    expect(await get(product, 'refused')).toMatchObject({ embedding_error: 'embedding:rejected', revision: 1 });
    expect(idsOf(await hits(product, { query: 'refused words', mode: 'text' }))).toEqual(['refused']);
    const outcome = { status: 'success' };
    const patched = await product.call('PATCH', '/v1/decisions/refused', { outcome, metadata: { seen: 1 } });
    expect([patched.status, patched.body], patched.text).toMatchObject([200, { embedding_status: 'failed' }]);
    const after = { embedding_status: 'failed', embedding_error: 'embedding:rejected', outcome, metadata: { seen: 1 } };
    expect(await get(product, 'refused')).toMatchObject({ ...after, revision: 2 });
  });

  it('are made anew when the embedder is changed, but for those that came from callers', async () => {
    const [old, changed] = [await embedder(), await embedder(48)];
    const product = running(await startProduct(settings(old)));
    for (const [id, text] of Object.entries(REASONINGS)) await post(product, id, text);
    const vector = Array.from({ length: DIMENSIONS }, (_, i) => i + 1);
    expect(await post(product, 'own', 'a vector of its own', { vector })).toMatchObject({ embedding_status: 'ready' });
    expect(idsOf(await hits(product, { vector, limit: 1 }))).toEqual(['own']);
    await product.stop();

    const again = running(await product.restart(settings(changed, 48)));
    await withStatus(again, 'own', 'none');
    for (const [id, text] of Object.entries(REASONINGS)) {
      await withStatus(again, id, 'ready');
      await expectVector(again, changed, id, text);
    }
    expect(sortedIds(await hits(again, { query: 'anything', mode: 'vector' }))).toEqual(Object.keys(REASONINGS));
    // A delete reaches the vectors of the space before, too: back there it is not found.
    expect((await again.call('DELETE', '/v1/decisions/own')).status).toBe(204);
    await again.stop();
    const back = running(await again.restart(settings(old)));
    await withStatus(back, 'dam', 'ready');
    expect(idsOf(await hits(back, { vector }))).not.toContain('own');
  });
});
