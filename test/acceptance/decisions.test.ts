import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectProblem } from '../support/knowledge.js';
import { type Answer, type Product, startProduct, unavailable } from '../support/product.js';
import { idsOf, search } from '../support/search.js';

interface Stored {
  id: string;
  revision: number;
  status: string;
  embedding_status: string;
  passage_count: number;
  created_at: string;
  updated_at: string;
  audit_id?: string;
}

interface Decision extends Omit<Stored, 'status' | 'audit_id'> {
  agent_id: string;
  session_id?: string;
  decision_type: string;
  outcome?: { status: string; summary?: string; recorded_at: string };
  metadata: Record<string, unknown>;
  size_bytes: number;
  reasoning: string;
  evidence: string[];
  products: string[];
}

type Headers = Record<string, string>;

/** The verbs of one product, with the key given or the admin's. */
function decisionsOf(product: Product, key = product.key) {
  const call = <Body>(method: string, path: string, body?: unknown, headers: Headers = {}): Promise<Answer<Body>> =>
    product.call(method, path, body, { headers, key });
  const at = (id: string) => `/v1/decisions/${id}`;
  return {
    post: (body: object, headers?: Headers) => call<Stored>('POST', '/v1/decisions', body, headers),
    get: (id: string) => call<Decision>('GET', at(id)),
    patch: (id: string, body: object, headers?: Headers) => call<Stored>('PATCH', at(id), body, headers),
    remove: (id: string, headers?: Headers) => call('DELETE', at(id), undefined, headers),
    list: (query: Record<string, string> = {}) =>
      call<{ decisions: Decision[]; cursor?: string }>('GET', `/v1/decisions?${new URLSearchParams(query)}`),
  };
}

const plain = (id: string, more: object = {}) => ({
  ...{ id, agent_id: 'analyst', decision_type: 'analysis', reasoning: `The ledger ${id} does not balance.` },
  ...more,
});

describe.skipIf(unavailable)('decisions', () => {
  let product: Product;
  let decisions: ReturnType<typeof decisionsOf>;

  const boundKey = async (agent_id: string) => {
    const scopes = [
      ...['decisions:read', 'decisions:write', 'knowledge:read', 'knowledge:write'],
      ...['artifacts:read', 'sessions:write'],
    ];
    const made = await product.call<{ token: string }>('POST', '/v1/keys', { name: agent_id, scopes, agent_id });
    expect(made.status, made.text).toBe(201);
    return made.body.token;
  };
  const document = async (id: string, agent_id = 'analyst') => {
    const stored = await product.call('POST', '/v1/knowledge', { id, agent_id, content: `Source ${id}.` });
    expect(stored.status, stored.text).toBe(201);
  };
  const artifact = async (id: string, agent_id = 'analyst') => {
    const file = { id, agent_id, bucket: 'agents-artifacts', name: id, content_type: 'text/csv', size_bytes: 3 };
    const reserved = await product.call('POST', '/v1/artifacts', file);
    expect(reserved.status, reserved.text).toBe(201);
  };
  const session = async (id: string, agent_id = 'analyst') => {
    const made = await product.call('POST', '/v1/sessions', { id, agent_id });
    expect(made.status, made.text).toBe(201);
  };
  const created = async (body: object): Promise<Stored> => {
    const answer = await decisions.post(body);
    expect(answer.status, answer.text).toBe(201);
    return answer.body;
  };
  const read = async (id: string): Promise<Decision> => {
    const answer = await decisions.get(id);
    expect(answer.status, answer.text).toBe(200);
    return answer.body;
  };
  const found = async (query: string, mode: 'text' | 'vector') =>
    idsOf((await search(product, { query, mode, limit: 100 }, undefined, '/v1/decisions/search')).hits);

  beforeAll(async () => {
    product = await startProduct();
    decisions = decisionsOf(product);
    for (const id of ['k1', 'k2', 'k3']) await document(id);
    for (const id of ['a1', 'a2']) await artifact(id);
    await document('k-foreign', 'stranger');
    await artifact('a-foreign', 'stranger');
  });
  afterAll(() => product?.stop());

  describe('record', () => {
    it('what was decided, by whom, on what, and what came of it', async () => {
      await session('run-1');
      const outcome = { status: 'partial', summary: 'Approved in part.' };
      const input = plain('whole', {
        session_id: 'run-1',
        decision_type: 'escalation',
        reasoning: 'Invoice 4711 exceeds its order.\nA person must approve it.',
        outcome,
        metadata: { amount: 4711.5, tags: ['invoice'] },
        evidence: ['k2', 'k1', 'k2'],
        products: ['a2'],
      });
      const answer = await decisions.post(input);
      expect(answer.status, answer.text).toBe(201);
      expect(answer.headers.get('etag')).toBe('"1"');
      expect(answer.headers.get('location')).toBe('/v1/decisions/whole');
      expect(answer.body).toMatchObject({ id: 'whole', revision: 1, status: 'created', embedding_status: 'ready' });
      expect(answer.body.audit_id).toMatch(/Z_[0-9a-f-]{36}$/);

      const shown = await decisions.get('whole');
      expect(shown.headers.get('etag')).toBe('"1"');
      const { created_at } = answer.body;
      expect(shown.body).toEqual({
        ...input,
        outcome: { ...outcome, recorded_at: expect.stringMatching(/Z$/) },
        evidence: ['k1', 'k2'],
        products: ['a2'],
        ...{ revision: 1, passage_count: 1, size_bytes: Buffer.byteLength(input.reasoning), embedding_status: 'ready' },
        ...{ created_at, updated_at: created_at },
      });
      expect(await found('approve invoice', 'text')).toEqual(['whole']);
      expect((await found('exceeds order', 'vector'))[0]).toBe('whole');
    });

    it('without a word of what the key has no scope for', async () => {
      await created(plain('linked', { evidence: ['k1'], products: ['a1'] }));
      const make = async (scopes: string[]) => {
        const made = await product.call<{ token: string }>('POST', '/v1/keys', { name: 'part', scopes });
        return decisionsOf(product, made.body.token);
      };
      const writer = ['decisions:read', 'decisions:write'];
      const [neither, one] = [await make(writer), await make([...writer, 'knowledge:read'])];
      expect((await neither.get('linked')).body).toMatchObject({ evidence: [], products: [] });
      expect((await one.get('linked')).body).toMatchObject({ evidence: ['k1'], products: [] });
      for (const id of ['k1', 'no-such']) {
        expectProblem(await neither.post(plain('blind', { evidence: [id] })), 403, 'auth:scope_missing');
        expectProblem(await neither.post(plain('blind', { products: [id] })), 403, 'auth:scope_missing');
        expectProblem(await one.patch('linked', { add_products: [id] }), 403, 'auth:scope_missing');
      }
      expect((await one.post(plain('seeing', { evidence: ['k1'] }))).status).toBe(201);
    });

    it('a long reasoning in passages, found by the words of each', async () => {
      const sentences = Array.from({ length: 400 }, (_, n) => `Step ${n} weighs marker${n}x against the others.`);
      const reasoning = sentences.join(' ');
      const stored = await created(plain('long', { reasoning }));
      expect(stored.passage_count).toBeGreaterThan(10);
      for (const n of [0, 200, 399]) expect(await found(`marker${n}x`, 'text')).toEqual(['long']);
      expect((await read('long')).reasoning).toBe(reasoning);
    });

    it('under ids made here, which rise', async () => {
      const { id: _, ...unnamed } = plain('');
      const ids = [(await created(unnamed)).id, (await created(unnamed)).id];
      expect(ids[0]).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/);
      expect(ids[0]! < ids[1]!).toBe(true);
    });

    it('nothing under an id that is taken', async () => {
      await created(plain('taken'));
      expectProblem(await decisions.post(plain('taken', { reasoning: 'Another.' })), 409, 'decision:id_unavailable');
      expect((await read('taken')).reasoning).toBe('The ledger taken does not balance.');
    });

    it.each([
      ['evidence', { evidence: ['k1', 'k-none'] }, 'knowledge:not_found'],
      ['products', { evidence: ['k1'], products: ['a1', 'a-none'] }, 'artifact:not_found'],
      ['session', { evidence: ['k1'], session_id: 'run-none' }, 'session:not_found'],
    ])('nothing when it names %s that is not there', async (kind, links, code) => {
      const id = `without-${kind}`;
      expectProblem(await decisions.post(plain(id, links)), 404, code);
      expectProblem(await decisions.get(id), 404, 'decision:not_found');
      expect(await found(id, 'text')).not.toContain(id);
      await created(plain(id));
      expect(await read(id)).toMatchObject({ revision: 1, evidence: [], products: [] });
    });

    it.each<[string, object]>([
      ['agent_id', { agent_id: undefined }],
      ['decision_type', { decision_type: 'guess' }],
      ['reasoning', { reasoning: '' }],
      ['reasoning', { reasoning: ' \n ' }],
      ['reasoning', { reasoning: `${'ä'.repeat(50_000)}.` }],
      ['outcome.status', { outcome: { status: 'fine' } }],
      ['outcome.recorded_at', { outcome: { status: 'success', recorded_at: '2026-01-01T00:00:00Z' } }],
      ['evidence', { evidence: Array.from({ length: 101 }, () => 'k1') }],
      ['products', { products: Array.from({ length: 101 }, () => 'a1') }],
      ['verdict', { verdict: true }],
    ])('nothing with a wrong %s', async (path, more) => {
      const problem = expectProblem(await decisions.post(plain('wrong', more)), 400, 'request:invalid');
      expect(problem.errors.map((fault) => fault.path)).toEqual([path]);
      expectProblem(await decisions.get('wrong'), 404, 'decision:not_found');
    });

    it('a reasoning of exactly 100 KB', async () => {
      const reasoning = 'ä'.repeat(50_000);
      expect(await created(plain('largest', { reasoning }))).toMatchObject({ embedding_status: 'ready' });
      expect(await read('largest')).toMatchObject({ reasoning, size_bytes: 100_000 });
    });

    it('no metadata beyond the bounds, and no vector of another space', async () => {
      const metadata = { note: 'x'.repeat(17_000) };
      expectProblem(await decisions.post(plain('wrong', { metadata })), 400, 'knowledge:metadata_too_large');
      expectProblem(await decisions.post(plain('wrong', { vector: [1, 0] })), 400, 'vector:wrong_dimensions');
    });
  });

  describe('change', () => {
    it('their outcome when it is known, and as often as it is known better', async () => {
      await created(plain('open'));
      expect(await read('open')).not.toHaveProperty('outcome');
      const first = await decisions.patch('open', { outcome: { status: 'unknown' } }, { 'if-match': '"1"' });
      expect(first.status, first.text).toBe(200);
      expect(first.headers.get('etag')).toBe('"2"');
      expect(first.body).toMatchObject({ id: 'open', revision: 2, status: 'updated' });
      const early = (await read('open')).outcome!;
      expect(early).toEqual({ status: 'unknown', recorded_at: expect.stringMatching(/^20.*Z$/) });

      const again = await decisions.patch('open', { outcome: { status: 'unknown' } });
      expect(again.body).toMatchObject({ revision: 2, status: 'unchanged' });
      expect(again.body).not.toHaveProperty('audit_id');
      expect((await read('open')).outcome).toEqual(early);

      await decisions.patch('open', { outcome: { status: 'success', summary: 'It balances now.' } });
      const { outcome, reasoning, created_at, updated_at } = await read('open');
      expect(outcome).toMatchObject({ status: 'success', summary: 'It balances now.' });
      // As times: a whole second has no fraction, and its text comes after all that have one.
      expect(Date.parse(outcome!.recorded_at)).toBeGreaterThanOrEqual(Date.parse(early.recorded_at));
      expect(reasoning).toBe('The ledger open does not balance.');
      expect(Date.parse(updated_at)).toBeGreaterThan(Date.parse(created_at));

      await decisions.patch('open', { outcome: null });
      expect(await read('open')).not.toHaveProperty('outcome');
    });

    it('their metadata by merge patch, and their links by adding', async () => {
      await created(plain('growing', { metadata: { a: 1, deep: { b: 2, c: 3 } }, evidence: ['k1'] }));
      const patch = { metadata: { a: null, deep: { b: 4 } }, add_evidence: ['k2', 'k1'], add_products: ['a1'] };
      expect((await decisions.patch('growing', patch)).body).toMatchObject({ revision: 2, status: 'updated' });
      expect(await read('growing')).toMatchObject({ evidence: ['k1', 'k2'], products: ['a1'] });
      expect((await read('growing')).metadata).toEqual({ deep: { b: 4, c: 3 } });
      expect((await decisions.patch('growing', patch)).body).toMatchObject({ revision: 2, status: 'unchanged' });
      expect((await decisions.patch('growing', { add_evidence: ['k3'] })).body).toMatchObject({ revision: 3 });
      expectProblem(await decisions.patch('growing', { add_evidence: ['k-none'] }), 404, 'knowledge:not_found');
      expect(await read('growing')).toMatchObject({ revision: 3, evidence: ['k1', 'k2', 'k3'] });
    });

    it.each(['reasoning', 'decision_type'])('never their %s', async (field) => {
      await created(plain(`history-${field.length}`));
      const answer = await decisions.patch(`history-${field.length}`, { [field]: 'action' });
      const [fault] = expectProblem(answer, 400, 'request:invalid').errors;
      expect(fault).toMatchObject({ path: field, message: expect.stringContaining('a decision is history') });
      expect(await read(`history-${field.length}`)).toMatchObject({ revision: 1, decision_type: 'analysis' });
    });

    it('nothing over a revision that is not current', async () => {
      await created(plain('stale'));
      await decisions.patch('stale', { metadata: { n: 1 } });
      const late = await decisions.patch('stale', { metadata: { n: 2 } }, { 'if-match': '"1"' });
      expectProblem(late, 412, 'revision:mismatch');
      expectProblem(await decisions.remove('stale', { 'if-match': '"1"' }), 412, 'revision:mismatch');
      expect(await read('stale')).toMatchObject({ revision: 2, metadata: { n: 1 } });
      expectProblem(await decisions.patch('none', { metadata: {} }), 404, 'decision:not_found');
    });
  });

  it('go with their passages and links when they are deleted, and count on under the same id', async () => {
    const input = plain('passing', { reasoning: 'The heron flew over the weir.', evidence: ['k1'], products: ['a1'] });
    await created(input);
    expect(await found('heron weir', 'text')).toEqual(['passing']);
    const removed = await decisions.remove('passing', { 'if-match': '"1"' });
    expect([removed.status, removed.text]).toEqual([204, '']);
    expect(removed.headers.get('acervo-audit-id')).toMatch(/Z_/);
    expectProblem(await decisions.get('passing'), 404, 'decision:not_found');
    expectProblem(await decisions.remove('passing'), 404, 'decision:not_found');
    expect(await found('heron weir', 'text')).toEqual([]);
    expect(await found('heron weir', 'vector')).not.toContain('passing');
    expect(await created({ ...input, evidence: [], products: [] })).toMatchObject({ revision: 3, status: 'created' });
    expect(await read('passing')).toMatchObject({ revision: 3, evidence: [], products: [] });
  });

  it('lose the evidence that is deleted, and stay', async () => {
    await document('k-fleeting');
    await created(plain('standing', { evidence: ['k-fleeting', 'k1'] }));
    expect((await product.call('DELETE', '/v1/knowledge/k-fleeting')).status).toBe(204);
    expect((await read('standing')).evidence).toEqual(['k1']);
    await document('k-fleeting');
    expect((await read('standing')).evidence).toEqual(['k1']);
  });

  describe('sent again under one Idempotency-Key', () => {
    it('are recorded once, whatever id was made', async () => {
      const { id: _, ...unnamed } = plain('', { agent_id: 'repeater' });
      const key = { 'idempotency-key': 'record-once' };
      const [first, second] = [await decisions.post(unnamed, key), await decisions.post(unnamed, key)];
      expect([first.status, second.status]).toEqual([201, 201]);
      expect(second.body).toEqual(first.body);
      const filter = JSON.stringify({ agent_id: 'repeater' });
      expect(idsOf((await decisions.list({ filter })).body.decisions)).toEqual([first.body.id]);
      const other = await decisions.post({ ...unnamed, reasoning: 'Something else.' }, key);
      expectProblem(other, 422, 'idempotency:key_reused');
    });

    it('are patched and deleted once', async () => {
      await created(plain('once'));
      const key = { 'idempotency-key': 'patch-once', 'if-match': '"1"' };
      const patch = { outcome: { status: 'failure' }, add_evidence: ['k1'] };
      const first = await decisions.patch('once', patch, key);
      expect(first.body).toMatchObject({ revision: 2, status: 'updated' });
      await decisions.patch('once', { metadata: { later: true } });
      expect((await decisions.patch('once', patch, key)).body).toEqual(first.body);
      expect(await read('once')).toMatchObject({ revision: 3, metadata: { later: true } });
      const removal = { 'idempotency-key': 'delete-once' };
      expect((await decisions.remove('once', removal)).status).toBe(204);
      expect((await decisions.remove('once', removal)).status).toBe(204);
    });
  });

  describe('of a key that is bound to an agent', () => {
    it('are of that agent, and of no other', async () => {
      const own = decisionsOf(product, await boundKey('analyst'));
      const { agent_id: _, ...unsigned } = plain('signed', { evidence: ['k1'], products: ['a1'] });
      expect((await own.post(unsigned)).status).toBe(201);
      expect(await read('signed')).toMatchObject({ agent_id: 'analyst', evidence: ['k1'], products: ['a1'] });
      expectProblem(await own.post(plain('forged', { agent_id: 'stranger' })), 403, 'auth:agent_mismatch');
      expectProblem(await own.post(plain('forged', { evidence: ['k-foreign'] })), 404, 'knowledge:not_found');
      expectProblem(await own.post(plain('forged', { products: ['a-foreign'] })), 404, 'artifact:not_found');
      await session('run-foreign', 'stranger');
      expectProblem(await own.post(plain('forged', { session_id: 'run-foreign' })), 404, 'session:not_found');
      expectProblem(await decisions.get('forged'), 404, 'decision:not_found');
    });

    it('are all that it sees and changes; others look absent', async () => {
      const own = decisionsOf(product, await boundKey('hermit'));
      await created(plain('hermits', { agent_id: 'hermit', evidence: ['k1'], products: ['a1'] }));
      await created(plain('not-hermits', { agent_id: 'stranger' }));
      for (const answer of [
        await own.get('not-hermits'),
        await own.patch('not-hermits', { outcome: { status: 'success' } }),
        await own.remove('not-hermits'),
        await own.get('no-such'),
      ])
        expectProblem(answer, 404, 'decision:not_found');
      expectProblem(await own.post(plain('not-hermits', { agent_id: 'hermit' })), 409, 'decision:id_unavailable');
      expect(idsOf((await own.list()).body.decisions)).toEqual(['hermits']);
      // What belongs to another agent is absent, not hinted at.
      expect((await own.get('hermits')).body).toMatchObject({ evidence: [], products: [] });
      expectProblem(await own.patch('hermits', { add_evidence: ['k2'] }), 404, 'knowledge:not_found');
      expect((await own.patch('hermits', { outcome: { status: 'success' } })).status).toBe(200);
      expect(await read('hermits')).toMatchObject({ outcome: { status: 'success' }, evidence: ['k1'] });
      expect(await read('not-hermits')).not.toHaveProperty('outcome');
      expect((await own.remove('hermits')).status).toBe(204);
    });
  });

  describe('in a list', () => {
    const rows = Array.from({ length: 12 }, (_, n) => ({
      ...plain(`row-${String(n).padStart(2, '0')}`, {
        agent_id: n % 2 === 0 ? 'lister' : 'lister-2',
        decision_type: ['analysis', 'action', 'escalation'][n % 3],
        metadata: { n, list: true },
      }),
      ...(n % 4 === 0 ? { outcome: { status: 'failure' } } : {}),
    }));
    const every = { 'metadata.list': true };
    const listed = async (filter: object, query: Record<string, string> = {}) => {
      const answer = await decisions.list({ filter: JSON.stringify(filter), limit: '100', ...query });
      expect(answer.status, answer.text).toBe(200);
      return answer.body;
    };
    const numbers = async (filter: object) =>
      (await listed({ ...every, ...filter })).decisions.map(({ metadata }) => metadata.n);
    beforeAll(async () => {
      for (const row of rows) await created(row);
    });

    it('are those that the filter keeps, in the order of their ids', async () => {
      expect(await numbers({})).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
      expect(await numbers({ decision_type: 'action' })).toEqual([1, 4, 7, 10]);
      expect(await numbers({ 'outcome.status': 'failure' })).toEqual([0, 4, 8]);
      expect(await numbers({ 'outcome.recorded_at': { $gte: '2020-01-01T00:00:00Z' } })).toEqual([0, 4, 8]);
      expect(await numbers({ agent_id: 'lister', 'metadata.n': { $gt: 5 } })).toEqual([6, 8, 10]);
      expect(await numbers({ $not: { 'outcome.status': { $exists: true } }, revision: 1 })).toHaveLength(9);
      expect(await numbers({ created_at: { $gt: '2100-01-01T00:00:00Z' } })).toEqual([]);
    });

    it('come page by page, without reasonings', async () => {
      const seen: string[] = [];
      let cursor: string | undefined;
      do {
        const page = await listed(every, { limit: '5', order: 'desc', ...(cursor === undefined ? {} : { cursor }) });
        for (const decision of page.decisions) {
          seen.push(decision.id);
          expect(decision).not.toHaveProperty('reasoning');
          expect(decision).toMatchObject({ revision: 1, passage_count: 1, embedding_status: 'ready' });
        }
        cursor = page.cursor;
      } while (cursor !== undefined);
      expect(seen).toEqual(idsOf(rows).reverse());
    });

    it('are refused by what they do not have', async () => {
      const unknown = await decisions.list({ filter: JSON.stringify({ title: 'x' }) });
      expectProblem(unknown, 400, 'filter:unknown_path');
      const { cursor } = await listed(every, { limit: '5' });
      expectProblem(await decisions.list({ limit: '5', cursor: cursor! }), 400, 'cursor:invalid');
    });
  });
});
