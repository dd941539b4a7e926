import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { expectProblem, knowledgeOf, type Problem, rawCall } from '../support/knowledge.js';
import { onStack, type Product, spawnProduct, startProduct, unavailable } from '../support/product.js';
import { waitFor } from '../support/stack-servers.js';

const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';

interface OpenApi {
  openapi: string;
  paths: Record<
    string,
    Record<string, { operationId: string; 'x-acervo-scope': string; security: object[]; responses: object }>
  >;
}

/** The value of a sample in Prometheus text. */
function sample(text: string, name: string): number {
  const line = text.split('\n').find((candidate) => candidate.startsWith(`${name} `));
  expect(line, `${name} in\n${text}`).toBeDefined();
  return Number(line!.split(' ')[1]);
}

describe.skipIf(unavailable)('conventions', () => {
  let product: Product;
  let api: ReturnType<typeof knowledgeOf>;

  beforeAll(async () => {
    product = await startProduct();
    api = knowledgeOf(product);
    await api.post({ id: 'here', content: 'Here it is.' });
  });
  afterAll(() => product.stop());

  it('names each request: by the name that the client gave, if it is harmless, else by its own', async () => {
    const named = await api.get('missing', { 'x-request-id': 'my.request-1' });
    expect(named.headers.get('x-request-id')).toBe('my.request-1');
    expect(expectProblem(named, 404, 'knowledge:not_found').request_id).toBe('my.request-1');
    for (const bad of ['a b', 'x'.repeat(129), '<script>', '']) {
      const own = (await api.get('here', { 'x-request-id': bad })).headers.get('x-request-id');
      expect(own).toMatch(UUID_V7);
    }
  });

  it('joins the trace of the client, or starts one', async () => {
    const joined = (await api.get('here', { traceparent: `00-${TRACE}-00f067aa0ba902b7-01` })).headers.get(
      'traceparent',
    );
    expect(joined).toMatch(new RegExp(`^00-${TRACE}-(?!00f067aa0ba902b7)[0-9a-f]{16}-01$`));
    for (const bad of [`00-${'0'.repeat(32)}-00f067aa0ba902b7-01`, `ff-${TRACE}-00f067aa0ba902b7-01`, 'nonsense']) {
      const started = (await api.get('here', { traceparent: bad })).headers.get('traceparent');
      expect(started).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
      expect(started).not.toContain(TRACE);
    }
  });

  it('tells failures as problem documents, which lead to their explanation', async () => {
    const problem = expectProblem(await api.post({ content: 5, no: 1 }), 400, 'request:invalid');
    expect(problem).toEqual({
      type: '/docs/errors#request-invalid',
      title: 'The request does not fit its schema; see errors.',
      status: 400,
      code: 'request:invalid',
      request_id: expect.stringMatching(UUID_V7),
      retryable: false,
      errors: [
        { path: 'content', message: expect.any(String) },
        { path: 'no', message: 'is not known here' },
      ],
    });
    const page = await product.call('GET', '/docs/errors', undefined, { key: null });
    expect(page.status).toBe(200);
    expect(page.text).toContain('id="request-invalid"');
  });

  it('asks for a key, and says which', async () => {
    const missing = await product.call('GET', '/v1/knowledge/here', undefined, { key: null });
    expectProblem(missing, 401, 'auth:missing');
    expect(missing.headers.get('www-authenticate')).toBe('Bearer realm="acervo"');
    const wrong = await product.call('GET', '/v1/knowledge/here', undefined, { key: `${product.key}x` });
    expectProblem(wrong, 401, 'auth:invalid');
    expect(wrong.headers.get('www-authenticate')).toBe('Bearer realm="acervo", error="invalid_token"');
  });

  it('answers 404, 405 and OPTIONS for what is not there', async () => {
    for (const path of ['/', '/v2/knowledge', '/v1/knowledges', '/v1/knowledge/a/b', '/favicon.ico'])
      expectProblem(await product.call('GET', path), 404, 'request:not_found');
    const put = await product.call('PUT', '/v1/knowledge/here', {});
    expectProblem(put, 405, 'request:method_not_allowed');
    expect(put.headers.get('allow')).toBe('GET, PATCH, DELETE, HEAD, OPTIONS');
    const options = await product.call('OPTIONS', '/v1/knowledge', undefined, { key: null });
    expect([options.status, options.text, options.headers.get('allow')]).toEqual([204, '', 'POST, GET, HEAD, OPTIONS']);
    expectProblem(await product.call('DELETE', '/v1/search'), 405, 'request:method_not_allowed');
  });

  it('answers HEAD as GET, without the body', async () => {
    const head = await product.call('HEAD', '/v1/knowledge/here');
    expect([head.status, head.text, head.headers.get('etag')]).toEqual([200, '', '"1"']);
    expect((await product.call('HEAD', '/v1/knowledge/missing')).status).toBe(404);
    expect((await product.call('HEAD', '/livez', undefined, { key: null })).status).toBe(200);
  });

  it('sends safe headers with everything', async () => {
    for (const { headers } of [
      await api.get('here'),
      await api.get('missing'),
      await product.call('GET', '/nothing'),
    ]) {
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect(headers.get('cache-control')).toBe('no-store');
      expect(headers.get('content-security-policy')).toContain("default-src 'none'");
      expect(headers.get('x-powered-by')).toBeNull();
    }
  });

  it('is alive and ready, and tells more only to those with a key', async () => {
    expect((await product.call('GET', '/livez', undefined, { key: null })).body).toEqual({ status: 'alive' });
    expect((await product.call('GET', '/readyz', undefined, { key: null })).body).toEqual({ status: 'ready' });
    for (const path of ['/health', '/metrics'])
      expectProblem(await product.call('GET', path, undefined, { key: null }), 401, 'auth:missing');
    const { body } = await product.call('GET', '/health');
    expect(body).toMatchObject({
      status: 'ok',
      version: expect.stringMatching(/^\d+\.\d+\.\d+/),
      database: { ready: true, kind: onStack ? 'server' : 'embedded', version: expect.stringMatching(/^3\./) },
      embedder: { available: true, space: { provider: 'hashing', dimensions: 512, distance: 'cosine' } },
    });
    const { rss_bytes } = body.memory as { rss_bytes: number };
    expect(rss_bytes).toBeGreaterThan(20_000_000);
  });

  it('counts what it does', async () => {
    const scrape = async () => {
      const answer = await product.call('GET', '/metrics');
      expect(answer.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
      return answer.text;
    };
    const before = await scrape();
    await api.post({ id: 'counted', content: 'Counted once.' });
    await api.post({ id: 'counted', content: 'Counted once.' });
    await api.post({ id: 'counted', content: 'Counted twice.' });
    await product.bulk([{ id: 'counted-2', content: 'a' }, { id: 'counted-2', content: 'a' }, { id: '/' }]);
    await api.search({ query: 'counted', mode: 'text' });
    const after = await scrape();
    const grown = (name: string) => sample(after, name) - (before.includes(`\n${name} `) ? sample(before, name) : 0);
    expect(grown('acervo_documents_stored_total')).toBe(3);
    expect(grown('acervo_bulk_lines_total{status="stored"}')).toBe(1);
    expect(grown('acervo_bulk_lines_total{status="unchanged"}')).toBe(1);
    expect(grown('acervo_bulk_lines_total{status="failed"}')).toBe(1);
    expect(grown('acervo_search_duration_seconds_count{leg="text"}')).toBe(1);
    expect(grown('acervo_http_requests_total{method="POST",route="/v1/knowledge",status="201"}')).toBe(1);
    expect(grown('acervo_http_requests_total{method="POST",route="/v1/knowledge",status="200"}')).toBe(2);
    expect(after).not.toContain('counted-2');
  });

  it('describes every route in OpenAPI, with the scope that it needs', async () => {
    const answer = await product.call<OpenApi>('GET', '/openapi.json', undefined, { key: null });
    expect([answer.status, answer.body.openapi]).toEqual([200, '3.1.0']);
    const operations = Object.entries(answer.body.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => [
        `${method.toUpperCase()} ${path}`,
        operation['x-acervo-scope'],
      ]),
    );
    expect(Object.fromEntries(operations)).toMatchObject({
      'POST /v1/knowledge': 'knowledge:write',
      'POST /v1/knowledge/bulk': 'knowledge:write',
      'GET /v1/knowledge': 'knowledge:read',
      'GET /v1/knowledge/{id}': 'knowledge:read',
      'PATCH /v1/knowledge/{id}': 'knowledge:write',
      'DELETE /v1/knowledge/{id}': 'knowledge:write',
      'POST /v1/search': 'search:read',
      'POST /v1/keys': 'keys:manage',
      'GET /v1/keys': 'keys:manage',
      'GET /livez': 'public',
      'GET /readyz': 'public',
      'GET /health': 'health:read',
      'GET /metrics': 'health:read',
      'GET /openapi.json': 'public',
      'GET /docs': 'public',
    });
    // Each is there, and asks for a key exactly when it says so.
    for (const [name, scope] of operations as [string, string][]) {
      const [method = '', path = ''] = name.split(' ');
      const known = path.replace('{file}', 'start.js').replace(/\{\w+\}/, 'here');
      const { status } = await product.call(method, known, undefined, { key: null });
      // A signed URL that we have not signed.
      const shut = path.startsWith('/objects/') ? 403 : 401;
      expect([name, status]).toEqual([name, scope === 'public' ? 200 : shut]);
    }
  });

  it('shows the API as a page that loads everything from here', async () => {
    const page = await product.call('GET', '/docs', undefined, { key: null });
    expect(page.headers.get('content-type')).toMatch(/^text\/html/);
    const links = [...page.text.matchAll(/(?:src|href)="([^"]+)"/g)].map((match) => match[1]!);
    expect(links).toHaveLength(4);
    const types: Record<string, RegExp> = { js: /^text\/javascript/, css: /^text\/css/, png: /^image\/png/ };
    for (const link of links) {
      expect(link).toMatch(/^\/docs\//);
      const asset = await product.call('GET', link, undefined, { key: null });
      expect([link, asset.status]).toEqual([link, 200]);
      expect(asset.headers.get('content-type')).toMatch(types[link.split('.').at(-1)!]!);
      expect(asset.text.length).toBeGreaterThan(50);
    }
    expect(page.text).not.toMatch(/https?:\/\//);
    expect(page.headers.get('content-security-policy')).not.toMatch(/https?:|\*/);
    expectProblem(
      await product.call('GET', '/docs/assets/index.html', undefined, { key: null }),
      400,
      'request:invalid',
    );
  });

  it('logs one line a request, without keys, contents, paths or queries', async () => {
    const secret = 'Xylographic-secret-content';
    const requestId = 'logged-request-1';
    await api.post(
      { id: 'secret-id-77', title: secret, content: secret, metadata: { [secret]: secret } },
      { 'x-request-id': requestId, 'idempotency-key': `${secret}-key` },
    );
    await api.post(`{"content":"${secret}`);
    await product.call('GET', `/v1/knowledge?filter=${encodeURIComponent(JSON.stringify({ title: secret }))}`);
    await api.search({ query: secret, filter: { title: secret } });
    await api.get('secret-id-77');
    await product.call('GET', '/v1/knowledge/here', undefined, { key: `${secret}-unknown-key` });
    await rawCall(product, 'GET', `/${secret}`);
    await waitFor('the log', async () => product.output().includes(requestId));
    const lines = product
      .output()
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line));
    expect(lines.find((line) => line.request_id === requestId)).toMatchObject({
      level: expect.anything(),
      method: 'POST',
      route: '/v1/knowledge',
      status: 201,
      duration_ms: expect.any(Number),
      trace_id: expect.stringMatching(/^[0-9a-f]{32}$/),
      key_id: expect.any(String),
      msg: 'request',
    });
    expect(product.output()).not.toContain(secret);
    expect(product.output()).not.toContain('secret-id-77');
    expect(product.output()).not.toContain(product.key);
  });
});

describe.skipIf(unavailable)('the rate limit', () => {
  it('refuses the sixth request of a minute, says when to come back, and leaves probes alone', async () => {
    const product = await startProduct({ ACERVO_RATE_LIMIT_PER_MINUTE: '5' });
    const answers = [];
    for (let n = 0; n < 6; n += 1) answers.push(await product.call('GET', '/v1/knowledge'));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200, 429]);
    expect(answers.map(({ headers }) => headers.get('ratelimit')?.split(';')[1])).toEqual([
      'r=4',
      'r=3',
      'r=2',
      'r=1',
      'r=0',
      'r=0',
    ]);
    const refused = answers[5]!;
    expect(refused.headers.get('ratelimit-policy')).toBe('"key";q=5;w=60');
    expect(expectProblem(refused, 429, 'request:rate_limited').retryable).toBe(true);
    const seconds = Number(refused.headers.get('retry-after'));
    expect(seconds).toBeGreaterThan(0);
    expect(seconds).toBeLessThanOrEqual(60);
    for (const path of ['/livez', '/readyz', '/docs']) expect((await product.call('GET', path)).status).toBe(200);
    // Two keys have two budgets; a guesser's address has its own.
    const guesses = [];
    for (let n = 0; n < 3; n += 1)
      guesses.push(
        (await product.call('GET', '/v1/knowledge', undefined, { key: `guess-${n}` })).body as unknown as Problem,
      );
    expect(guesses.map(({ code }) => code)).toEqual(['auth:invalid', 'request:rate_limited', 'request:rate_limited']);
    await product.stop();
  });
});

describe.skipIf(unavailable)('starts that must fail', () => {
  const directory = () => mkdtempSync(join(tmpdir(), 'acervo-start-'));

  async function refused(env: Record<string, string>): Promise<string> {
    const started = spawnProduct({ ACERVO_DATA_DIR: directory(), ACERVO_PORT: '0', ...env });
    const code = await started.exited;
    expect(code, started.output()).toBeGreaterThan(0);
    expect(started.output()).not.toMatch(/API\s+http/);
    return started.output();
  }

  it('print every fault of the configuration at once, and no value of a secret', async () => {
    const output = await refused({
      ACERVO_PORT: '70000',
      ACERVO_ADMIN_KEY: 'short-secret',
      ACERVO_EMBEDDER: 'magic',
      ACERVO_TYPO: '1',
    });
    for (const name of ['ACERVO_PORT', 'ACERVO_ADMIN_KEY', 'ACERVO_EMBEDDER', 'ACERVO_TYPO'])
      expect(output).toMatch(new RegExp(`^\\s*- ${name}: `, 'm'));
    expect(output).toContain('4 fault(s)');
    expect(output).not.toContain('short-secret');
    expect(output).not.toMatch(/\n\s+at /);
  });

  it.each(['surrealkv:///tmp/x', 'mem://', 'http://127.0.0.1:8000', 'nonsense'])(
    'refuse SURREALDB_URL=%s',
    async (url) => {
      expect(await refused({ SURREALDB_URL: url })).toMatch(/- SURREALDB_URL: /);
    },
  );

  it('refuse a second process on one directory, in words, and leave the first at work', async () => {
    if (onStack) return;
    const product = await startProduct();
    const output = await refused({ ACERVO_DATA_DIR: product.env.ACERVO_DATA_DIR!, ACERVO_DATABASE_TIMEOUT_MS: '1500' });
    expect(output).toMatch(/Another process has it open\? Stop it, or choose another ACERVO_DATA_DIR/);
    expect(output).not.toMatch(/\n\s+at /);
    expect((await knowledgeOf(product).post({ content: 'still at work' })).status).toBe(201);
    await product.stop();
  });

  it('say that a port is taken', async () => {
    const product = await startProduct();
    const database = onStack ? { ...product.env, SURREALDB_URL: inject('surrealUrl') } : {};
    const output = await refused({ ...database, ACERVO_DATA_DIR: directory(), ACERVO_PORT: new URL(product.url).port });
    expect(output).toMatch(/EADDRINUSE|in use/);
    await product.stop();
  });
});
