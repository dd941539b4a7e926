import { afterEach, describe, expect, test, vi } from 'vitest';
import type { Gate } from '../../../src/http/authenticate.js';
import { REQUEST_TIMEOUT_MS } from '../../../src/http/deadline.js';
import { MAX_IN_FLIGHT, MAX_OF_A_KEY } from '../../../src/http/in-flight.js';
import { defineRoute, type Reply } from '../../../src/http/route.js';
import {
  ALL_KEY,
  bearer,
  codeOf,
  deferred,
  fakeApp,
  gate,
  postThing,
  READ_KEY,
  readThing,
  THINGS,
  writeThing,
} from './fake-services.js';

afterEach(() => void vi.useRealTimers());

/** A handler that waits until it is let go. */
function held(reply: Reply = { status: 200, body: { done: true } }) {
  const inside = deferred();
  const open = deferred();
  const handler = async (): Promise<Reply> => {
    inside.resolve();
    await open.promise;
    return reply;
  };
  return { handler, release: () => open.resolve(), inside: inside.promise };
}

describe('authentication', () => {
  const { app, services } = fakeApp(THINGS);

  test.each([
    [{}, 401, 'auth:missing', 'Bearer realm="acervo"'],
    [{ authorization: 'Basic YTpi' }, 401, 'auth:missing', 'Bearer realm="acervo"'],
    [{ authorization: 'Bearer' }, 401, 'auth:invalid', 'Bearer realm="acervo", error="invalid_token"'],
    [{ authorization: 'Bearer a b' }, 401, 'auth:invalid', 'Bearer realm="acervo", error="invalid_token"'],
    [
      { authorization: `Bearer ${'x'.repeat(513)}` },
      401,
      'auth:invalid',
      'Bearer realm="acervo", error="invalid_token"',
    ],
    [bearer('acv_unknown'), 401, 'auth:invalid', 'Bearer realm="acervo", error="invalid_token"'],
    [bearer('__proto__'), 401, 'auth:invalid', 'Bearer realm="acervo", error="invalid_token"'],
  ])('%j', async (headers, status, code, challenge) => {
    const response = await app.request('/v1/things/abc', { headers: headers as Record<string, string> });
    expect([response.status, response.headers.get('www-authenticate'), await codeOf(response)]).toEqual([
      status,
      challenge,
      code,
    ]);
  });

  test('the scheme is case-insensitive', async () => {
    expect((await app.request('/v1/things/abc', { headers: { authorization: `bearer ${ALL_KEY}` } })).status).toBe(200);
  });

  test('comes before the body is read, and before anything is said about the input', async () => {
    let pulled = 0;
    const body = new ReadableStream({ pull: () => void pulled++ }, { highWaterMark: 0 });
    expect((await postThing(app, body, { authorization: 'Bearer acv_unknown' })).status).toBe(401);
    expect(pulled).toBe(0);
    expect((await app.request('/v1/things/NOT-VALID?what=1')).status).toBe(401);
  });

  test('a missing scope is named, counted and recorded', async () => {
    const denied: unknown[] = [];
    const recording: Gate = {
      ...gate,
      onDenied: async (ctx, route) => void denied.push([ctx.principal.key_id, route.path]),
    };
    const { app, services } = fakeApp(THINGS, { gate: recording });
    const response = await postThing(app, '{"name":1}', bearer(READ_KEY));
    expect(response.status).toBe(403);
    expect(await response.json()).toMatchObject({
      code: 'auth:scope_missing',
      detail: 'This needs the scope knowledge:write.',
    });
    expect(denied).toEqual([['k-read', '/v1/things']]);
    expect(await services.metrics.registry.metrics()).toContain(
      'acervo_auth_denied_total{code="auth:scope_missing"} 1',
    );
  });

  test('a denial that cannot be recorded is still a denial', async () => {
    const broken: Gate = { ...gate, onDenied: async () => Promise.reject(new Error('database away')) };
    const { app, lines } = fakeApp(THINGS, { gate: broken });
    expect((await postThing(app, '{}', bearer(READ_KEY))).status).toBe(403);
    expect(lines.map(({ msg }) => msg)).toContain('a denial could not be recorded');
  });

  test('unknown keys are counted by code', async () => {
    expect(await services.metrics.registry.metrics()).toMatch(/acervo_auth_denied_total\{code="auth:invalid"\} [1-9]/);
  });
});

describe('rate limit', () => {
  const get = (app: ReturnType<typeof fakeApp>['app'], key = ALL_KEY) =>
    app.request('/v1/things/abc', { headers: bearer(key) });

  test('tells each key what it has left, and refuses what is too much', async () => {
    vi.useFakeTimers();
    const { app, services } = fakeApp(THINGS, { rateLimitPerMinute: 2 });
    const first = await get(app);
    expect(first.headers.get('ratelimit-policy')).toBe('"key";q=2;w=60');
    expect(first.headers.get('ratelimit')).toBe('"key";r=1;t=60');
    await vi.advanceTimersByTimeAsync(20_000);
    expect((await get(app)).headers.get('ratelimit')).toBe('"key";r=0;t=40');
    const refused = await get(app);
    expect([refused.status, refused.headers.get('retry-after'), refused.headers.get('ratelimit')]).toEqual([
      429,
      '40',
      '"key";r=0;t=40',
    ]);
    expect(await codeOf(refused)).toBe('request:rate_limited');
    expect((await get(app, READ_KEY)).status).toBe(200);
    await vi.advanceTimersByTimeAsync(40_000);
    expect((await get(app)).status).toBe(200);
    expect(await services.metrics.registry.metrics()).toContain('acervo_rate_limited_total 1');
  });

  test('0 switches it off', async () => {
    const response = await get(fakeApp(THINGS, { rateLimitPerMinute: 0 }).app);
    expect([response.status, response.headers.has('ratelimit')]).toEqual([200, false]);
  });

  test('public routes have none', async () => {
    const { app } = fakeApp(undefined, { rateLimitPerMinute: 1 });
    for (const _ of [1, 2, 3]) {
      const response = await app.request('/livez');
      expect([response.status, response.headers.has('ratelimit')]).toEqual([200, false]);
    }
  });

  test('guessing keys is slowed by address; keys that have proven good pass', async () => {
    vi.useFakeTimers();
    let asked = 0;
    const counting: Gate = {
      authenticator: {
        authenticate(token) {
          asked += 1;
          return gate.authenticator.authenticate(token);
        },
      },
    };
    const { app } = fakeApp(THINGS, { rateLimitPerMinute: 30, gate: counting });
    expect((await get(app)).status).toBe(200);
    const statuses: number[] = [];
    for (const guess of ['a', 'b', 'c', 'd', 'e']) statuses.push((await get(app, guess)).status);
    expect(statuses).toEqual([401, 401, 401, 429, 429]);
    expect(asked).toBe(4);
    expect((await get(app)).status).toBe(200);
    // Not yet proven: it could be a lucky guess.
    expect((await get(app, READ_KEY)).status).toBe(429);
    await vi.advanceTimersByTimeAsync(60_000);
    expect((await get(app, READ_KEY)).status).toBe(200);
  });

  test('a host counts once for its IPv6 network, and a mapped IPv4 address for itself', async () => {
    const { app } = fakeApp(THINGS, { rateLimitPerMinute: 10 });
    const from = async (remoteAddress: string) =>
      (
        await app.request(
          '/v1/things/abc',
          { headers: bearer('acv_guess') },
          { incoming: { socket: { remoteAddress } } },
        )
      ).status;
    expect(await from('2001:db8:1:2::1')).toBe(401);
    expect(await from('2001:db8:1:2:aaaa::2')).toBe(429);
    expect(await from('2001:db8:1:3::1')).toBe(401);
    expect(await from('::ffff:192.0.2.1')).toBe(401);
    expect(await from('192.0.2.1')).toBe(429);
    expect(await from('192.0.2.2')).toBe(401);
  });
});

describe('Idempotency-Key', () => {
  const { app } = fakeApp(THINGS);
  const operationOf = async (headers: Record<string, string>, body = '{"name":"x"}') =>
    ((await (await postThing(app, body, headers)).json()) as { operation: { id: string; request_digest: string } })
      .operation;

  test('names the operation, together with the key that sent it', async () => {
    const one = await operationOf({ 'idempotency-key': 'job-1' });
    expect(one.id).toMatch(/^[0-9a-f]{64}$/);
    expect(one.request_digest).toMatch(/^[0-9a-f]{64}$/);
    expect(await operationOf({ 'idempotency-key': 'job-1' })).toEqual(one);
    expect((await operationOf({ 'idempotency-key': 'job-2' })).id).not.toBe(one.id);
  });

  test('the digest is of what was sent, not of how it was spelled', async () => {
    const one = await operationOf({ 'idempotency-key': 'j' }, '{"name":"x","extra":{"a":1,"b":2}}');
    const same = await operationOf({ 'idempotency-key': 'j' }, '{ "extra":{"b":2,"a":1}, "name":"x" }');
    const other = await operationOf({ 'idempotency-key': 'j' }, '{"name":"x","extra":{"a":1,"b":3}}');
    expect(same).toEqual(one);
    expect(other.id).toBe(one.id);
    expect(other.request_digest).not.toBe(one.request_digest);
  });

  test('without it each request is an operation of its own', async () => {
    const one = await operationOf({});
    expect(one.id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/);
    expect(one.request_digest).toBe('');
    expect((await operationOf({})).id).not.toBe(one.id);
  });

  test.each(['', 'two words', 'é', 'x'.repeat(256)])('"%s" is refused', async (key) => {
    const response = await postThing(app, '{"name":"x"}', { 'idempotency-key': key });
    expect(await response.json()).toMatchObject({
      code: 'request:invalid',
      errors: [{ path: 'headers.idempotency-key' }],
    });
  });

  test('while the first is being worked on, the second is 409; after it, it is let in', async () => {
    const { handler, release, inside } = held();
    const { app } = fakeApp([defineRoute({ ...writeThing, bodyKind: 'json', body: writeThing.body!, handler })]);
    const headers = { 'idempotency-key': 'job-1' };
    const first = postThing(app, '{"name":"x"}', headers);
    await inside;
    const second = await postThing(app, '{"name":"x"}', headers);
    expect([second.status, await codeOf(second)]).toEqual([409, 'idempotency:in_flight']);
    release();
    expect((await first).status).toBe(200);
    expect((await postThing(app, '{"name":"x"}', headers)).status).toBe(200);
  });

  test('a streamed answer holds its operation until it ends', async () => {
    const body = () => new ReadableStream({ pull: (controller) => controller.close() }, { highWaterMark: 0 });
    const streaming = defineRoute({
      ...writeThing,
      bodyKind: 'json',
      body: writeThing.body!,
      handler: async () => ({ status: 200, body: body() }),
    });
    const { app } = fakeApp([streaming]);
    const headers = { 'idempotency-key': 'job-1' };
    const first = await postThing(app, '{"name":"x"}', headers);
    expect((await postThing(app, '{"name":"x"}', headers)).status).toBe(409);
    await first.text();
    const third = await postThing(app, '{"name":"x"}', headers);
    expect(third.status).toBe(200);
    await third.body?.cancel();
    expect((await postThing(app, '{"name":"x"}', headers)).status).toBe(200);
  });
});

describe('bounds', () => {
  test('a request past its deadline is 503, its signal aborts, and its late failure is logged', async () => {
    vi.useFakeTimers();
    let aborted = false;
    let fail = (_error: Error) => {};
    const slow = defineRoute({
      ...readThing,
      handler: (_ctx, { signal }) => {
        signal.addEventListener('abort', () => {
          aborted = true;
        });
        return new Promise<Reply>((_resolve, reject) => {
          fail = reject;
        });
      },
    });
    const { app, lines } = fakeApp([slow]);
    const answer = app.request('/v1/things/abc', { headers: bearer() });
    await vi.advanceTimersByTimeAsync(REQUEST_TIMEOUT_MS);
    const response = await answer;
    expect([response.status, response.headers.get('retry-after'), await codeOf(response)]).toEqual([
      503,
      '1',
      'request:timeout',
    ]);
    expect(aborted).toBe(true);
    fail(new Error('too late'));
    await vi.advanceTimersByTimeAsync(0);
    expect(lines.map(({ msg }) => msg)).toContain('failed after its deadline');
  });

  test('a body that never ends is given up at the deadline', async () => {
    vi.useFakeTimers();
    let cancelled = false;
    const endless = new ReadableStream({
      cancel: () => {
        cancelled = true;
      },
    });
    const { app } = fakeApp(THINGS);
    const answer = postThing(app, endless);
    await vi.advanceTimersByTimeAsync(REQUEST_TIMEOUT_MS);
    expect(await codeOf(await answer)).toBe('request:timeout');
    await vi.advanceTimersByTimeAsync(0);
    expect(cancelled).toBe(true);
  });

  test('a stream route has no deadline', async () => {
    vi.useFakeTimers();
    const { handler, release, inside } = held();
    const { app } = fakeApp([defineRoute({ ...writeThing, bodyKind: 'stream', body: writeThing.body!, handler })]);
    const answer = postThing(app, '{}', { 'content-type': 'application/x-ndjson' });
    await inside;
    await vi.advanceTimersByTimeAsync(10 * REQUEST_TIMEOUT_MS);
    release();
    expect((await answer).status).toBe(200);
  });

  test('the request after the last place, of its key or of all, is 503; a probe is answered; places become free again', async () => {
    const { handler, release } = held();
    const waiting = defineRoute({ ...readThing, handler });
    const livez = defineRoute({ ...readThing, scope: 'public', path: '/alive/{id}', bodyKind: 'none' });
    const { app } = fakeApp([waiting, livez]);
    const get = (path: string, key = ALL_KEY) => app.request(path, { headers: bearer(key) });
    const isRefused = async (key: string) => {
      const refused = await get('/v1/things/abc', key);
      const said = [refused.status, refused.headers.get('retry-after'), await codeOf(refused)];
      expect(said).toEqual([503, '1', 'request:overloaded']);
    };
    const inside = Array.from({ length: MAX_OF_A_KEY }, () => get('/v1/things/abc'));
    await isRefused(ALL_KEY);
    const others = MAX_IN_FLIGHT - MAX_OF_A_KEY;
    inside.push(...Array.from({ length: others }, () => get('/v1/things/abc', READ_KEY)));
    await isRefused(READ_KEY);
    expect((await get('/alive/abc')).status).toBe(200);
    release();
    expect(new Set((await Promise.all(inside)).map(({ status }) => status))).toEqual(new Set([200]));
    expect((await get('/v1/things/abc')).status).toBe(200);
  });
});
