import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type {
  Artifact as ServersArtifact,
  UploadInstructions as ServersInstructions,
} from '../../../src/artifacts/schemas.js';
import type { UploadInstructions } from '../../../src/client/artifact.js';
import { type Artifact, createClient } from '../../../src/client/index.js';
import { IMPORTS } from '../repository/sources.js';

type Answers = (request: { method: string; path: string; init: RequestInit }) => Response | Error;

const URL_OF_API = 'http://api.test';
const problem = (status: number, code: string, retryable: boolean, headers = {}) =>
  new Response(JSON.stringify({ title: 'No.', status, code, retryable, request_id: 'r-1', errors: [] }), {
    status,
    headers: { 'content-type': 'application/problem+json', ...headers },
  });

/** A client of a server that answers by a function; an Error is a broken connection. */
function clientOf(answers: Answers) {
  const sent: { method: string; path: string; headers: Record<string, string>; body: unknown; atMs: number }[] = [];
  const client = createClient({
    url: URL_OF_API,
    key: 'acv_key',
    fetch: async (url, init) => {
      const request = { method: init.method ?? 'GET', path: url.replace(URL_OF_API, ''), init };
      const headers = { ...(init.headers as Record<string, string>) };
      sent.push({ method: request.method, path: request.path, headers, body: init.body, atMs: Date.now() });
      const answer = answers(request);
      if (answer instanceof Error) throw answer;
      return answer;
    },
  });
  return { client, sent };
}

const reserved = (upload: object) => Response.json({ id: 'a1', upload }, { status: 201 });
const STORED = { id: 'a1', status: 'stored' };

/** What a promise comes to while the clock is wound on. */
async function settled<Result>(promise: Promise<Result>): Promise<Result> {
  const outcome = Promise.allSettled([promise]);
  await vi.runAllTimersAsync();
  await outcome;
  return promise;
}

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe('the client', () => {
  test('imports nothing of the server and nothing of Node', () => {
    const imports = IMPORTS.filter(({ path }) => path.startsWith('src/client/')).map(({ text }) => text);
    expect(imports.length).toBeGreaterThan(5);
    expect(imports.filter((name) => !/^\.\/[a-z-]+\.js$/.test(name))).toEqual([]);
  });

  // Its types are checked: a name that the server does not have is an error of the compiler.
  test('has fields that the server has', () => {
    const artifact: Record<keyof Artifact, unknown> = {} as Record<keyof ServersArtifact, unknown>;
    const upload: Record<keyof UploadInstructions, unknown> = {} as Record<keyof ServersInstructions, unknown>;
    expect([artifact, upload]).toEqual([{}, {}]);
  });

  test('sends a form with the fields of the policy before the file, and no key of its own', async () => {
    const upload = {
      method: 'POST',
      url: 'http://store.test/b',
      fields: { key: 'k/é', policy: 'p', 'content-type': 'text/csv' },
    };
    const { client, sent } = clientOf(({ path }) =>
      path === '/v1/artifacts' ? reserved(upload) : Response.json(STORED),
    );
    const source = new Blob(['a,b'], { type: 'text/plain' });
    await client.uploadArtifact(source, { name: 'table.csv', content_type: 'text/csv', upload_method: 'POST' });
    const form = sent[1]!;
    expect([form.method, form.path, form.headers]).toEqual(['POST', 'http://store.test/b', {}]);
    const entries = [...(form.body as FormData).entries()];
    expect(entries.map(([name]) => name)).toEqual(['key', 'policy', 'content-type', 'file']);
    expect(entries[0]).toEqual(['key', 'k/é']);
    const file = entries[3]?.[1] as File;
    expect([file.name, await file.text()]).toEqual(['table.csv', 'a,b']);
  });

  test('names a change once, however often it is sent', async () => {
    const faults = [new TypeError('broken'), problem(409, 'idempotency:in_flight', true)];
    const { client, sent } = clientOf(
      ({ path }) => faults.pop() ?? (path === '/v1/artifacts' ? reserved({ method: 'PUT' }) : Response.json(STORED)),
    );
    expect(await settled(client.uploadArtifact(new Blob(['1']), { name: 'a' }))).toEqual(STORED);
    const keys = sent.map(({ headers }) => headers['idempotency-key']);
    expect(keys[0]).toMatch(/^[0-9a-f]{32}$/);
    expect(keys.slice(0, 3)).toEqual([keys[0], keys[0], keys[0]]);
    expect(keys[3]).not.toBe(keys[0]);
    expect(sent.map(({ headers }) => headers.authorization)).toEqual(Array(4).fill('Bearer acv_key'));
  });

  test('waits longer each time, as long as the server asks, and gives up', async () => {
    const { client, sent } = clientOf(() => problem(503, 'objects:unavailable', true, { 'retry-after': '2' }));
    await expect(settled(client.downloadUrl('a1'))).rejects.toMatchObject({
      ...{ code: 'objects:unavailable', status: 503, retryable: true, request_id: 'r-1', retry_after_seconds: 2 },
    });
    const waited = sent.slice(1).map(({ atMs }, index) => atMs - (sent[index]?.atMs ?? 0));
    expect(waited).toHaveLength(5);
    for (const ms of waited) expect(ms).toBeGreaterThanOrEqual(2000);
    expect(waited[4]).toBeLessThanOrEqual(3200);
  });

  test('tells that there was no answer', async () => {
    const { client, sent } = clientOf(() => new TypeError('refused'));
    const failed = settled(client.downloadUrl('a1'));
    await expect(failed).rejects.toMatchObject({ code: 'client:network', status: 0, retryable: true });
    await expect(failed).rejects.toHaveProperty('cause.message', 'refused');
    const waited = sent.slice(1).map(({ atMs }, index) => atMs - (sent[index]?.atMs ?? 0));
    for (const [index, ms] of waited.entries()) {
      expect(ms).toBeGreaterThanOrEqual(100 * 2 ** index - 1);
      expect(ms).toBeLessThanOrEqual(200 * 2 ** index + 1);
    }
  });

  test.each([
    [
      new Response('<Error><Code>SignatureDoesNotMatch</Code></Error>', { status: 400 }),
      'SignatureDoesNotMatch',
      false,
    ],
    [new Response('<html>Bad gateway</html>', { status: 502 }), 'Bad gateway', true],
    [new Response('{', { status: 500, headers: { 'content-type': 'application/problem+json' } }), '500', true],
  ])('says what it was told where there is no problem document', async (answer, said, retryable) => {
    const { client } = clientOf(() => answer.clone());
    const failed = settled(client.downloadUrl('a1'));
    await expect(failed).rejects.toMatchObject({ code: 'client:answer', status: answer.status, retryable });
    await expect(failed).rejects.toThrow(said);
  });

  test('gives up on parts that never arrive, and begins no more after the first failure', async () => {
    const parts = Array.from({ length: 20 }, (_, index) => ({
      ...{ part_number: index + 1, offset_bytes: index, size_bytes: 1, url: `http://store.test/${index + 1}` },
    }));
    const upload = { method: 'multipart', parts };
    const { client, sent } = clientOf(({ path }) => {
      if (path.endsWith('/complete')) return problem(409, 'artifact:upload_incomplete', true);
      return path.startsWith('/v1/') ? reserved(upload) : new TypeError('broken');
    });
    const source = new Blob(['x'.repeat(20)]);
    const failed = settled(client.uploadArtifact(source, { name: 'a', upload_method: 'multipart' }));
    await expect(failed).rejects.toMatchObject({ code: 'client:network' });
    expect(sent.filter(({ path }) => path.startsWith('http://store.test/'))).toHaveLength(6 * 4);
    expect(sent.filter(({ path }) => path === '/v1/artifacts/a1/upload')).toHaveLength(5);
  });

  test('an abort ends the wait before the next try', async () => {
    const { client, sent } = clientOf(() => problem(503, 'objects:unavailable', true, { 'retry-after': '25' }));
    const aborted = new AbortController();
    const failed = Promise.allSettled([client.downloadUrl('a1', { signal: aborted.signal })]);
    await vi.advanceTimersByTimeAsync(1000);
    aborted.abort(new Error('enough'));
    expect(await failed).toMatchObject([{ status: 'rejected', reason: { message: 'enough' } }]);
    expect(sent).toHaveLength(1);
    expect(vi.getTimerCount()).toBe(0);
  });
});
