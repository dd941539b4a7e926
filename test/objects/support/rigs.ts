import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { Client } from 'minio';
import { isAcervoError } from '../../../src/errors/error.js';
import { parseBuckets } from '../../../src/objects/buckets.js';
import { openGrant } from '../../../src/objects/disk/grants.js';
import { DiskStore } from '../../../src/objects/disk/store.js';
import type { ObjectStore } from '../../../src/objects/port.js';
import { S3Store } from '../../../src/objects/s3/store.js';
import type { MinioServer } from '../../support/minio.js';
import { waitFor } from '../../support/stack-servers.js';

export interface Rig {
  store: ObjectStore;
  /** A bucket that is empty and keeps versions. */
  bucket: string;
  /** Another one, with object lock: new versions get a retention in GOVERNANCE for a day. */
  locked: string;
  /** Is `a/b` listed when there is `a` as well? */
  listsNested: boolean;
  close(): Promise<void>;
}

/** A directory of its own, in the temporary folder. */
export function temporaryDirectory(): { path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'acervo-objects-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** What the routes of the disk driver's URLs have to do, and no more. */
async function serve(store: DiskStore, secret: Buffer, request: IncomingMessage, response: ServerResponse) {
  const token = (request.url ?? '').replace('/signed/', '');
  const grant = openGrant(secret, token, request.method ?? '', new Date());
  if (grant.method === 'GET') {
    const content = await store.get(grant);
    const { content_disposition } = grant;
    response.writeHead(200, {
      'content-type': content.content_type,
      'content-length': content.size_bytes,
      ...(content_disposition === undefined ? {} : { 'content-disposition': content_disposition }),
    });
    return pipeline(content.body, response);
  }
  const size_bytes = Number(request.headers['content-length']);
  const content_type = request.headers['content-type'] ?? 'application/octet-stream';
  if (size_bytes > (grant.max_size_bytes ?? Number.POSITIVE_INFINITY)) return void response.writeHead(413).end();
  if (grant.content_type !== undefined && grant.content_type !== content_type)
    return void response.writeHead(403).end();
  const { bucket, key, upload_id, part_number } = grant;
  const stored =
    upload_id === undefined || part_number === undefined
      ? await store.put({ bucket, key }, request, { size_bytes, content_type })
      : await store.putPart({ bucket, key, upload_id }, part_number, request, { size_bytes });
  response.writeHead(200, { etag: `"${stored.etag}"` }).end();
}

export async function diskRig(): Promise<Rig> {
  const directory = temporaryDirectory();
  const secret = randomBytes(32);
  const server = createServer((request, response) => {
    serve(store, secret, request, response).catch((error) => {
      request.resume();
      response.writeHead(isAcervoError(error) ? error.status : 500).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const publicUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/signed`;
  const root = join(directory.path, 'objects');
  const { buckets } = parseBuckets('acervo,acervo-locked?lock=GOVERNANCE:1');
  const store = await DiskStore.open({ root, buckets, secret, publicUrl: () => publicUrl, clock: () => new Date() });
  return {
    store,
    bucket: 'acervo',
    locked: 'acervo-locked',
    listsNested: true,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await store.close();
      directory.remove();
    },
  };
}

export async function s3Rig(minio: MinioServer): Promise<Rig> {
  const bucket = `acervo-${randomBytes(6).toString('hex')}`;
  const { hostname, port } = new URL(minio.endpoint);
  const admin = new Client({
    ...minio,
    endPoint: hostname,
    port: Number(port),
    useSSL: false,
    retryOptions: { disableRetry: true },
  });
  // Ready is not yet ready to write.
  await waitFor('a bucket', async () => {
    if (!(await admin.bucketExists(bucket))) await admin.makeBucket(bucket);
    return true;
  });
  await admin.setBucketVersioning(bucket, { Status: 'Enabled' });
  const locked = `${bucket}-locked`;
  await admin.makeBucket(locked, minio.region, { ObjectLocking: true });
  await admin.setObjectLockConfig(locked, { mode: 'GOVERNANCE', unit: 'Days', validity: 1 });
  return {
    store: new S3Store({ ...minio, idleTimeoutMs: 10_000 }),
    bucket,
    locked,
    listsNested: false,
    close: async () => undefined,
  };
}
