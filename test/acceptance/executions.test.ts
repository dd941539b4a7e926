import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type Artifact,
  artifactsOf,
  keyFor,
  type Reserved,
  reconciled,
  sendWell,
  sha256,
} from '../support/artifacts.js';
import { startEmbeddingServer } from '../support/embedding-servers.js';
import { expectProblem, knowledgeOf, type Stored, withWords } from '../support/knowledge.js';
import { objectsUnavailable, type ProductWithObjects, startProductWithObjects } from '../support/objects.js';
import { waitFor } from '../support/stack-servers.js';

interface Executed {
  session: { id: string; status: string; state: Record<string, unknown>; revision: number; agent_id?: string };
  artifact?: Reserved;
  knowledge?: Stored;
  decision?: { id: string };
}

interface Lineage {
  nodes: { resource: string; kind: string; status?: string; outcome?: { status: string } }[];
  edges: { kind: string; from: string; to: string }[];
  truncated: boolean;
}

const BYTES = Buffer.from('quarter,revenue\n1,100\n');
const step = (name: string, more: Record<string, unknown> = {}) => ({
  session: { id: `run-${name}`, agent_id: 'analyst', user: 'ana', state: { step: 1 } },
  artifact: { id: `file-${name}`, name: `${name}.csv`, content_type: 'text/csv', size_bytes: BYTES.length },
  knowledge: { id: `about-${name}`, title: 'Revenue', description: `Revenue of the first quarter, ${name}zebra.` },
  decision: { id: `cut-${name}`, decision_type: 'action', reasoning: 'Cut the budget.', evidence: [`about-${name}`] },
  ...more,
});

describe.skipIf(objectsUnavailable)('POST /v1/executions', () => {
  let all: ProductWithObjects;
  beforeAll(async () => {
    all = await startProductWithObjects();
  });
  afterAll(() => all?.stop());

  const execute = (body: unknown, headers: Record<string, string> = {}, key = all.product.key) =>
    all.product.call<Executed & Record<string, unknown>>('POST', '/v1/executions', body, { headers, key });
  const lineage = async (resource: string, query = '', key = all.product.key) =>
    (
      await all.product.call<Lineage & Record<string, unknown>>('GET', `/v1/lineage/${resource}${query}`, undefined, {
        key,
      })
    ).body;
  const artifacts = () => artifactsOf(all.product);

  it('stores a step; the upload that it describes completes it', async () => {
    const answer = await execute(step('whole'));
    expect(answer.status, answer.text).toBe(201);
    const { session, artifact, knowledge, decision } = answer.body;
    expect(session).toMatchObject({
      id: 'run-whole',
      status: 'active',
      state: { step: 1 },
      agent_id: 'analyst',
      revision: 1,
    });
    expect(artifact).toMatchObject({
      id: 'file-whole',
      status: 'reserved',
      session_id: 'run-whole',
      agent_id: 'analyst',
    });
    expect([knowledge?.id, decision?.id]).toEqual(['about-whole', 'cut-whole']);
    expect(answer.headers.get('etag')).toBe('"1"');

    await sendWell(artifact!.upload, BYTES);
    await artifacts().complete('file-whole');
    expect((await artifacts().get('file-whole')).body).toMatchObject({ status: 'stored' } satisfies Partial<Artifact>);
    expect(sha256(await artifacts().bytes('file-whole'))).toBe(sha256(BYTES));
    const document = (await knowledgeOf(all.product).get('about-whole')).body;
    expect(document).toMatchObject({ artifact_id: 'file-whole', embedding_status: 'ready' });
    expect(await withWords(all.product, 'wholezebra')).toEqual(['about-whole']);
  });

  it('tells what led to what, up and down', async () => {
    const { nodes, edges, truncated } = await lineage('artifact:file-whole', '?direction=up&depth=3');
    expect(nodes[0]).toMatchObject({ resource: 'artifact:file-whole', status: 'stored' });
    // The knowledge is evidence of the decision, whose product the file is: up from the file leads back to it.
    const sorted = <T>(list: T[]) => list.map((one) => JSON.stringify(one)).toSorted();
    expect(nodes.map(({ resource }) => resource).toSorted()).toEqual([
      ...['agent:analyst', 'artifact:file-whole', 'decision:cut-whole', 'knowledge:about-whole', 'session:run-whole'],
    ]);
    expect(sorted(edges)).toEqual(
      sorted([
        { kind: 'decides', from: 'agent:analyst', to: 'decision:cut-whole' },
        { kind: 'decides', from: 'session:run-whole', to: 'decision:cut-whole' },
        { kind: 'derived_from', from: 'knowledge:about-whole', to: 'artifact:file-whole' },
        { kind: 'produces', from: 'decision:cut-whole', to: 'artifact:file-whole' },
        { kind: 'produces', from: 'session:run-whole', to: 'artifact:file-whole' },
        { kind: 'supports', from: 'knowledge:about-whole', to: 'decision:cut-whole' },
      ]),
    );
    expect(truncated).toBe(false);
    const down = await lineage('session:run-whole', '?direction=down&depth=2');
    expect(down.nodes.map(({ resource }) => resource)).toEqual([
      ...['session:run-whole', 'decision:cut-whole', 'artifact:file-whole', 'knowledge:about-whole'],
    ]);
  });

  it('gives search results their file, session and the outcomes of their decisions', async () => {
    await all.product.call('PATCH', '/v1/decisions/cut-whole', { outcome: { status: 'success', summary: 'Saved.' } });
    const answer = await knowledgeOf(all.product).search({ query: 'wholezebra', mode: 'text', lineage: {} });
    const [hit] = answer.body.hits as unknown as { id: string; minio_ref: { name: string }; lineage: Lineage }[];
    expect(hit).toMatchObject({ id: 'about-whole', minio_ref: { name: 'whole.csv' } });
    const byKind = Object.fromEntries(hit!.lineage.nodes.map((node) => [node.kind, node]));
    expect(Object.keys(byKind).toSorted()).toEqual(['artifact', 'decision', 'knowledge', 'session']);
    expect(byKind.decision?.outcome).toMatchObject({ status: 'success', summary: 'Saved.' });
    expect(byKind.session?.resource).toBe('session:run-whole');
    const without = await knowledgeOf(all.product).search({ query: 'wholezebra', mode: 'text' });
    expect(without.body.hits[0]).not.toHaveProperty('lineage');
    const key = await keyFor(all.product, { scopes: ['search:read'] });
    const refused = await all.product.call('POST', '/v1/search', { query: 'wholezebra', lineage: {} }, { key });
    expectProblem(refused, 403, 'auth:scope_missing');
  });

  it('patches a session that exists', async () => {
    const body = { session: { id: 'run-whole', state: { step: 2, found: true }, status: 'paused' } };
    expect((await execute(body)).body.session).toMatchObject({ status: 'paused', state: { step: 2, found: true } });
    const more = await execute({ session: { id: 'run-whole', state: { found: null } } });
    expect(more.body.session).toMatchObject({ status: 'paused', state: { step: 2 }, revision: 3 });
    expect(more.body.session.state).not.toHaveProperty('found');
  });

  it('sent again with its Idempotency-Key changes nothing and answers the same ids, also after the upload', async () => {
    const headers = { 'idempotency-key': 'step-again' };
    const body = { ...step('again'), artifact: { ...step('again').artifact, id: undefined } };
    const first = await execute(body, headers);
    const again = await execute(body, headers);
    expect([first.status, again.status]).toEqual([201, 201]);
    const ids = ({ session, artifact, knowledge, decision }: Executed) =>
      [session, artifact, knowledge, decision].map((one) => one?.id);
    expect(ids(again.body)).toEqual(ids(first.body));
    expect(again.body.session.revision).toBe(1);
    expect(again.headers.get('acervo-audit-id')).toBe(first.headers.get('acervo-audit-id'));
    await sendWell(again.body.artifact!.upload, BYTES);
    await artifacts().complete(first.body.artifact!.id);
    const late = await execute(body, headers);
    expect(late.body.artifact).toMatchObject({ id: first.body.artifact!.id, status: 'stored' });
    expect(late.body.artifact).not.toHaveProperty('upload');
    expectProblem(await execute({ ...body, session: { id: 'other' } }, headers), 422, 'idempotency:key_reused');
  });

  it.each([
    ['no content', { knowledge: { title: 'Nothing' } }, 400, 'request:invalid'],
    ['content twice', { knowledge: { content: 'x', description: 'x' } }, 400, 'request:invalid'],
    [
      'an unknown bucket',
      { artifact: { bucket: 'nowhere', name: 'x', size_bytes: 1 } },
      404,
      'artifact:bucket_not_found',
    ],
    [
      'missing evidence',
      { decision: { decision_type: 'action', reasoning: 'x', evidence: ['no'] } },
      404,
      'knowledge:not_found',
    ],
  ])('with %s leaves nothing behind', async (_, fault, status, code) => {
    expectProblem(await execute(step('refused', fault)), status, code);
    for (const path of [
      'sessions/run-refused',
      'artifacts/file-refused',
      'knowledge/about-refused',
      'decisions/cut-refused',
    ])
      expect([path, (await all.product.call('GET', `/v1/${path}`)).status]).toEqual([path, 404]);
    expect(await withWords(all.product, 'refusedzebra')).toEqual([]);
  });

  it('needs the scope of each of its parts', async () => {
    const scopes = ['sessions:write', 'artifacts:write', 'knowledge:write', 'decisions:write'];
    for (const missing of scopes) {
      const key = await keyFor(all.product, { scopes: scopes.filter((scope) => scope !== missing) });
      expectProblem(await execute(step(`no-${missing.split(':')[0]}`), {}, key), 403, 'auth:scope_missing');
    }
    const key = await keyFor(all.product, { scopes: ['sessions:write'] });
    expect((await execute({ session: { id: 'only-session' } }, {}, key)).status).toBe(201);
  });

  it('left by a crash between its answer and the upload is a reservation that reconcile knows', async () => {
    const answer = await execute(step('crash'));
    expect(answer.status, answer.text).toBe(201);
    await all.product.stop('SIGKILL');
    await all.restart();
    expect((await artifacts().get('file-crash')).body).toMatchObject({ status: 'reserved', session_id: 'run-crash' });
    const found = (await reconciled(all.product)).filter(({ artifact_id }) => artifact_id === 'file-crash');
    expect(found).toEqual([]);
    expect((await artifacts().get('file-crash')).body.status).toBe('reserved');
    await sendWell((await artifacts().upload('file-crash')).body.upload, BYTES);
    await artifacts().complete('file-crash');
    expect(sha256(await artifacts().bytes('file-crash'))).toBe(sha256(BYTES));
    expect((await lineage('artifact:file-crash', '?direction=up&depth=1')).nodes).toHaveLength(3);
  });
});

describe.skipIf(objectsUnavailable)('POST /v1/executions while the embedder is away', () => {
  it('stores the step; its vectors come later', async () => {
    const provider = await startEmbeddingServer('openai', { dimensions: 8 });
    const all = await startProductWithObjects({
      ...{ ACERVO_EMBEDDER: 'openai', ACERVO_EMBEDDING_URL: provider.url, ACERVO_EMBEDDING_MODEL: 'test-model' },
      ...{ ACERVO_EMBEDDING_DIMENSIONS: '8', ACERVO_EMBEDDING_TIMEOUT_MS: '1000', ACERVO_EMBEDDING_MAX_RETRIES: '0' },
    });
    try {
      provider.behave('down');
      const answer = await all.product.call<Executed & Record<string, unknown>>('POST', '/v1/executions', step('away'));
      expect(answer.status, answer.text).toBe(201);
      expect(answer.body.knowledge?.embedding_status).toBe('pending');
      expect(answer.body.decision).toMatchObject({ embedding_status: 'pending' });
      provider.behave('ok');
      for (const path of ['knowledge/about-away', 'decisions/cut-away'])
        await waitFor(`vectors of ${path}`, async () => {
          const { body } = await all.product.call('GET', `/v1/${path}`);
          return body.embedding_status === 'ready';
        });
    } finally {
      await all.stop();
      await provider.close();
    }
  });
});
