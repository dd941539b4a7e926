import { describe, expect, test } from 'vitest';
import { AcervoError } from '../../../src/errors/error.js';
import { defineRoute } from '../../../src/http/route.js';
import { ALL_KEY, bearer, codeOf, fakeApp, postThing, readThing, THINGS } from './fake-services.js';

const failing = (path: string, failure: () => unknown) =>
  defineRoute({
    ...readThing,
    path,
    operationId: path.slice(1),
    params: undefined as never,
    query: undefined as never,
    bodyKind: 'none',
    handler: async () => {
      throw failure();
    },
  });

describe('request id', () => {
  const { app } = fakeApp(THINGS);
  const idFor = async (given?: string) =>
    (await app.request('/nowhere', given === undefined ? {} : { headers: { 'x-request-id': given } })).headers.get(
      'x-request-id',
    );

  test('a harmless one is kept', async () => {
    expect(await idFor('a.B_c-9')).toBe('a.B_c-9');
    expect(await idFor('x'.repeat(128))).toBe('x'.repeat(128));
  });

  test.each(['', 'a b', 'a;b', 'a"b', '<script>', 'x'.repeat(129), 'é'])(
    '"%s" is replaced by a UUIDv7',
    async (given) => {
      expect(await idFor(given)).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    },
  );

  test('it is in the problem too', async () => {
    const response = await app.request('/nowhere', { headers: { 'x-request-id': 'r-1' } });
    expect(await response.json()).toMatchObject({ request_id: 'r-1', code: 'request:not_found' });
  });
});

describe('traceparent', () => {
  const { app } = fakeApp(THINGS);
  const trace = '4bf92f3577b34da6a3ce929d0e0e4736';
  const span = '00f067aa0ba902b7';
  const sentFor = async (given: string) =>
    (await app.request('/nowhere', { headers: { traceparent: given } })).headers.get('traceparent') ?? '';

  test.each([
    [`00-${trace}-${span}-01`, '01'],
    [`00-${trace}-${span}-00`, '00'],
    [`00-${trace}-${span}-03`, '01'],
    [`cc-${trace}-${span}-01-later-fields`, '01'],
  ])('%s is joined with a span of our own', async (given, flags) => {
    const sent = await sentFor(given);
    expect(sent).toMatch(new RegExp(`^00-${trace}-[0-9a-f]{16}-${flags}$`));
    expect(sent).not.toContain(span);
  });

  test.each([
    `ff-${trace}-${span}-01`,
    `00-${'0'.repeat(32)}-${span}-01`,
    `00-${trace}-${'0'.repeat(16)}-01`,
    `00-${trace}-${span}-01-more`,
    `00-${trace.toUpperCase()}-${span}-01`,
    'rubbish',
  ])('%s starts a new trace', async (given) => {
    const sent = await sentFor(given);
    expect(sent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
    expect(sent).not.toContain(trace);
  });
});

describe('routes and methods', () => {
  const { app } = fakeApp(THINGS);

  test('an unknown route is 404 without a key', async () => {
    const response = await app.request('/v1/nothing');
    expect([response.status, await codeOf(response)]).toEqual([404, 'request:not_found']);
    expect(response.headers.get('content-type')).toBe('application/problem+json');
  });

  test('another method is 405 with Allow, without a key', async () => {
    const response = await app.request('/v1/things/abc', { method: 'DELETE' });
    expect([response.status, response.headers.get('allow')]).toEqual([405, 'GET, HEAD, OPTIONS']);
    expect(await codeOf(response)).toBe('request:method_not_allowed');
    expect((await app.request('/v1/things')).headers.get('allow')).toBe('POST, OPTIONS');
  });

  test('OPTIONS says what is allowed, and nothing about other origins', async () => {
    const response = await app.request('/v1/things', {
      method: 'OPTIONS',
      headers: { origin: 'https://evil.example' },
    });
    expect([response.status, response.headers.get('allow')]).toEqual([204, 'POST, OPTIONS']);
    expect([...response.headers.keys()].filter((name) => name.startsWith('access-control'))).toEqual([]);
  });

  test('HEAD is GET without the body, with the same key', async () => {
    const response = await app.request('/v1/things/abc', { method: 'HEAD', headers: bearer() });
    expect([response.status, await response.text()]).toEqual([200, '']);
    expect((await app.request('/v1/things/abc', { method: 'HEAD' })).status).toBe(401);
  });

  test('HEAD ends a streamed answer that nobody will read', async () => {
    let cancelled = false;
    const endless = defineRoute({
      ...readThing,
      handler: async () => ({
        status: 200,
        body: new ReadableStream({
          cancel: () => {
            cancelled = true;
          },
        }),
      }),
    });
    const { app, lines } = fakeApp([endless]);
    expect((await app.request('/v1/things/abc', { method: 'HEAD', headers: bearer() })).status).toBe(200);
    expect(cancelled).toBe(true);
    expect(lines.filter(({ msg }) => msg === 'request')).toHaveLength(1);
  });
});

describe('headers of every answer', () => {
  const { app } = fakeApp(THINGS);

  test.each(['/v1/things/abc', '/nowhere', '/v1/things'])('%s', async (path) => {
    const { headers } = await app.request(path, { headers: bearer() });
    expect(Object.fromEntries(headers)).toMatchObject({
      'x-content-type-options': 'nosniff',
      'cache-control': 'no-store',
      'referrer-policy': 'no-referrer',
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
    });
    expect(headers.has('x-powered-by')).toBe(false);
    expect(headers.has('access-control-allow-origin')).toBe(false);
  });
});

describe('errors', () => {
  test('one of ours is a problem with its members', async () => {
    const { app } = fakeApp([failing('/fails', () => new AcervoError('revision:mismatch', { detail: 'It is 3.' }))]);
    const response = await app.request('/fails', { headers: { ...bearer(), 'x-request-id': 'r-2' } });
    expect(response.status).toBe(412);
    expect(await response.json()).toEqual({
      type: '/docs/errors#revision-mismatch',
      title:
        'The resource is not as If-Match or If-None-Match wants it: it has changed, or is not there, or is there already.',
      status: 412,
      code: 'revision:mismatch',
      detail: 'It is 3.',
      request_id: 'r-2',
      retryable: false,
      errors: [],
    });
  });

  test('503 says when to try again', async () => {
    const { app } = fakeApp([
      failing('/soon', () => new AcervoError('embedding:unavailable', { retryAfterSeconds: 7.2 })),
      failing('/any', () => new AcervoError('database:unavailable')),
    ]);
    expect((await app.request('/soon', { headers: bearer() })).headers.get('retry-after')).toBe('8');
    expect((await app.request('/any', { headers: bearer() })).headers.get('retry-after')).toBe('1');
  });

  test.each([
    ['an error', () => new Error('password hunter2 at 10.0.0.7')],
    ['a string', () => 'password hunter2'],
    ['nothing', () => undefined],
  ])('%s that we did not foresee is an opaque 500, and is logged', async (_what, failure) => {
    const { app, lines } = fakeApp([failing('/fails', failure)]);
    const response = await app.request('/fails', { headers: bearer() });
    const text = await response.text();
    expect([response.status, JSON.parse(text).code]).toEqual([500, 'internal:unexpected']);
    expect(text).not.toContain('hunter2');
    expect(lines.find(({ msg }) => msg === 'unexpected error')).toMatchObject({
      level: 50,
      request_id: response.headers.get('x-request-id'),
    });
  });
});

describe('the log', () => {
  test('has one line a request, with these members and no others', async () => {
    const { app, lines } = fakeApp(THINGS);
    const headers = { ...bearer(), 'x-request-id': 'r-3', cookie: 'sid=cookie-secret' };
    await app.request('/v1/things/hidden?limit=77', { headers });
    expect(lines).toHaveLength(1);
    const { time: _time, pid: _pid, hostname: _hostname, ...line } = lines[0]!;
    expect(line).toEqual({
      level: 30,
      msg: 'request',
      method: 'GET',
      route: '/v1/things/{id}',
      status: 200,
      duration_ms: expect.any(Number),
      request_id: 'r-3',
      trace_id: expect.stringMatching(/^[0-9a-f]{32}$/),
      key_id: 'k-all',
      agent_id: 'agent-1',
    });
  });

  test('holds no key, body, path or query value, whatever happens', async () => {
    const { app, lines } = fakeApp([...THINGS, failing('/fails', () => new Error('broken'))]);
    await postThing(app, '{"name":"body-secret"}', { 'idempotency-key': 'idem-secret' });
    await postThing(app, '{"name":"body-secret', {});
    await app.request('/v1/things/idsecret?limit=query-secret', { headers: bearer() });
    await app.request('/fails', { headers: bearer() });
    await app.request('/nowhere/path-secret', { headers: bearer('acv_unknown-secret') });
    await app.request('/v1/things/abc', { headers: bearer('acv_unknown-secret') });
    const log = JSON.stringify(lines);
    expect(lines.filter(({ msg }) => msg === 'request')).toHaveLength(6);
    expect(log).not.toMatch(/secret/);
    expect(log).not.toContain(ALL_KEY);
  });

  test('of a stream is written at its end', async () => {
    let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
    const body = new ReadableStream<Uint8Array>({
      start: (given) => {
        controller = given;
      },
    });
    const { app, lines } = fakeApp([defineRoute({ ...readThing, handler: async () => ({ status: 200, body }) })]);
    const response = await app.request('/v1/things/abc', { headers: bearer() });
    expect(lines).toHaveLength(0);
    controller?.enqueue(new TextEncoder().encode('all of it'));
    controller?.close();
    expect(await response.text()).toBe('all of it');
    expect(lines).toHaveLength(1);
  });

  test('the metrics name the pattern of the route', async () => {
    const { app, services } = fakeApp(THINGS);
    await app.request('/v1/things/abc', { headers: bearer() });
    await app.request('/nowhere');
    const text = await services.metrics.registry.metrics();
    expect(text).toContain('acervo_http_requests_total{method="GET",route="/v1/things/{id}",status="200"} 1');
    expect(text).toContain('acervo_http_requests_total{method="GET",route="unmatched",status="404"} 1');
    expect(text).toContain(
      'acervo_http_request_duration_seconds_count{method="GET",route="/v1/things/{id}",status="200"} 1',
    );
  });
});

describe('defineRoute', () => {
  test('refuses a path whose parameters have no schema', () => {
    expect(() => defineRoute({ ...readThing, params: undefined as never, bodyKind: 'none' })).toThrow(
      /params schema differ/,
    );
  });

  test('refuses a JSON route without a body schema', () => {
    expect(() => defineRoute({ ...readThing, bodyKind: 'json' } as never)).toThrow(/has a body schema/);
  });
});
