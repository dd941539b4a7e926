import { describe, expect, test } from 'vitest';
import { bearer, codeOf, fakeApp, postThing, THINGS } from './fake-services.js';

const { app } = fakeApp(THINGS);
const deep = (levels: number) => `{"name":"x","extra":${'['.repeat(levels)}${']'.repeat(levels)}}`;

function chunks(count: number, size: number): ReadableStream<Uint8Array> {
  let left = count;
  return new ReadableStream({
    pull(controller) {
      if (left-- > 0) controller.enqueue(new Uint8Array(size).fill(0x20));
      else controller.close();
    },
  });
}

describe('a JSON body', () => {
  test('that fits is given to the handler', async () => {
    const response = await postThing(app, '{"name":"café"}');
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ name: 'café' });
  });

  test.each([
    ['nothing at all', '', 400, 'request:malformed_json'],
    ['white space', ' \n', 400, 'request:malformed_json'],
    ['broken JSON', '{"name":', 400, 'request:malformed_json'],
    ['1 MB of opening brackets', '['.repeat(1_000_000), 400, 'request:malformed_json'],
    ['100 000 closed brackets', deep(100_000), 400, 'request:invalid'],
    ['65 levels', deep(64), 400, 'request:invalid'],
    ['a number beyond a double', '{"name":"x","extra":[1e999]}', 400, 'request:invalid'],
    ['a negative one', '{"name":"x","extra":-1e999}', 400, 'request:invalid'],
    ['__proto__', '{"name":"x","__proto__":{"admin":true}}', 400, 'request:forbidden_key'],
    ['__proto__ with an escape', '{"name":"x","extra":{"\\u005f_proto__":1}}', 400, 'request:forbidden_key'],
    ['constructor in an array', '{"name":"x","extra":[[{"constructor":1}]]}', 400, 'request:forbidden_key'],
    ['prototype', '{"prototype":1}', 400, 'request:forbidden_key'],
    ['half of a surrogate pair', '{"name":"\\ud800"}', 400, 'request:malformed_utf8'],
    ['the same in a key', '{"name":"x","extra":{"\\udfff":1}}', 400, 'request:malformed_utf8'],
    ['an unknown field', '{"name":"x","nmae":"y"}', 400, 'request:invalid'],
    ['a wrong type', '{"name":1}', 400, 'request:invalid'],
    ['not an object', '"name"', 400, 'request:invalid'],
  ])('with %s is refused', async (_what, body, status, code) => {
    const response = await postThing(app, body);
    expect([response.status, await codeOf(response)]).toEqual([status, code]);
  });

  test('with 64 levels is taken', async () => {
    expect((await postThing(app, deep(63))).status).toBe(200);
  });

  test.each([
    ['an overlong encoding', [0x22, 0xc0, 0xaf, 0x22]],
    ['a surrogate', [0x22, 0xed, 0xa0, 0x80, 0x22]],
    ['a lone continuation byte', [0x22, 0x80, 0x22]],
  ])('with %s is not UTF-8', async (_what, bytes) => {
    const response = await postThing(app, new Uint8Array(bytes));
    expect([response.status, await codeOf(response)]).toEqual([400, 'request:malformed_utf8']);
  });

  test('names each fault by its path', async () => {
    const response = await postThing(app, '{"name":"x","tags":["a",2],"surplus":1}');
    const { errors } = (await response.json()) as { errors: { path: string; message: string }[] };
    expect(errors.map(({ path }) => path).sort()).toEqual(['surplus', 'tags.1']);
    expect(errors.find(({ path }) => path === 'surplus')?.message).toBe('is not known here');
  });

  test('gets at most 32 faults back, whatever it sent', async () => {
    const response = await postThing(app, JSON.stringify({ name: 'x', tags: new Array(10_000).fill(1) }));
    expect(((await response.json()) as { errors: unknown[] }).errors).toHaveLength(32);
  });

  test('does not reach the prototype of anything', async () => {
    await postThing(app, '{"name":"x","extra":{"__proto__":{"polluted":1}}}');
    expect(({} as { polluted?: number }).polluted).toBeUndefined();
  });
});

describe('the content type', () => {
  test.each([
    'application/json',
    'application/json; charset=utf-8',
    'APPLICATION/JSON;charset="UTF-8"',
    'application/merge-patch+json',
  ])('%s is JSON', async (type) => {
    expect((await postThing(app, '{"name":"x"}', { 'content-type': type })).status).toBe(200);
  });

  test.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'application/jsonx',
    'application/json; charset=latin1',
    '',
  ])('"%s" is not', async (type) => {
    const response = await postThing(app, '{"name":"x"}', { 'content-type': type });
    expect([response.status, await codeOf(response)]).toEqual([415, 'request:unsupported_media_type']);
  });

  test('a compressed body is not taken', async () => {
    const response = await postThing(app, '{"name":"x"}', { 'content-encoding': 'gzip' });
    expect([response.status, await codeOf(response)]).toEqual([415, 'request:unsupported_media_type']);
  });

  test('a stream route takes NDJSON only', async () => {
    const post = (type: string) =>
      app.request('/v1/things/bulk', { method: 'POST', headers: { ...bearer(), 'content-type': type }, body: '{}\n' });
    expect(await (await post('application/x-ndjson')).json()).toEqual({ bytes: 3 });
    expect((await post('application/json')).status).toBe(415);
  });
});

describe('the size bound', () => {
  test('refuses a Content-Length over it without reading', async () => {
    let pulled = 0;
    const body = new ReadableStream({ pull: () => void pulled++ }, { highWaterMark: 0 });
    const response = await postThing(app, body, { 'content-length': '2000001' });
    expect([response.status, await codeOf(response), pulled]).toEqual([413, 'request:too_large', 0]);
  });

  test('refuses chunks that come to more, when they do', async () => {
    const response = await postThing(app, chunks(3, 1_000_000));
    expect([response.status, await codeOf(response)]).toEqual([413, 'request:too_large']);
  });

  test('holds for a stream whose handler reads it, and against a false Content-Length', async () => {
    const response = await app.request('/v1/things/bulk', {
      method: 'POST',
      headers: { ...bearer(), 'content-type': 'application/x-ndjson', 'content-length': '10' },
      body: chunks(3, 40),
      duplex: 'half',
    } as RequestInit);
    expect([response.status, await codeOf(response)]).toEqual([413, 'request:too_large']);
  });

  test('a body that breaks off is the client’s fault', async () => {
    const broken = new ReadableStream({ pull: (controller) => controller.error(new Error('reset')) });
    const response = await postThing(app, broken);
    expect([response.status, await codeOf(response)]).toEqual([400, 'request:invalid']);
  });
});

describe('address and query', () => {
  const get = (path: string) => app.request(path, { headers: bearer() });

  test('are typed by their schemas', async () => {
    expect(await (await get('/v1/things/abc?limit=5')).json()).toEqual({ id: 'abc', limit: 5 });
    expect(await (await get('/v1/things/abc')).json()).toEqual({ id: 'abc', limit: 10 });
  });

  test.each([
    ['/v1/things/abc?limt=5', 'request:invalid', 'query.limt'],
    ['/v1/things/abc?limit=5&limit=6', 'request:invalid', 'query.limit'],
    ['/v1/things/abc?limit=101', 'request:invalid', 'query.limit'],
    ['/v1/things/abc?toString=1', 'request:invalid', 'query.toString'],
    ['/v1/things/ABC', 'request:invalid', 'params.id'],
    ['/v1/things/abc?__proto__=1', 'request:forbidden_key', undefined],
    ['/v1/things/abc?limit=%FF', 'request:malformed_utf8', undefined],
    ['/v1/things/%C0%AF', 'request:malformed_utf8', undefined],
  ])('%s is %s', async (path, code, fault) => {
    const response = await get(path);
    const problem = (await response.json()) as { code: string; errors: { path: string }[] };
    expect([response.status, problem.code, problem.errors[0]?.path]).toEqual([400, code, fault]);
  });
});
