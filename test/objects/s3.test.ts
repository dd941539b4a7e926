import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { transportOf } from '../../src/objects/s3/client.js';
import { S3Store } from '../../src/objects/s3/store.js';

/** A store that answers as each test says; what was asked stands in `asked`. */
let answer: (request: IncomingMessage, response: ServerResponse) => void;
let asked: string[];
let received: number;
let endpoint: string;
let closed: () => Promise<void>;

beforeEach(async () => {
  asked = [];
  received = 0;
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url?.split('?')[0]}`);
    request.on('data', (chunk: Buffer) => {
      received += chunk.length;
    });
    answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  closed = async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
});
afterEach(() => closed());

const open = (more: { publicEndpoint?: string; idleTimeoutMs?: number } = {}) =>
  new S3Store({
    endpoint,
    region: 'us-east-1',
    accessKey: 'access',
    secretKey: 'secret',
    idleTimeoutMs: 5000,
    ...more,
  });
const name = { bucket: 'bucket', key: 'a/b' };
const put = (store: S3Store, bytes = Buffer.from('bytes')) =>
  store.put(name, Readable.from([bytes]), { size_bytes: bytes.length, content_type: 'text/plain' });
const ok = { 'content-length': 0, 'last-modified': 'Fri, 02 Jan 2026 03:04:05 GMT', etag: '"e"' };
const away = { code: 'objects:unavailable', retryable: true };

describe('a store that is away', () => {
  test('is asked again for what changes nothing', async () => {
    answer = (_, response) => void response.writeHead(asked.length < 3 ? 503 : 200, ok).end();
    expect(await open().stat(name)).toMatchObject({ etag: 'e', version_id: null });
    expect(asked).toEqual(Array(3).fill('HEAD /bucket/a/b'));
  });

  test('is asked three times at most', async () => {
    answer = (_, response) => void response.writeHead(503).end();
    await expect(open().get(name)).rejects.toMatchObject(away);
    await expect(open().list('bucket', { limit: 1 })).rejects.toMatchObject(away);
    expect(asked).toEqual([...Array(3).fill('GET /bucket/a/b'), ...Array(3).fill('GET /bucket')]);
  });

  test.each([
    ['put', (store: S3Store) => put(store)],
    ['delete', (store: S3Store) => store.delete(name)],
    ['copy', (store: S3Store) => store.copy(name, { ...name, key: 'c' })],
    ['startUpload', (store: S3Store) => store.startUpload(name, { content_type: 'text/plain' })],
    [
      'completeUpload',
      (store: S3Store) => store.completeUpload({ ...name, upload_id: 'u' }, [{ part_number: 1, etag: 'e' }]),
    ],
    ['abortUpload', (store: S3Store) => store.abortUpload({ ...name, upload_id: 'u' })],
  ])('is not asked again to %s', async (_, call) => {
    answer = (request, response) => void request.resume().on('end', () => response.writeHead(503).end());
    await expect(call(open())).rejects.toMatchObject(away);
    expect(asked).toHaveLength(1);
  });

  test('says so when nobody listens, or the connection breaks', async () => {
    answer = (request) => void request.socket.destroy();
    await expect(put(open())).rejects.toMatchObject(away);
    await expect(open().versions(name)).rejects.toMatchObject(away);
    await closed();
    await expect(open().stat(name)).rejects.toMatchObject(away);
  });

  test('is given up when it falls silent: before an answer, and within one', async () => {
    answer = () => undefined;
    const store = open({ idleTimeoutMs: 50 });
    await expect(put(store)).rejects.toMatchObject(away);
    await expect(store.startUpload(name, { content_type: 'x' })).rejects.toMatchObject(away);
    answer = (_, response) => void response.writeHead(200, { ...ok, 'content-length': 10 }).write('half');
    const { body } = await store.get(name);
    await expect(buffer(body)).rejects.toThrow('fell silent');
  });

  test('is given up when it falls silent after its reader was slow', async () => {
    answer = (_, response) => void response.writeHead(200, { 'content-length': 200_000 }).write(Buffer.alloc(100_000));
    const request = transportOf(endpoint, 50)
      .request(endpoint)
      .on('error', () => undefined)
      .end();
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    await once(request, 'timeout');
    expect([request.destroyed, response.readableLength > 0]).toEqual([false, true]);
    await expect(buffer(response)).rejects.toThrow('fell silent');
  });

  test('breaks a body that it does not bring whole', async () => {
    answer = (_, response) => {
      response.writeHead(200, { ...ok, 'content-length': 10 });
      response.write('half', () => response.socket?.destroy());
    };
    const { body } = await open().get(name);
    await expect(buffer(body)).rejects.toThrow('aborted');
  });
});

describe('a refusal', () => {
  const said = (code: string) => `<Error><Code>${code}</Code><Message>no</Message></Error>`;

  test.each([
    [403, ''],
    [401, ''],
    [403, said('AccessDenied')],
    [403, said('InvalidAccessKeyId')],
    [400, said('SomethingNew')],
  ])('is told apart from a fault of ours: %d %s', async (status, body) => {
    answer = (_, response) => void response.writeHead(status).end(body);
    const refused = { code: 'objects:refused', retryable: false, status: 502 };
    await expect(open().get(name)).rejects.toMatchObject(refused);
    expect(asked).toEqual(['GET /bucket/a/b']);
    await expect(open().startUpload(name, { content_type: 'x' })).rejects.toMatchObject(refused);
    await expect(open().delete({ ...name, version_id: 'v' })).rejects.toMatchObject(refused);
  });

  test.each(['AccessDenied', 'InvalidRequest'])('of what is held says so, as %s', async (code) => {
    const documents: Record<string, string> = {
      'legal-hold': '<LegalHold><Status>ON</Status></LegalHold>',
      retention: said('NoSuchObjectLockConfiguration'),
    };
    answer = ({ method, url = '' }, response) => {
      if (method === 'DELETE') return void response.writeHead(403).end(said(code));
      const [, document = ''] = Object.entries(documents).find(([kind]) => url.includes(`${kind}=`)) ?? [];
      response.writeHead(document.includes('<Error>') ? 404 : 200).end(document);
    };
    await expect(open().delete({ ...name, version_id: 'v' })).rejects.toMatchObject({ code: 'artifact:held' });
    documents['legal-hold'] = '<LegalHold><Status>OFF</Status></LegalHold>';
    await expect(open().delete({ ...name, version_id: 'v' })).rejects.toMatchObject({ code: 'objects:refused' });
  });
});

describe('a body', () => {
  test('that is wrong never reaches the store whole', async () => {
    const sockets: Socket[] = [];
    answer = (request) => void sockets.push(request.socket);
    const bytes = Buffer.alloc(100_000);
    const chunks = Readable.from([bytes, bytes, bytes]);
    const options = { size_bytes: 300_000, content_type: 'text/plain', sha256: '0'.repeat(64) };
    await expect(open().put(name, chunks, options)).rejects.toMatchObject({ code: 'artifact:checksum_mismatch' });
    await expect.poll(() => sockets.every(({ destroyed }) => destroyed)).toBe(true);
    expect(received).toBeLessThanOrEqual(200_000);
    expect(chunks.destroyed).toBe(true);
  });

  test('is let go of when the store refuses early', async () => {
    answer = (_, response) => void response.writeHead(412, { connection: 'close' }).end();
    const endless = Readable.from(
      (function* () {
        for (;;) yield Buffer.alloc(10_000);
      })(),
    );
    const put = open().put(name, endless, {
      size_bytes: 1e12,
      content_type: 'x',
      precondition: { if_none_match: '*' },
    });
    await expect(put).rejects.toMatchObject({ code: 'artifact:precondition_failed' });
    expect(endless.destroyed).toBe(true);
  });
});

describe('signing', () => {
  test('is for the public endpoint, and asks nobody', async () => {
    answer = (_, response) => void response.writeHead(500).end();
    const store = open({ publicEndpoint: 'https://files.example.org' });
    const minute = { expires_in_seconds: 60 };
    const get = await store.presignGet({ ...name, version_id: 'v.1~' }, minute);
    expect(get.url).toMatch(/^https:\/\/files\.example\.org\/bucket\/a\/b\?/);
    const query = new URL(get.url).searchParams;
    expect(query.get('versionId')).toBe('v.1~');
    expect(query.get('X-Amz-Expires')).toBe('60');
    expect(query.get('X-Amz-SignedHeaders')).toBe('host');
    const form = await store.presignUpload(name, { ...minute, content_type: 'text/plain', max_size_bytes: 9 });
    expect(form.url).toBe('https://files.example.org/bucket');
    const policy = JSON.parse(Buffer.from(form.fields.policy!, 'base64').toString());
    expect(policy.conditions).toContainEqual(['content-length-range', 0, 9]);
    expect(policy.conditions).toContainEqual(['eq', '$Content-Type', 'text/plain']);
    expect(policy.expiration).toBe(form.expires_at);
    expect(asked).toEqual([]);
  });
});
