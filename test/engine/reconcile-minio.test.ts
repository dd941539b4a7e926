import { Readable } from 'node:stream';
import { Client } from 'minio';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { counted } from '../../src/objects/counted.js';
import { reconcile } from '../../src/reconcile/reconcile.js';
import { type Rig as Bucket, s3Rig } from '../objects/support/rigs.js';
import { type MinioServer, startMinio } from '../support/minio.js';
import { findBinary } from '../support/stack-servers.js';
import { onStack, unavailable } from './support/engine.js';
import { openRig, type PlainPointer, type Rig } from './support/reconcile.js';

const bin = onStack ? findBinary('MINIO_BIN', 'minio') : undefined;

describe.skipIf(unavailable || bin === undefined)('reconcile with MinIO', () => {
  let minio: MinioServer;
  let bucket: Bucket;
  let rig: Rig;
  beforeAll(async () => {
    minio = await startMinio(bin!);
    bucket = await s3Rig(minio);
    rig = await openRig({ MINIO_BUCKETS: `${bucket.bucket}?key={name}` });
  });
  afterAll(async () => {
    await rig?.close();
    await minio?.stop();
  });

  it('an object whose key no artifact can have is reported, whatever is done with orphans', async () => {
    const { hostname, port } = new URL(minio.endpoint);
    const client = new Client({ ...minio, endPoint: hostname, port: Number(port), useSSL: false });
    // As the console of MinIO makes folders.
    await client.putObject(bucket.bucket, 'folder/', Buffer.alloc(0), 0);
    const config = {
      ...rig.services.config,
      objects: { ...rig.services.config.objects, unknownObjects: 'adopt' as const },
    };
    const services = { ...rig.services, config, objects: bucket.store };
    const report = await reconcile(services, { apply: true, signal: new AbortController().signal });
    expect(report).toMatchObject({ left: 0, reported: 1, findings: [{ kind: 'foreign', key: 'folder/' }] });
    await client.removeObject(bucket.bucket, 'folder/');
  });

  it('a key that listings hide is no ghost; what is gone is; what is new is an orphan', async () => {
    const requests: string[] = [];
    const services = {
      ...rig.services,
      clock: () => new Date(),
      objects: counted(bucket.store, (operation) => requests.push(operation)),
    };
    const put = async (key: string, text = 'abc') => {
      const body = Readable.from([Buffer.from(text)], { objectMode: false });
      const about = { size_bytes: Buffer.byteLength(text), content_type: 'text/plain' };
      return bucket.store.put({ bucket: bucket.bucket, key }, body, about);
    };
    const run = (apply: boolean, checksums = false) =>
      reconcile(services, { apply, checksums, signal: new AbortController().signal });
    const keys = ['a', 'a/b', 'a/b/c', 'ﬀ', '\u{1f600}', '007', 'x y+z', 'lost'];
    const pointers: PlainPointer[] = [];
    for (const [at, key] of keys.entries()) pointers.push({ id: `p${at}`, key, size_bytes: 3, ...(await put(key)) });
    await rig.writePointers(bucket.bucket, pointers);
    // As though they had been confirmed after they came: our clock in the rig stands still.
    await rig.db.run({ text: 'UPDATE minio_references SET stored_at = $now', params: { now: new Date() } });

    expect(await run(true)).toMatchObject({ left: 0, findings: [], pointers_seen: keys.length });
    // Only the two that are hidden behind `a` were asked for.
    expect(requests.toSorted()).toEqual(['list', 'stat', 'stat', 'unfinishedUploads']);

    for (const { version_id } of await bucket.store.versions({ bucket: bucket.bucket, key: 'lost' }))
      await bucket.store.delete({ bucket: bucket.bucket, key: 'lost', version_id });
    await put('nobody/knows');
    const looked = await run(false, true);
    expect(looked.findings.map(({ kind, key }) => [kind, key]).toSorted()).toEqual([
      ['ghost', 'lost'],
      ['orphan', 'nobody/knows'],
    ]);
    expect(await run(true)).toMatchObject({ left: 0, reported: 1, counts: { ghost: { found: 1, settled: 1 } } });
    expect(await rig.row('p7')).toMatchObject({ status: 'deleted' });
    expect(await run(false)).toMatchObject({ left: 0, counts: { orphan: { found: 1, settled: 0 } } });
  });
});
