import { once } from 'node:events';
import { Agent, type IncomingMessage, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { artifactsOf, bytesOf, MIB, reconciled, sendBytes, sendWell, sha256 } from '../support/artifacts.js';
import { expectProblem, rawCall, rawRequest } from '../support/knowledge.js';
import { objectsUnavailable, type ProductWithObjects, startProductWithObjects } from '../support/objects.js';
import { onStack } from '../support/product.js';

/** Names that are somebody's way out, in or around. Each becomes a key. */
const NAMES = [
  '..',
  '.',
  '../',
  '../../../etc/passwd',
  'a/b',
  'a/../b',
  '/etc/passwd',
  'a\\..\\b',
  '..\\',
  ' .. ',
  '.. ',
  ' ..',
  '. ',
  '..\u00a0',
  '\u3000..',
  ' ',
  'trailing space ',
  'trailing dots...',
  '...',
  '%2e%2e%2f',
  '%2e%2e',
  '%00',
  '%',
  '+ +',
  'a?b#c&d=e;f',
  '.json',
  'x.json',
  '~',
  'CON',
  'xl.meta',
  'part.1',
  '.minio.sys',
  'x__XLDIR__',
  '__XLDIR__',
  'null',
  '\u202Egpj.exe',
  '\u0645\u0644\u0641.txt',
  '\u00e9.txt',
  'e\u0301.txt',
  '\u{1F40B}'.repeat(50),
  'x'.repeat(200),
  'bom\uFEFF',
  '\uFFFE',
  'a\uFFFFb',
  '\u2028\u2029',
  '<>"\'&',
  "'; REMOVE TABLE minio_references; --",
  '{id}',
  '$parent',
  '*',
  'a:b|c',
];

describe.skipIf(objectsUnavailable)('hostile names and races', () => {
  let all: ProductWithObjects;
  let api: ReturnType<typeof artifactsOf>;

  beforeAll(async () => {
    all = await startProductWithObjects({
      MINIO_BUCKETS: 'agents-artifacts,documents,models,shared?key={user}/{name}',
    });
    api = artifactsOf(all.product);
  });
  afterAll(() => all?.stop());

  it.each(NAMES)('keeps a file named %j byte for byte, whichever way it comes', async (name) => {
    const bytes = Buffer.from(`the bytes of ${JSON.stringify(name)}`);
    const reserved = await api.reserve({ name, entity: name, user: name, size_bytes: bytes.length });
    expect(reserved.status, reserved.text).toBe(201);
    const { id, key, upload } = reserved.body;
    expect(reserved.body.name).toBe(name);
    const segments = key.split('/');
    expect(segments).toHaveLength(5);
    expect(segments).not.toContain('..');
    expect(segments).not.toContain('.');
    expect(segments[3]).toBe(id);
    await sendWell(upload, bytes);
    const completed = await api.complete(id);
    expect(completed.body, completed.text).toMatchObject({ status: 'stored', sha256: sha256(bytes), name, key });
    expect((await api.put(id, bytesOf(10))).status).toBe(200);
    const parts = await api.upload(id, { size_bytes: bytes.length, upload_method: 'multipart' });
    await sendWell(parts.body.upload, bytes);
    expect((await api.complete(id)).body).toMatchObject({ version_count: 3, sha256: sha256(bytes) });
    expect(await api.bytes(id)).toEqual(bytes);
    const signed = await fetch((await api.url(id)).body.url);
    expect([signed.status, Buffer.from(await signed.arrayBuffer())]).toEqual([200, bytes]);
    expect((await api.remove(id)).status).toBe(204);
    expect((await api.undelete(id)).status).toBe(200);
    expect(await api.bytes(id)).toEqual(bytes);
  });

  it('lists all of them, and finds both sides agree', async () => {
    const names = new Map<string, string>();
    let cursor: string | undefined;
    do {
      const page = (await api.list({ limit: '100', ...(cursor === undefined ? {} : { cursor }) })).body;
      for (const one of page.artifacts) names.set(one.name, one.key);
      cursor = page.cursor;
    } while (cursor !== undefined);
    expect([...names.keys()].sort()).toEqual([...NAMES].sort());
    expect(new Set(names.values()).size).toBe(NAMES.length);
    // Events that are still on their way change nothing.
    expect(await reconciled(all.product)).toEqual([]);
  });

  it.each([
    ['\u00e9', 'e\u0301'],
    ['a', 'A'],
    ['\ufb01', 'fi'],
    ['x ', 'x'],
    ['x.', 'x'],
    ['%41', 'A.'],
    ['a%2Fb', 'a_b'],
  ])('keeps %j and %j apart in one folder', async (one, other) => {
    const [first, second] = [Buffer.from(`first ${one}`), Buffer.from(`second ${other}`)];
    const user = `of ${one} and ${other}`;
    const stored = [
      await api.stored(first, { bucket: 'shared', user, name: one }),
      await api.stored(second, { bucket: 'shared', user, name: other }),
    ];
    expect(stored[0]!.key).not.toBe(stored[1]!.key);
    expect(await api.bytes(stored[0]!.id)).toEqual(first);
    expect(await api.bytes(stored[1]!.id)).toEqual(second);
  });

  it.each(['\u0000', 'a\u0000b', '\ud800', 'x'.repeat(1025), '\u001b[2J'])('refuses %j in any place', async (text) => {
    const fields = ['name', 'entity', 'user', 'session_id', 'id', 'agent_id', 'bucket', 'content_type', 'sha256'];
    for (const field of fields) {
      const answer = await api.reserve({ size_bytes: 1, [field]: text });
      expect([field, answer.status]).toEqual([field, field === 'bucket' ? expect.toBeOneOf([400, 404]) : 400]);
      expect(answer.body).toMatchObject({ code: expect.stringMatching(/^(request:|artifact:bucket_not_found)/) });
    }
  });

  it('takes no bucket that it does not have, whatever it is called', async () => {
    for (const bucket of ['nobody', '..', '../documents', 'documents/..', 'DOCUMENTS', 'minio_references', ''])
      expectProblem(await api.reserve({ bucket, size_bytes: 1 }), 404, 'artifact:bucket_not_found');
  });

  it('answers no address around the routes', async () => {
    const { id } = await api.stored(bytesOf(3));
    for (const path of [
      `/v1/artifacts/${id}/content/../../../etc`,
      `/v1/artifacts/%2e%2e/content`,
      `/v1/artifacts/..%2f${id}/content`,
      `/v1/artifacts/${id}%00/content`,
      `/v1/artifacts/${id}%2fcontent`,
      `/v1/artifacts//content`,
      '/objects/%2e%2e%2f%2e%2e%2fetc%2fpasswd',
      '/objects/%00',
    ]) {
      const answer = await rawCall(all.product, 'GET', path);
      expect([path, [400, 403, 404].includes(answer.status)]).toEqual([path, true]);
      expect(answer.text).not.toContain('root:');
    }
  });

  it('takes metadata up to 16 KB and 8 levels, and no forbidden keys', async () => {
    expect((await api.reserve({ size_bytes: 1, metadata: { a: 'x'.repeat(16_000) } })).status).toBe(201);
    const deep = (levels: number): unknown => (levels === 0 ? 1 : { d: deep(levels - 1) });
    const large = 'knowledge:metadata_too_large';
    expectProblem(await api.reserve({ size_bytes: 1, metadata: { a: 'x'.repeat(17_000) } }), 400, large);
    expectProblem(await api.reserve({ size_bytes: 1, metadata: deep(20) }), 400, large);
    const forbidden = '{"name":"x","size_bytes":1,"metadata":{"__proto__":{"admin":true}}}';
    expectProblem(await all.product.call('POST', '/v1/artifacts', forbidden), 400, 'request:forbidden_key');
    const { id } = await api.stored(bytesOf(1), { metadata: { a: 'x'.repeat(15_000) } });
    expectProblem(await api.patch(id, { metadata: { b: 'x'.repeat(15_000) } }), 400, large);
    expect(Object.keys((await api.get(id)).body.metadata)).toEqual(['a']);
    for (const size of [-1, 1.5, 1e300, '1', null, 2 ** 53])
      expect([400, 413]).toContain((await api.reserve({ size_bytes: size })).status);
  });

  it.skipIf(onStack)('takes a signed URL for nothing but what it was signed for', async () => {
    const { body } = await api.reserve({ size_bytes: 11 * MIB });
    const { body: single } = await api.reserve({ size_bytes: 3, upload_method: 'PUT' });
    const stored = await api.stored(bytesOf(3));
    const get = (await api.url(stored.id)).body.url;
    const part = body.upload.parts![0]!.url;
    for (const [url, method] of [
      [get, 'PUT'],
      [get, 'DELETE'],
      [get, 'POST'],
      [part, 'GET'],
      [single.upload.url!, 'GET'],
      [single.upload.url!, 'HEAD'],
    ] as const)
      expect([403, 405]).toContain((await fetch(url, { method })).status);
    // A part is no object: what is sent to it is not seen until the upload is complete.
    await sendWell({ ...body.upload, parts: [body.upload.parts![0]!] }, bytesOf(11 * MIB));
    expectProblem(await api.complete(body.id), 409, 'artifact:upload_incomplete');
    // Signatures are of one token: halves of two make none.
    const [a, b] = [single.upload.url!.split('/').at(-1)!, part.split('/').at(-1)!];
    for (const token of [a.slice(0, 43) + b.slice(43), b.slice(0, 43) + a.slice(43), `${a}=`, a.toUpperCase(), a + b])
      expect([400, 403]).toContain(
        (await fetch(`${all.product.url}/objects/${token}`, { method: 'PUT', body: 'xyz' })).status,
      );
    const forged = Buffer.concat([
      Buffer.alloc(32),
      Buffer.from(JSON.stringify({ method: 'GET', bucket: 'models', key: '../../x', expires_at_ms: 9e15 })),
    ]).toString('base64url');
    expect((await fetch(`${all.product.url}/objects/${forged}`)).status).toBe(403);
  });

  it.runIf(onStack)('takes a signed URL of S3 for nothing but what it was signed for', async () => {
    const { body } = await api.reserve({ size_bytes: 3, upload_method: 'PUT' });
    const stored = await api.stored(bytesOf(3));
    const get = (await api.url(stored.id)).body.url;
    const other = body.upload.url!.replace(body.id, stored.id);
    for (const [url, method] of [
      [get, 'PUT'],
      [get, 'DELETE'],
      [body.upload.url!, 'GET'],
      [other, 'PUT'],
      [get.replace(/versionId=[^&]*/, 'versionId=null'), 'GET'],
    ] as const) {
      const answer = await fetch(url, { method, ...(method === 'PUT' ? { body: 'xyz' } : {}) });
      expect([url, answer.status]).toEqual([url, 403]);
    }
    expect(await api.bytes(stored.id)).toEqual(bytesOf(3));
  });

  describe('a client that goes away', () => {
    it('in the middle of a PUT leaves the reservation and nothing else', async () => {
      const bytes = bytesOf(5 * MIB);
      const { body } = await api.reserve({ size_bytes: bytes.length });
      for (const headers of [{ 'content-length': String(bytes.length) }, { 'transfer-encoding': 'chunked' }]) {
        const { request } = rawRequest(all.product, 'PUT', `/v1/artifacts/${body.id}/content`, headers);
        request.on('error', () => undefined);
        request.write(bytes.subarray(0, 2 * MIB));
        await once(request, 'drain');
        request.destroy();
      }
      if (body.upload.url !== undefined && body.upload.method === 'PUT') {
        const path = new URL(body.upload.url).pathname;
        const { request } = rawRequest(all.product, 'PUT', path, {
          ...body.upload.headers,
          'content-length': String(bytes.length),
        });
        request.on('error', () => undefined);
        request.write(bytes.subarray(0, 2 * MIB));
        await once(request, 'drain');
        request.destroy();
      }
      await sleep(200);
      expect((await api.get(body.id)).body).toMatchObject({ status: 'reserved', version_count: 0 });
      expectProblem(await api.complete(body.id), 409, 'artifact:upload_incomplete');
      expect((await api.put(body.id, bytes)).body).toMatchObject({ status: 'stored', sha256: sha256(bytes) });
      expect((await reconciled(all.product)).filter(({ artifact_id }) => artifact_id === body.id)).toEqual([]);
    });

    it('can go on with its connection, or is told that it cannot, when its bytes are not read', async () => {
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      const { hostname, port } = new URL(all.product.url);
      const send = (method: string, path: string, bytes?: Buffer): Promise<IncomingMessage> =>
        new Promise((resolve, reject) => {
          const length = bytes === undefined ? {} : { 'content-length': bytes.length };
          const headers = { authorization: `Bearer ${all.product.key}`, ...length };
          const sent = request({ hostname, port, method, path, agent, headers }, (answer) => {
            answer.resume().on('end', () => resolve(answer));
          });
          sent.on('error', reject);
          sent.end(bytes);
        });
      const { id } = await api.stored(bytesOf(3));
      const { body } = await api.reserve({ size_bytes: 3 });
      const refused = await send('PUT', `/v1/artifacts/${body.id}/content`, bytesOf(2 * MIB));
      expect(refused.statusCode).toBe(400);
      const until = performance.now() + 1500;
      while (performance.now() < until) expect((await send('GET', `/v1/artifacts/${id}`)).statusCode).toBe(200);
      const taken = await send('PUT', `/v1/artifacts/${body.id}/content`, bytesOf(3));
      expect(taken.statusCode).toBe(200);
      agent.destroy();
    });

    it('in the middle of a download harms nobody', async () => {
      const bytes = bytesOf(8 * MIB);
      const { id } = await api.stored(bytes);
      for (let n = 0; n < 8; n += 1) {
        const { request, response } = rawRequest(all.product, 'GET', `/v1/artifacts/${id}/content`);
        request.on('error', () => undefined);
        request.end();
        const answer = await response;
        answer.on('error', () => undefined);
        await once(answer, 'data');
        answer.destroy();
      }
      expect((await api.bytes(id)).equals(bytes)).toBe(true);
    });
  });

  it('takes no name that the database would read back as another', async () => {
    const owned = await api.stored(bytesOf(3), { bucket: 'shared', user: 'ana', name: 'plan.txt' });
    for (const field of ['user', 'name', 'entity'])
      expectProblem(await api.reserve({ size_bytes: 3, [field]: `\uFEFF${field}` }), 400, 'request:invalid');
    expect((await api.get(owned.id)).body.key).toBe('ana/plan.txt');
  });

  it('loses no acknowledged byte while PUT, complete, DELETE and undelete race', async () => {
    const kept = new Map<string, Buffer[]>();
    for (let round = 0; round < 12; round += 1) {
      const [first, next, one, other] = [100, 300, 200, 201].map((size) => bytesOf(size, size * 100 + round));
      const { id } = await api.stored(first!);
      const { body } = await api.upload(id, { size_bytes: 300, upload_method: 'PUT' });
      await sendBytes(body.upload, round % 2 === 0 ? next! : bytesOf(299));
      const answers = await Promise.all([
        api.put(id, one!),
        api.put(id, other!),
        api.complete(id),
        api.remove(id),
        api.undelete(id),
        api.upload(id, { size_bytes: 7 }),
        api.remove(id).then(() => api.undelete(id)),
      ]);
      for (const { status, text } of answers) expect([200, 204, 400, 404, 409, 410], text).toContain(status);
      const acknowledged = [one!, other!].filter((_, n) => answers[n]!.status === 200);
      kept.set(id, [first!, ...acknowledged]);
    }
    await all.product.stop();
    await all.restart({ ACERVO_RECONCILE_GRACE_SECONDS: '0' });
    await reconciled(all.product);
    for (const id of kept.keys()) {
      const { status } = (await api.get(id)).body;
      expect(['stored', 'deleted']).toContain(status);
      if (status === 'deleted') expect((await api.undelete(id)).status).toBe(200);
    }
    // What came late lay under a delete marker, and shows again.
    await reconciled(all.product);
    for (const [id, contents] of kept) {
      const { versions } = (await api.versions(id)).body;
      const digests = versions.map((version) => version.sha256);
      for (const bytes of contents) expect(digests).toContain(sha256(bytes));
      for (const version of versions) expect(sha256(await api.bytes(id, version.version_id))).toBe(version.sha256);
      expect(sha256(await api.bytes(id))).toBe((await api.get(id)).body.sha256);
    }
  });
});
