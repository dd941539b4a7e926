import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { artifactsOf } from '../support/artifacts.js';
import { expectProblem } from '../support/knowledge.js';
import { objectsUnavailable, type ProductWithObjects, startProductWithObjects } from '../support/objects.js';
import type { Answer, Product } from '../support/product.js';
import { waitFor } from '../support/stack-servers.js';

const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/;
const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

interface Session {
  id: string;
  user?: string;
  agent_id?: string;
  status: string;
  state: Record<string, unknown>;
  metadata: Record<string, unknown>;
  vector_names: string[];
  revision: number;
  created_at: string;
  updated_at: string;
  last_active_at: string;
  ended_at?: string;
}

type Headers = Record<string, string>;

/** The verbs of one product, with the key given or the admin's. */
function sessionsOf(product: Product, key: string = product.key) {
  const at = (id: string, rest = '') => `/v1/sessions/${encodeURIComponent(id)}${rest}`;
  const call = <Body>(method: string, path: string, body?: unknown, headers: Headers = {}): Promise<Answer<Body>> =>
    product.call(method, path, body, { headers, key });
  return {
    create: (body: unknown, headers?: Headers) => call<Session>('POST', '/v1/sessions', body, headers),
    get: (id: string, headers?: Headers) => call<Session>('GET', at(id), undefined, headers),
    patch: (id: string, body: unknown, headers?: Headers) => call<Session>('PATCH', at(id), body, headers),
    remove: (id: string, headers?: Headers) => call('DELETE', at(id), undefined, headers),
    list: (query: Record<string, string> = {}) =>
      call<{ sessions: Session[]; cursor?: string }>('GET', `/v1/sessions?${new URLSearchParams(query)}`),
    attach: (id: string, artifact_ids: string[], headers?: Headers) =>
      call<Session>('POST', at(id, '/artifacts'), { artifact_ids }, headers),
    artifacts: (id: string, query: Record<string, string> = {}) =>
      call<{ artifacts: { id: string; agent_id?: string }[]; cursor?: string }>(
        'GET',
        at(id, `/artifacts?${new URLSearchParams(query)}`),
      ),
    detach: (id: string, artifact: string, headers?: Headers) =>
      call('DELETE', at(id, `/artifacts/${encodeURIComponent(artifact)}`), undefined, headers),
    vectors: (id: string, vectors: unknown, headers?: Headers) =>
      call<Session>('PUT', at(id, '/vectors'), { vectors }, headers),
    search: (body: unknown) =>
      call<{ hits: (Session & { score: number; vector_name: string })[] }>('POST', '/v1/sessions/search', body),
  };
}

describe.skipIf(objectsUnavailable)('sessions', () => {
  let all: ProductWithObjects;
  let product: Product;
  let api: ReturnType<typeof sessionsOf>;
  let files: ReturnType<typeof artifactsOf>;

  beforeAll(async () => {
    all = await startProductWithObjects();
    product = all.product;
    api = sessionsOf(product);
    files = artifactsOf(product);
  });
  afterAll(() => all?.stop());

  const keyOf = async (fields: Record<string, unknown>): Promise<string> => {
    const made = await product.call<{ token: string }>('POST', '/v1/keys', { name: 'test', ...fields });
    expect(made.status, made.text).toBe(201);
    return made.body.token;
  };
  const ids = ({ sessions }: { sessions: Session[] }) => sessions.map(({ id }) => id);

  describe('from beginning to end', () => {
    it('begins, works, pauses, resumes, completes', async () => {
      const made = await api.create({
        id: 'run-1',
        user: 'ana',
        agent_id: 'analyst',
        state: { goal: 'count herons', done: [], gone: null },
        metadata: { team: 'birds' },
      });
      expect(made.status, made.text).toBe(201);
      expect(made.headers.get('location')).toBe('/v1/sessions/run-1');
      expect(made.headers.get('etag')).toBe('"1"');
      expect(made.headers.get('acervo-audit-id')).toMatch(/\S/);
      expect(made.body).toEqual({
        id: 'run-1',
        user: 'ana',
        agent_id: 'analyst',
        status: 'active',
        state: { goal: 'count herons', done: [], gone: null },
        metadata: { team: 'birds' },
        vector_names: [],
        created_at: expect.stringMatching(INSTANT),
        updated_at: expect.stringMatching(INSTANT),
        last_active_at: expect.stringMatching(INSTANT),
        revision: 1,
      });
      expect((await api.get('run-1')).body).toEqual(made.body);

      const patched = await api.patch('run-1', { state: { done: ['lake'], gone: null }, status: 'paused' });
      expect(patched.status, patched.text).toBe(200);
      expect(patched.headers.get('etag')).toBe('"2"');
      expect(patched.body).toMatchObject({ status: 'paused', state: { goal: 'count herons', done: ['lake'] } });
      expect(patched.body.state).not.toHaveProperty('gone');
      const resumed = await api.patch('run-1', { status: 'active' });
      expect(resumed.body).not.toHaveProperty('ended_at');
      const ended = await api.patch('run-1', { state: { herons: 12 }, status: 'completed' });
      expect(ended.body).toMatchObject({ status: 'completed', revision: 4, ended_at: ended.body.updated_at });
      expect((await api.get('run-1')).body).toEqual(ended.body);

      expectProblem(await api.patch('run-1', { state: { herons: 13 } }), 409, 'session:finished');
      const again = expectProblem(await api.patch('run-1', { status: 'active' }), 409, 'session:illegal_transition');
      expect(again.detail).toBe('A session that is completed stays so, not active.');
      const noted = await api.patch('run-1', { metadata: { reviewed: true } });
      expect(noted.body).toMatchObject({ metadata: { team: 'birds', reviewed: true }, ended_at: ended.body.ended_at });
    });

    it('tells the legal moves when one is not', async () => {
      await api.create({ id: 'run-2' });
      await api.patch('run-2', { status: 'paused' });
      const problem = expectProblem(
        await api.patch('run-2', { status: 'completed' }),
        409,
        'session:illegal_transition',
      );
      expect(problem.detail).toBe('A session that is paused can become active, failed, abandoned, not completed.');
      expect((await api.get('run-2')).body).toMatchObject({ status: 'paused', revision: 2 });
    });

    it('names it itself when nobody does, and takes no id twice', async () => {
      const { body } = await api.create({});
      expect(body.id).toMatch(UUID_V7);
      expectProblem(await api.create({ id: body.id }), 409, 'session:id_unavailable');
    });

    it('is deleted with nothing left, and counts on under its id', async () => {
      await api.create({ id: 'short' });
      expectProblem(await api.remove('short', { 'if-match': '"7"' }), 412, 'revision:mismatch');
      const removed = await api.remove('short', { 'if-match': '"1"' });
      expect([removed.status, removed.text]).toEqual([204, '']);
      expect(removed.headers.get('acervo-audit-id')).toMatch(/\S/);
      expectProblem(await api.get('short'), 404, 'session:not_found');
      expectProblem(await api.remove('short'), 404, 'session:not_found');
      expectProblem(await api.patch('short', { state: {} }), 404, 'session:not_found');
      expect((await api.create({ id: 'short' })).body.revision).toBe(3);
    });
  });

  describe('revisions', () => {
    it('go with ETag, If-None-Match and If-Match', async () => {
      await api.create({ id: 'etag' });
      const same = await api.get('etag', { 'if-none-match': '"0", W/"1"' });
      expect([same.status, same.text, same.headers.get('etag')]).toEqual([304, '', '"1"']);
      expect((await api.patch('etag', { state: { a: 1 } }, { 'if-match': '"1"' })).status).toBe(200);
      expectProblem(await api.patch('etag', { state: { a: 2 } }, { 'if-match': '"1"' }), 412, 'revision:mismatch');
      expectProblem(await api.patch('etag', { state: { a: 2 } }, { 'if-match': 'W/"2"' }), 412, 'revision:mismatch');
      expect((await api.get('etag', { 'if-none-match': '"1"' })).body.state).toEqual({ a: 1 });
    });

    it('one of 8 with the same If-Match wins; without it all 16 do', async () => {
      await api.create({ id: 'contended' });
      const numbers = Array.from({ length: 16 }, (_, n) => n);
      const strict = await Promise.all(
        numbers.slice(0, 8).map((n) => api.patch('contended', { state: { winner: n } }, { 'if-match': '"1"' })),
      );
      expect(strict.map(({ status }) => status).sort()).toEqual([200, ...Array(7).fill(412)]);
      const { winner } = strict.find(({ status }) => status === 200)!.body.state;
      const loose = await Promise.all(numbers.map((n) => api.patch('contended', { state: { [`k${n}`]: n } })));
      expect(loose.map(({ status }) => status)).toEqual(Array(16).fill(200));
      const { body } = await api.get('contended');
      expect(body.state).toEqual({ winner, ...Object.fromEntries(numbers.map((n) => [`k${n}`, n])) });
      expect(body.revision).toBe(18);
    });

    it('a change that changes nothing leaves them', async () => {
      await api.create({ id: 'still', state: { a: { b: 1 } } });
      const nothing = await api.patch('still', { state: { a: { b: 1 } }, status: 'active', metadata: {} });
      expect([nothing.status, nothing.body.revision]).toEqual([200, 1]);
      expect(nothing.headers.get('acervo-audit-id')).toBeNull();
    });
  });

  it('applies a request with an Idempotency-Key once, also when it would be illegal by now', async () => {
    const key = (name: string) => ({ 'idempotency-key': name });
    const made = await api.create({ id: 'once' }, key('make-once'));
    const remade = await api.create({ id: 'once' }, key('make-once'));
    expect([remade.status, remade.body]).toEqual([201, made.body]);
    const ended = await api.patch('once', { status: 'failed', state: { why: 'rain' } }, key('end-once'));
    const reended = await api.patch('once', { status: 'failed', state: { why: 'rain' } }, key('end-once'));
    expect([reended.status, reended.body]).toEqual([200, ended.body]);
    expect(reended.headers.get('acervo-audit-id')).toBe(ended.headers.get('acervo-audit-id'));
    expectProblem(await api.patch('once', { status: 'paused' }, key('end-once')), 422, 'idempotency:key_reused');
    const file = await files.reserve({ size_bytes: 1 });
    await api.attach('once', [file.body.id], key('attach-once'));
    expect((await api.detach('once', file.body.id, key('detach-once'))).status).toBe(204);
    expect((await api.detach('once', file.body.id, key('detach-once'))).status).toBe(204);
    expect((await api.attach('once', [file.body.id], key('attach-once'))).status).toBe(200);
    // Neither was done a second time.
    expect((await api.artifacts('once')).body.artifacts).toEqual([]);
    expect((await api.get('once')).body.revision).toBe(4);
    await api.vectors('once', [{ name: 'a', text: 'rain' }], key('vectors-once'));
    await api.vectors('once', [{ name: 'a', text: 'rain' }], key('vectors-once'));
    expect((await api.get('once')).body.revision).toBe(5);
  });

  it('keeps its artifacts', async () => {
    const made: string[] = [];
    for (const name of ['a', 'b', 'c'])
      made.push((await files.reserve({ id: `heron-${name}`, size_bytes: 1 })).body.id);
    await api.create({ id: 'files' });
    const attached = await api.attach('files', made);
    expect([attached.status, attached.body.revision, attached.headers.get('etag')]).toEqual([200, 2, '"2"']);
    expect((await api.attach('files', [made[0]!])).body.revision).toBe(2);
    const first = await api.artifacts('files', { limit: '2' });
    expect(first.body.artifacts.map(({ id }) => id)).toEqual(['heron-a', 'heron-b']);
    expect(first.body.artifacts[0]).toEqual((await files.get('heron-a')).body);
    const second = await api.artifacts('files', { limit: '2', cursor: first.body.cursor! });
    expect(second.body.artifacts.map(({ id }) => id)).toEqual(['heron-c']);
    expect(second.body.cursor).toBeUndefined();

    const missing = expectProblem(await api.attach('files', ['heron-a', 'none']), 404, 'artifact:not_found');
    expect(missing.detail).toBe('There is no artifact none.');
    expectProblem(await api.attach('none', ['heron-a']), 404, 'session:not_found');
    expectProblem(await api.artifacts('none'), 404, 'session:not_found');
    expectProblem(await api.attach('files', []), 400, 'request:invalid');
    const taken = await api.detach('files', 'heron-b');
    expect([taken.status, taken.headers.get('etag')]).toEqual([204, '"3"']);
    expectProblem(await api.detach('files', 'heron-b'), 404, 'artifact:not_found');
    expect((await api.artifacts('files')).body.artifacts.map(({ id }) => id)).toEqual(['heron-a', 'heron-c']);
    await api.remove('files');
    expect((await files.get('heron-a')).status).toBe(200);
    await api.create({ id: 'files' });
    expect((await api.artifacts('files')).body.artifacts).toEqual([]);
  });

  it('is found by what it was about', async () => {
    const about = async (id: string, texts: Record<string, string>, fields: Record<string, unknown> = {}) => {
      await api.create({ id, user: 'finder', ...fields });
      const vectors = Object.entries(texts).map(([name, text]) => ({ name, text }));
      const put = await api.vectors(id, vectors);
      expect(put.status, put.text).toBe(200);
      expect(put.body.vector_names).toEqual(Object.keys(texts));
    };
    await about('invoices', { goal: 'reconcile the invoices of march', now: 'waiting for the bank' });
    await about(
      'weather',
      { goal: 'forecast rain for the harvest' },
      { state: { secret: 1 }, metadata: { year: 2026 } },
    );
    await about('greeting', { goal: 'say hello' });
    const hits = async (body: Record<string, unknown>) => {
      const answer = await api.search({ filter: { user: 'finder' }, ...body });
      expect(answer.status, answer.text).toBe(200);
      return answer.body.hits;
    };
    const [best] = await hits({ query: 'waiting for the bank', limit: 1 });
    expect(best).toMatchObject({ id: 'invoices', vector_name: 'now', score: expect.closeTo(1, 5) });
    const found = await hits({ query: 'rain and harvest' });
    expect(found.map(({ id }) => id).sort()).toEqual(['greeting', 'invoices', 'weather']);
    expect(found[0]).toMatchObject({ id: 'weather', vector_name: 'goal', metadata: { year: 2026 } });
    expect(found[0]).not.toHaveProperty('state');
    expect(found.map(({ score }) => score)).toEqual(found.map(({ score }) => score).sort((a, b) => b - a));
    const filtered = await hits({ query: 'hello', filter: { 'metadata.year': 2026, 'state.secret': 1 } });
    expect(filtered.map(({ id }) => id)).toEqual(['weather']);
    // What it was about changes, or goes.
    await api.vectors('weather', [{ name: 'goal', text: 'say goodbye' }]);
    expect((await hits({ query: 'say goodbye' }))[0]).toMatchObject({ id: 'weather', score: expect.closeTo(1, 5) });
    await api.vectors('weather', []);
    await api.remove('greeting');
    expect((await hits({ query: 'say goodbye' })).map(({ id }) => id)).toEqual(['invoices']);
    expectProblem(await api.search({}), 400, 'search:nothing_to_search');
    expectProblem(await api.search({ vector: [1] }), 400, 'vector:wrong_dimensions');
  });

  it('is listed by user, agent, status and date', async () => {
    const made = await Promise.all(
      ['l1', 'l2', 'l3', 'l4', 'l5'].map((id, n) =>
        api.create({ id, user: n < 3 ? 'lister' : 'other lister', agent_id: `agent-${n % 2}`, state: { n } }),
      ),
    );
    await api.patch('l2', { status: 'failed' });
    const { body } = await api.list({ user: 'lister' });
    expect(ids(body)).toEqual(['l1', 'l2', 'l3']);
    expect(body.sessions[0]).not.toHaveProperty('state');
    expect(body.sessions[0]).toMatchObject({ user: 'lister', agent_id: 'agent-0', status: 'active', revision: 1 });
    expect(ids((await api.list({ user: 'lister', status: 'failed' })).body)).toEqual(['l2']);
    expect(ids((await api.list({ user: 'lister', agent_id: 'agent-0', order: 'desc' })).body)).toEqual(['l3', 'l1']);
    const after = made.map((answer) => answer.body.created_at).sort()[4]!;
    const since = JSON.stringify({ created_at: { $gte: after }, user: { $contains: 'lister' } });
    expect(ids((await api.list({ filter: since })).body).length).toBeGreaterThan(0);
    const future = JSON.stringify({ created_at: { $gt: '2999-01-01T00:00:00Z' } });
    expect(ids((await api.list({ filter: future })).body)).toEqual([]);
    expect(ids((await api.list({ filter: '{"state.n":{"$gte":3},"user":"other lister"}' })).body)).toEqual([
      'l4',
      'l5',
    ]);
    const page = await api.list({ filter: '{"user":{"$contains":"lister"}}', limit: '2' });
    const next = await api.list({ filter: '{"user":{"$contains":"lister"}}', limit: '2', cursor: page.body.cursor! });
    expect([...ids(page.body), ...ids(next.body)]).toEqual(['l1', 'l2', 'l3', 'l4']);
    expectProblem(await api.list({ user: 'lister', cursor: page.body.cursor! }), 400, 'cursor:invalid');
    expectProblem(await api.list({ filter: '{"state":1}' }), 400, 'filter:unknown_path');
    expectProblem(await api.list({ filter: '{"state.a`b":1}' }), 400, 'filter:unknown_path');
    expectProblem(await api.list({ status: 'finished' }), 400, 'request:invalid');
  });

  it('a key that is bound to an agent sees and changes only that agent’s', async () => {
    const token = await keyOf({ scopes: ['sessions:read', 'sessions:write', 'artifacts:read'], agent_id: 'bound' });
    const own = sessionsOf(product, token);
    await api.create({ id: 'theirs', agent_id: 'other', user: 'bound-test', state: { secret: 'x' } });
    await api.create({ id: 'nobodys', user: 'bound-test' });
    const mine = await own.create({ id: 'mine', user: 'bound-test' });
    expect(mine.body.agent_id).toBe('bound');
    expectProblem(await own.create({ id: 'mine-2', agent_id: 'other' }), 403, 'auth:agent_mismatch');
    expectProblem(await own.create({ id: 'theirs' }), 409, 'session:id_unavailable');
    const theirs = await files.reserve({ id: 'their-file', size_bytes: 1, agent_id: 'other' });
    const ours = await files.reserve({ id: 'our-file', size_bytes: 1, agent_id: 'bound' });
    for (const id of ['theirs', 'nobodys', 'not-there'])
      for (const answer of [
        await own.get(id),
        await own.patch(id, { state: { a: 1 } }),
        await own.remove(id),
        await own.artifacts(id),
        await own.attach(id, [ours.body.id]),
        await own.detach(id, ours.body.id),
        await own.vectors(id, [{ name: 'a', text: 'x' }]),
      ]) {
        const { code, detail } = expectProblem(answer, 404, 'session:not_found');
        expect([code, detail]).toEqual(['session:not_found', undefined]);
      }
    expect((await api.get('theirs')).body).toMatchObject({ revision: 1, state: { secret: 'x' } });
    expect(ids((await own.list({ user: 'bound-test' })).body)).toEqual(['mine']);

    expectProblem(await own.attach('mine', [theirs.body.id]), 404, 'artifact:not_found');
    await own.attach('mine', [ours.body.id]);
    // What somebody else attached is there, but not for this key.
    await api.attach('mine', [theirs.body.id]);
    expect((await own.artifacts('mine')).body.artifacts.map(({ id }) => id)).toEqual(['our-file']);
    expect((await api.artifacts('mine')).body.artifacts.map(({ id }) => id)).toEqual(['our-file', 'their-file']);
    expectProblem(await own.detach('mine', theirs.body.id), 404, 'artifact:not_found');

    for (const id of ['theirs', 'mine']) await api.vectors(id, [{ name: 'a', text: 'the same words' }]);
    const { body } = await own.search({ query: 'the same words', filter: { user: 'bound-test' } });
    expect(body.hits.map(({ id }) => id)).toEqual(['mine']);

    const reader = sessionsOf(product, await keyOf({ scopes: ['sessions:read'] }));
    expect((await reader.get('mine')).status).toBe(200);
    expectProblem(await reader.patch('mine', { state: {} }), 403, 'auth:scope_missing');
  });

  it('changes nothing by a request that is sent again and found nothing to change at first', async () => {
    const again = { 'idempotency-key': 'stay-active' };
    await api.create({ id: 'steady' });
    expect((await api.patch('steady', { status: 'active' }, again)).body.revision).toBe(1);
    await api.patch('steady', { status: 'paused' });
    const late = await api.patch('steady', { status: 'active' }, again);
    expect([late.status, late.body.status, late.body.revision]).toEqual([200, 'paused', 2]);
    expectProblem(await api.patch('steady', { status: 'failed' }, again), 422, 'idempotency:key_reused');
  });

  it('shows and takes artifacts only for a key that may read artifacts', async () => {
    const blind = sessionsOf(product, await keyOf({ scopes: ['sessions:read', 'sessions:write'] }));
    await blind.create({ id: 'blind', user: 'blind-test' });
    await files.reserve({ id: 'unseen', size_bytes: 1 });
    // The same for what is not there: else the answer would tell whether it is.
    for (const artifact of ['unseen', 'nowhere'])
      for (const answer of [
        await blind.attach('blind', [artifact]),
        await blind.artifacts('blind'),
        await blind.detach('blind', artifact),
      ])
        expectProblem(answer, 403, 'auth:scope_missing');
    expect((await api.get('blind')).body.revision).toBe(1);

    const scopes = ['sessions:read', 'sessions:write', 'artifacts:read'];
    const seeing = sessionsOf(product, await keyOf({ scopes }));
    expect((await seeing.attach('blind', ['unseen'])).status).toBe(200);
    expect((await seeing.artifacts('blind')).body.artifacts.map(({ id }) => id)).toEqual(['unseen']);
    expectProblem(await blind.artifacts('blind'), 403, 'auth:scope_missing');
    expect((await seeing.detach('blind', 'unseen')).status).toBe(204);
  });

  it.each<[string, unknown, string]>([
    ['a state that is no object', { state: [1] }, 'request:invalid'],
    ['an unknown field', { states: {} }, 'request:invalid'],
    ['a status at the beginning', { status: 'paused' }, 'request:invalid'],
    ['an id with a slash', { id: 'a/b' }, 'request:invalid'],
    ['an empty user', { user: '' }, 'request:invalid'],
    ['a user of control characters', { user: 'a\u0000b' }, 'request:invalid'],
    ['a state of more than 256 KB', { state: { t: 'x'.repeat(262_144) } }, 'session:state_too_large'],
    [
      'a state of more than 32 levels',
      { state: JSON.parse(`${'{"a":'.repeat(33)}1${'}'.repeat(33)}`) },
      'session:state_too_large',
    ],
    ['metadata of more than 16 KB', { metadata: { t: 'x'.repeat(16_384) } }, 'knowledge:metadata_too_large'],
    ['a number that would come back as another', { state: { n: 1e300, m: 2 ** 53 } }, 'request:invalid'],
  ])('refuses %s', async (_, body, code) => {
    const before = await api.list({ user: 'refused' });
    expectProblem(await api.create({ user: 'refused', ...(body as object) }), 400, code);
    expect((await api.list({ user: 'refused' })).body).toEqual(before.body);
  });

  it('refuses what would make a state too large bit by bit', async () => {
    await api.create({ id: 'growing', state: { a: 'x'.repeat(200_000) } });
    expectProblem(await api.patch('growing', { state: { b: 'x'.repeat(100_000) } }), 400, 'session:state_too_large');
    expect((await api.get('growing')).body.revision).toBe(1);
    expectProblem(await api.patch('growing', { state: 'x' }), 400, 'request:invalid');
    expectProblem(await api.vectors('growing', Array(17).fill({ name: 'a', text: 'b' })), 400, 'request:invalid');
    expectProblem(await api.vectors('growing', [{ name: 'a b', text: 'b' }]), 400, 'request:invalid');
  });

  it('is abandoned when nothing happens for too long, and its metric says so', async () => {
    await product.stop();
    const impatient = await all.restart({ ACERVO_SESSION_IDLE_SECONDS: '1' });
    const again = sessionsOf(impatient);
    await again.create({ id: 'idle', state: { kept: true } });
    await again.patch('idle', { status: 'paused' });
    await waitFor('the session to be abandoned', async () => (await again.get('idle')).body.status === 'abandoned');
    const { body } = await again.get('idle');
    expect(body).toMatchObject({ status: 'abandoned', state: { kept: true }, revision: 3, ended_at: body.updated_at });
    expect(Date.parse(body.updated_at)).toBeGreaterThanOrEqual(Date.parse(body.last_active_at) + 1000);
    expectProblem(await again.patch('idle', { state: { kept: false } }), 409, 'session:finished');
    const metrics = await impatient.call('GET', '/metrics');
    const [, count] = /^acervo_sessions_abandoned_total (\d+)$/m.exec(metrics.text) ?? [];
    expect(Number(count)).toBeGreaterThanOrEqual(1);
    // What was finished before stayed as it was.
    expect((await again.get('run-1')).body.status).toBe('completed');
  });
});
