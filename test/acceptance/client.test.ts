import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type AcervoClient, createClient, type UploadProgress } from '../../src/client/index.js';
import { objectsUnavailable, type ProductWithObjects, startProductWithObjects } from '../support/objects.js';
import type { Product } from '../support/product.js';
import { waitFor } from '../support/stack-servers.js';
import { startProxy } from '../support/tcp-proxy.js';

const EXAMPLE = fileURLToPath(new URL('../../examples/upload.mjs', import.meta.url));
const PART_BYTES = 8 * 1024 * 1024;
/** Four parts, the last one shorter. */
const LARGE_BYTES = 3 * PART_BYTES + 12_345;

const sha256Of = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const fileOf = (size_bytes: number) => new Uint8Array(randomBytes(size_bytes));

type Sent = { method: string; url: string; status: number };
type Answering = (url: string, init: RequestInit) => Promise<Response>;

/** A client whose requests are recorded; `interfere` may answer those past the API (signed URLs) in its own way. */
function clientOf(product: Product, interfere: (url: string, init: RequestInit, pass: Answering) => Promise<Response>) {
  const sent: Sent[] = [];
  const record: Answering = async (url, init) => {
    const entry = { method: init.method ?? 'GET', url, status: 0 };
    sent.push(entry);
    const response = await fetch(url, init);
    entry.status = response.status;
    return response;
  };
  const isSigned = (url: string) => !url.startsWith(`${product.url}/v1/`);
  const client = createClient({
    url: `${product.url}/`,
    key: product.key,
    fetch: (url, init) => (isSigned(url) ? interfere(url, init, record) : record(url, init)),
  });
  return {
    client,
    sent,
    signed: () => sent.filter(({ url }) => isSigned(url)),
    api: () => sent.filter(({ url }) => !isSigned(url)).map(({ method, url }) => `${method} ${new URL(url).pathname}`),
  };
}

const passing = (url: string, init: RequestInit, pass: Answering) => pass(url, init);

async function downloaded(client: AcervoClient, id: string): Promise<string> {
  const { url } = await client.downloadUrl(id);
  return sha256Of(new Uint8Array(await (await fetch(url)).arrayBuffer()));
}

describe.skipIf(objectsUnavailable)('the client for files', () => {
  let all: ProductWithObjects;
  let product: Product;
  beforeAll(async () => {
    all = await startProductWithObjects();
    ({ product } = all);
  });
  afterAll(() => all?.stop());

  test.each([0, 1, 300_000, 3_000_000, 10_000_000])('%i bytes go through the server in one PUT', async (size) => {
    const bytes = fileOf(size);
    const { client, signed, api } = clientOf(product, passing);
    const progress: UploadProgress[] = [];
    const artifact = await client.uploadArtifact(bytes, {
      ...{ name: 'a file.bin', metadata: { size }, sha256: sha256Of(bytes) },
      onProgress: (event) => progress.push(event),
    });
    expect(artifact).toMatchObject({
      ...{ status: 'stored', name: 'a file.bin', size_bytes: size, metadata: { size }, version_count: 1 },
      ...{ checksum: 'verified', sha256: sha256Of(bytes) },
    });
    expect(signed()).toEqual([]);
    expect(api()).toEqual(['POST /v1/artifacts', `PUT /v1/artifacts/${artifact.id}/content`]);
    const facts = { artifact_id: artifact.id, total_bytes: size };
    const begun = size === 0 ? [] : [{ ...facts, sent_bytes: 0 }];
    expect(progress).toEqual([...begun, { ...facts, sent_bytes: size }]);
    expect(await downloaded(client, artifact.id)).toBe(sha256Of(bytes));
  });

  test('over 10 MB parts go past the API, four at once, each told when it has arrived', async () => {
    const bytes = fileOf(LARGE_BYTES);
    let [open, most] = [0, 0];
    const { client, signed, api } = clientOf(product, async (url, init, pass) => {
      open += 1;
      most = Math.max(most, open);
      const response = await pass(url, init);
      open -= 1;
      return response;
    });
    const progress: UploadProgress[] = [];
    const source = new File([bytes], 'model.pdf', { type: 'application/pdf' });
    const onProgress = (event: UploadProgress) => progress.push(event);
    const artifact = await client.uploadArtifact(source, { name: source.name, bucket: 'documents', onProgress });
    expect(artifact).toMatchObject({ status: 'stored', bucket: 'documents', content_type: 'application/pdf' });
    expect(artifact).toMatchObject({ size_bytes: LARGE_BYTES, checksum: 'verified', sha256: sha256Of(bytes) });
    expect(signed().map(({ method, status }) => `${method} ${status}`)).toEqual(Array(4).fill('PUT 200'));
    expect(most).toBe(4);
    expect(api()).toEqual(['POST /v1/artifacts', `POST /v1/artifacts/${artifact.id}/complete`]);
    const sizes = new Map([1, 2, 3, 4].map((part) => [part, part < 4 ? PART_BYTES : 12_345]));
    const steps = progress.map(({ sent_bytes, part }, index) => [
      part,
      sent_bytes - (progress[index - 1]?.sent_bytes ?? 0),
    ]);
    expect(steps[0]).toEqual([undefined, 0]);
    expect(new Map(steps.slice(1) as [number, number][])).toEqual(sizes);
    expect(progress.at(-1)?.sent_bytes).toBe(LARGE_BYTES);
    expect(await downloaded(client, artifact.id)).toBe(sha256Of(bytes));
  });

  test('parts that break are sent again with fresh URLs, and no others', async () => {
    const bytes = fileOf(LARGE_BYTES);
    const faults = [
      () => Promise.reject(new TypeError('the connection broke')),
      () => Promise.resolve(new Response('<Error><Code>SlowDown</Code></Error>', { status: 503 })),
    ];
    const { client, signed, api } = clientOf(product, (url, init, pass) => faults.pop()?.() ?? pass(url, init));
    const artifact = await client.uploadArtifact(bytes, { name: 'broken.bin' });
    expect(artifact.sha256).toBe(sha256Of(bytes));
    expect(signed()).toHaveLength(4);
    expect(api()).toContain(`POST /v1/artifacts/${artifact.id}/upload`);
    expect(artifact.version_count).toBe(1);
  });

  test('a part whose answer was lost is not sent again', async () => {
    const bytes = fileOf(LARGE_BYTES);
    let lost = 0;
    const { client, signed } = clientOf(product, async (url, init, pass) => {
      const response = await pass(url, init);
      lost += 1;
      if (lost === 2) throw new TypeError('the answer is lost');
      return response;
    });
    const artifact = await client.uploadArtifact(bytes, { name: 'lost.bin', concurrency: 1 });
    expect(artifact.sha256).toBe(sha256Of(bytes));
    expect(signed()).toHaveLength(4);
  });

  test('what was done before the answer was lost is not done twice', async () => {
    const proxy = await startProxy(Number(new URL(product.url).port));
    const cut = proxy.cutBeforeAnswerHolding('"status":"stored"');
    const bytes = fileOf(100_000);
    try {
      const client = createClient({ url: `http://127.0.0.1:${proxy.port}`, key: product.key });
      const artifact = await client.uploadArtifact(bytes, { name: 'once.bin' });
      await cut;
      expect(artifact).toMatchObject({ status: 'stored', version_count: 1, sha256: sha256Of(bytes) });
    } finally {
      await proxy.close();
    }
  });

  test('after a client that ended in the middle only the rest is sent', async () => {
    const bytes = fileOf(LARGE_BYTES);
    const ended = new AbortController();
    const hanging = (_url: string, { signal }: RequestInit) =>
      new Promise<Response>((_, reject) => {
        if (signal?.aborted) reject(signal.reason);
        signal?.addEventListener('abort', () => reject(signal.reason));
      });
    let passed = 0;
    const dying = clientOf(product, (url, init, pass) => (++passed > 2 ? hanging(url, init) : pass(url, init)));
    let last: UploadProgress | undefined;
    const dead = dying.client.uploadArtifact(bytes, {
      ...{ name: 'resumed.bin', concurrency: 2, signal: ended.signal },
      onProgress: (event) => {
        last = event;
        if (event.sent_bytes === 2 * PART_BYTES) ended.abort(new Error('killed'));
      },
    });
    await expect(dead).rejects.toThrow('killed');
    const id = last!.artifact_id;

    const { client, signed } = clientOf(product, passing);
    const progress: number[] = [];
    const onProgress = ({ sent_bytes }: UploadProgress) => progress.push(sent_bytes);
    const artifact = await client.uploadArtifact(bytes, {
      name: 'resumed.bin',
      resume: id,
      concurrency: 1,
      onProgress,
    });
    expect(artifact).toMatchObject({ id, status: 'stored', sha256: sha256Of(bytes), version_count: 1 });
    expect(progress).toEqual([2 * PART_BYTES, 3 * PART_BYTES, LARGE_BYTES]);
    expect(signed()).toHaveLength(2);
    expect(await downloaded(client, id)).toBe(sha256Of(bytes));

    const again = clientOf(product, passing);
    expect(await again.client.uploadArtifact(bytes, { name: 'resumed.bin', resume: id })).toEqual(artifact);
    expect(again.signed()).toEqual([]);
  });

  test('a client that ended between the last part and the end has only that left to do', async () => {
    const bytes = fileOf(LARGE_BYTES);
    const ended = new AbortController();
    const dying = clientOf(product, passing);
    const dead = dying.client.uploadArtifact(bytes, {
      ...{ name: 'nearly.bin', id: 'nearly', signal: ended.signal },
      onProgress: ({ sent_bytes }) => sent_bytes === LARGE_BYTES && ended.abort(new Error('killed')),
    });
    await expect(dead).rejects.toThrow('killed');
    const { client, signed } = clientOf(product, passing);
    const artifact = await client.uploadArtifact(bytes, { name: 'nearly.bin', resume: 'nearly' });
    expect(artifact).toMatchObject({ id: 'nearly', status: 'stored', sha256: sha256Of(bytes) });
    expect(signed()).toEqual([]);
  });

  test.each(['PUT', 'POST', 'multipart'] as const)('whoever wants %s gets it', async (upload_method) => {
    const bytes = fileOf(9_000_000);
    const { client, signed } = clientOf(product, passing);
    const source = new File([bytes], 'é.txt', { type: 'text/plain' });
    const progress: number[] = [];
    const onProgress = ({ sent_bytes }: UploadProgress) => progress.push(sent_bytes);
    const artifact = await client.uploadArtifact(source, { name: source.name, upload_method, onProgress });
    const isForm = upload_method === 'POST' && all.minio !== undefined;
    expect(signed().map(({ method }) => method)).toEqual(
      upload_method === 'multipart' ? ['PUT', 'PUT'] : [isForm ? 'POST' : 'PUT'],
    );
    expect([progress[0], progress.at(-1)]).toEqual([0, bytes.length]);
    expect(artifact).toMatchObject({ status: 'stored', content_type: 'text/plain', sha256: sha256Of(bytes) });
    expect(await downloaded(client, artifact.id)).toBe(sha256Of(bytes));
  });

  test.each(['PUT', 'POST'] as const)(
    '%s: what the event has stored before the answer was lost is found',
    async (method) => {
      const bytes = fileOf(1000);
      const id = `event-${method.toLowerCase()}`;
      const status = async () => (await product.call<{ status: string }>('GET', `/v1/artifacts/${id}`)).body.status;
      const { client, signed } = clientOf(product, async (url, init, pass) => {
        await pass(url, init);
        await waitFor('the event', async () => (await status()) === 'stored');
        throw new TypeError('the answer is lost');
      });
      const progress: number[] = [];
      const artifact = await client.uploadArtifact(bytes, {
        ...{ name: 'lost.bin', id, upload_method: method },
        onProgress: ({ sent_bytes }) => progress.push(sent_bytes),
      });
      expect(artifact).toMatchObject({ id, status: 'stored', sha256: sha256Of(bytes), version_count: 1 });
      expect(signed()).toHaveLength(1);
      expect(progress).toEqual([0, 1000]);
    },
  );

  test('a form that breaks is sent again', async () => {
    const bytes = fileOf(1000);
    const faults = [() => Promise.reject(new TypeError('the connection broke'))];
    const { client, signed } = clientOf(product, (url, init, pass) => faults.pop()?.() ?? pass(url, init));
    const artifact = await client.uploadArtifact(bytes, { name: 'form.bin', upload_method: 'POST' });
    expect(signed()).toHaveLength(1);
    expect(artifact).toMatchObject({ status: 'stored', sha256: sha256Of(bytes), version_count: 1 });
  });

  test('other bytes than those that were begun with are refused before any is sent', async () => {
    const { body } = await product.call<{ id: string }>('POST', '/v1/artifacts', { name: 'a', size_bytes: 5 });
    const { client, sent } = clientOf(product, passing);
    const upload = client.uploadArtifact(fileOf(6), { name: 'a', resume: body.id });
    await expect(upload).rejects.toMatchObject({ code: 'client:other_source', retryable: false });
    expect(sent.map(({ method }) => method)).toEqual(['GET']);
  });

  test.each([
    ['through the server', 1000],
    ['in parts', LARGE_BYTES],
  ])('bytes with another SHA-256 are refused %s; the right ones are taken afterwards', async (_way, size) => {
    const bytes = fileOf(size);
    const wrong = bytes.with(0, (bytes[0]! + 1) % 256);
    const { client } = clientOf(product, passing);
    const id = `checked-${size}`;
    const upload = client.uploadArtifact(wrong, { name: 'checked.bin', id, sha256: sha256Of(bytes) });
    await expect(upload).rejects.toMatchObject({
      ...{ name: 'AcervoClientError', code: 'artifact:checksum_mismatch', status: 400, retryable: false },
      request_id: expect.stringMatching(/./),
    });
    expect((await product.call('GET', `/v1/artifacts/${id}`)).body).toMatchObject({ status: 'reserved' });
    const artifact = await client.uploadArtifact(bytes, { name: 'checked.bin', resume: id });
    expect(artifact).toMatchObject({ id, status: 'stored', sha256: sha256Of(bytes) });
  });

  test('an abort ends it at once with its reason, and nothing is sent afterwards', async () => {
    const aborted = new AbortController();
    const { client, sent } = clientOf(product, passing);
    const upload = client.uploadArtifact(fileOf(LARGE_BYTES), {
      ...{ name: 'aborted.bin', id: 'aborted', concurrency: 1, signal: aborted.signal },
      onProgress: ({ part }) => part === 1 && aborted.abort(),
    });
    await expect(upload).rejects.toMatchObject({ name: 'AbortError' });
    const many = sent.length;
    expect((await product.call('GET', '/v1/artifacts/aborted')).body).toMatchObject({ status: 'reserved' });
    expect(sent).toHaveLength(many);
    await expect(
      client.uploadArtifact(fileOf(1), { name: 'a', signal: AbortSignal.abort(new Error('before')) }),
    ).rejects.toThrow('before');
  });

  test('what the API refuses is told by its code, and not asked again', async () => {
    const { client, sent } = clientOf({ ...product, key: 'acv_wrong' }, passing);
    await expect(client.uploadArtifact(fileOf(1), { name: 'a' })).rejects.toMatchObject({
      ...{ code: 'auth:invalid', status: 401, retryable: false, request_id: expect.stringMatching(/./) },
    });
    expect(sent).toHaveLength(1);
    const { client: known } = clientOf(product, passing);
    await expect(known.uploadArtifact(fileOf(1), { name: 'a', bucket: 'nowhere' })).rejects.toMatchObject({
      code: 'artifact:bucket_not_found',
    });
  });

  test('the example stores a file and prints where to get it', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'acervo-example-'));
    const bytes = fileOf(LARGE_BYTES);
    const path = join(directory, 'weights é.bin');
    writeFileSync(path, bytes);
    try {
      const { stdout, stderr } = await promisify(execFile)(process.execPath, [EXAMPLE, path], {
        env: { API: product.url, KEY: product.key },
      });
      expect(stderr).toContain(`${LARGE_BYTES} of ${LARGE_BYTES} bytes`);
      expect(stdout).toContain(`stored, verified: ${sha256Of(bytes)}`);
      const url = stdout.trim().split('\n').at(-1) ?? '';
      expect(sha256Of(new Uint8Array(await (await fetch(url)).arrayBuffer()))).toBe(sha256Of(bytes));
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});

describe.skipIf(objectsUnavailable)('with URLs that live for a second', () => {
  let all: ProductWithObjects;
  beforeAll(async () => {
    all = await startProductWithObjects({ ACERVO_UPLOAD_URL_TTL_SECONDS: '1' });
  });
  afterAll(() => all?.stop());

  test('those that have expired are signed again', async () => {
    const { product } = all;
    const bytes = fileOf(LARGE_BYTES);
    // Times in signatures of S3 are whole seconds.
    const expiredMs = () => Date.now() + 2_500;
    let untilMs: number | undefined;
    const { client, signed, api } = clientOf(product, async (url, init, pass) => {
      untilMs ??= expiredMs();
      await waitFor('the URLs to expire', async () => Date.now() > (untilMs ?? 0));
      return pass(url, init);
    });
    const artifact = await client.uploadArtifact(bytes, { name: 'late.bin', concurrency: 2 });
    expect(artifact).toMatchObject({ status: 'stored', sha256: sha256Of(bytes), version_count: 1 });
    const statuses = signed().map(({ status }) => status);
    expect(statuses.slice(0, 2)).toEqual([403, 403]);
    expect(statuses.filter((status) => status === 200)).toHaveLength(4);
    expect(api()).toContain(`POST /v1/artifacts/${artifact.id}/upload`);
  });
});
