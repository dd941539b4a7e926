import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { Client } from 'minio';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { readConfig } from '../../src/config.js';
import { openAdmin } from '../../src/objects/open.js';
import { S3Store } from '../../src/objects/s3/store.js';
import { type MinioServer, startMinio } from '../support/minio.js';
import { findBinary, waitFor } from '../support/stack-servers.js';
import { temporaryDirectory } from './support/rigs.js';

const INIT = fileURLToPath(new URL('../../scripts/init.mjs', import.meta.url));
const onStack = process.env.ACERVO_TEST_STACK === '1';
const minioBin = onStack ? findBinary('MINIO_BIN', 'minio') : undefined;
const TARGETS = Object.fromEntries(
  ['ACERVO', 'OTHER'].flatMap((id) => [
    [`MINIO_NOTIFY_WEBHOOK_ENABLE_${id}`, 'on'],
    [`MINIO_NOTIFY_WEBHOOK_ENDPOINT_${id}`, 'http://127.0.0.1:9/events'],
  ]),
);

describe.skipIf(minioBin === undefined)('npm run init (stack ring; needs MINIO_BIN, or minio on PATH)', () => {
  let minio: MinioServer;
  let sdk: Client;
  let directory: ReturnType<typeof temporaryDirectory>;
  let env: Record<string, string>;
  beforeAll(async () => {
    minio = await startMinio(minioBin!, { ...TARGETS, MINIO_SCANNER_SPEED: 'fastest' });
    const { hostname, port } = new URL(minio.endpoint);
    const { accessKey, secretKey, region } = minio;
    sdk = new Client({ endPoint: hostname, port: Number(port), useSSL: false, accessKey, secretKey, region });
    await waitFor('a bucket', async () => {
      await sdk.makeBucket('ready');
      return true;
    });
  });
  afterAll(() => minio?.stop());
  beforeEach(() => {
    directory = temporaryDirectory();
    env = {
      MINIO_ENDPOINT: minio.endpoint,
      MINIO_ACCESS_KEY: minio.accessKey,
      MINIO_SECRET_KEY: minio.secretKey,
      MINIO_WEBHOOK_TOKEN: 'token-of-the-webhook',
    };
  });
  afterEach(() => directory.remove());

  /** In a directory of its own: no .env of the developer's counts. */
  async function init(): Promise<{ code: number | null; out: string[]; err: string }> {
    const child = spawn(process.execPath, [INIT], {
      cwd: directory.path,
      env: { PATH: process.env.PATH, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const exit = new Promise<number | null>((resolve) => child.once('exit', resolve));
    const [out, err, code] = await Promise.all([text(child.stdout), text(child.stderr), exit]);
    return { code, out: out.trim().split('\n'), err };
  }
  const adminOf = async (more: Record<string, string> = {}) => (await openAdmin(readConfig({ ...env, ...more }))).admin;

  test('sets up what is not there, says so, and changes nothing the second time', async () => {
    const first = await init();
    expect(first.err).toBe('');
    expect(first.code).toBe(0);
    expect(first.out.filter((line) => line.startsWith('models:'))).toEqual([
      'models: bucket: make it, with object lock (which it gets only now)',
      'models: object lock: GOVERNANCE for 30 days',
      'models: lifecycle: add models:clean',
      'models: notification: send s3:LifecycleDelMarkerExpiration:Delete, s3:ObjectCreated:*, s3:ObjectRemoved:*, s3:ObjectTransition:* to arn:minio:sqs:us-east-1:ACERVO:webhook',
    ]);
    expect(first.out).toContain('documents: versioning: turn it on');
    expect(first.out).toContain('documents: lifecycle: add documents:expire');
    expect(first.out).toContain(
      'not done: lifecycle: documents:tier: objects stay where they are, as no tier is configured',
    );
    const second = await init();
    expect(second).toMatchObject({ code: 0, err: '' });
    expect(second.out.filter((line) => !line.startsWith('not done:'))).toEqual(['nothing to change']);
    for (const bucket of ['agents-artifacts', 'documents', 'models'])
      expect(await sdk.getBucketVersioning(bucket)).toMatchObject({ Status: 'Enabled' });
    expect(await sdk.getObjectLockConfig('models')).toMatchObject({ mode: 'GOVERNANCE', validity: 30 });
  });

  test('puts right what has drifted, and leaves the notifications of others alone', async () => {
    env.MINIO_BUCKETS = 'documents';
    await init();
    await sdk.setBucketVersioning('documents', { Status: 'Suspended' });
    const rule = { ID: 'by-hand', Status: 'Enabled', Filter: { Prefix: '' }, Expiration: { Days: 1 } };
    await sdk.setBucketLifecycle('documents', { Rule: [rule] });
    const other = { Id: 'theirs', Queue: 'arn:minio:sqs::OTHER:webhook', Event: ['s3:ObjectCreated:Put'] };
    await sdk.setBucketNotification('documents', { QueueConfiguration: [other] } as never);
    const { out, code } = await init();
    expect(code).toBe(0);
    expect(out.slice(0, 5)).toEqual([
      'documents: versioning: turn it on',
      'documents: lifecycle: add documents:expire',
      'documents: lifecycle: add documents:clean',
      'documents: lifecycle: remove by-hand',
      expect.stringContaining('documents: notification: send'),
    ]);
    expect(await (await adminOf()).plan()).toEqual([]);
    const { QueueConfiguration } = await sdk.getBucketNotification('documents');
    expect(QueueConfiguration?.map(({ Queue }) => Queue).toSorted()).toEqual([
      'arn:minio:sqs::ACERVO:webhook',
      'arn:minio:sqs::OTHER:webhook',
    ]);
  });

  test('says what the store refuses, does the rest, and ends with 1', async () => {
    await sdk.makeBucket('unlocked');
    env.MINIO_BUCKETS = 'unlocked?lock=GOVERNANCE:3,documents?replicate=arn:minio:replication::x:y';
    env.MINIO_NOTIFY_ID = 'NOBODY';
    env.MINIO_TIER = 'NOWHERE';
    const { out, err, code } = await init();
    expect(code).toBe(1);
    expect(out).toContain(
      'unlocked: object lock: turn it on (stores that can do so only when a bucket is made will refuse)',
    );
    expect(err).toMatch(/^unlocked: object lock: refused: .*cannot be enabled on existing buckets/m);
    expect(err).toMatch(/^unlocked: notification: refused: .*destination ARN does not exist/m);
    expect(err).toMatch(/^documents: lifecycle: refused: .*InvalidStorageClass/m);
    expect(err).toMatch(/^documents: replication: refused: .*remote target does not exist/m);
    expect(await sdk.getBucketVersioning('unlocked')).toMatchObject({ Status: 'Enabled' });
  });

  test('says so when the key is wrong or the store is away, without telling a secret', async () => {
    env.MINIO_SECRET_KEY = 'a-secret-that-is-wrong';
    const wrong = await init();
    expect(wrong.code).toBe(1);
    expect(wrong.err).toContain('The object store refuses our credentials');
    expect(wrong.err).toContain('SignatureDoesNotMatch');
    expect(wrong.err + wrong.out.join()).not.toContain('a-secret-that-is-wrong');
    const store = new S3Store({ ...minio, secretKey: 'wrong', idleTimeoutMs: 5000 });
    for (const call of [
      () => store.stat({ bucket: 'documents', key: 'a' }),
      () => store.list('documents', { limit: 1 }),
      () => store.startUpload({ bucket: 'documents', key: 'a' }, { content_type: 'x' }),
      () => store.delete({ bucket: 'documents', key: 'a' }),
    ])
      await expect(call()).rejects.toMatchObject({ code: 'objects:refused', retryable: false });
    env.MINIO_ENDPOINT = 'http://127.0.0.1:1';
    const away = await init();
    expect(away.code).toBe(1);
    expect(away.err).toContain('The object store does not answer');
  });

  test('at the start of a server, makes what is missing and touches nothing else', async () => {
    await sdk.makeBucket('left-alone');
    const admin = await adminOf({ MINIO_BUCKETS: 'left-alone,brand-new?lock=COMPLIANCE:1' });
    expect(await admin.createMissing()).toEqual(['brand-new: created']);
    expect(await admin.createMissing()).toEqual([]);
    expect((await admin.plan()).map(({ bucket, setting }) => `${bucket} ${setting}`)).toEqual([
      'left-alone versioning',
      'left-alone notification',
    ]);
    expect(await sdk.getObjectLockConfig('brand-new')).toMatchObject({ mode: 'COMPLIANCE', validity: 1 });
  });

  test('gives the store rules that it obeys: an object expires', async () => {
    const file = join(directory.path, 'rules.xml');
    const expiration = '<Expiration><Date>2024-01-01T00:00:00Z</Date></Expiration>';
    const rule = `<Rule><ID>expiring:now</ID><Status>Enabled</Status><Filter><Prefix>old/</Prefix></Filter>${expiration}</Rule>`;
    writeFileSync(file, `<LifecycleConfiguration>${rule}</LifecycleConfiguration>`);
    const admin = await adminOf({ MINIO_BUCKETS: 'expiring', ACERVO_LIFECYCLE_FILE: file });
    expect(await admin.createMissing()).toEqual(['expiring: created']);
    expect(await admin.plan()).toEqual([]);
    await sdk.putObject('expiring', 'old/a', Buffer.from('x'), 1);
    await sdk.putObject('expiring', 'new/a', Buffer.from('x'), 1);
    const store = new S3Store({ ...minio, idleTimeoutMs: 5000 });
    const versions = () => store.versions({ bucket: 'expiring', key: 'old/a' });
    await waitFor('the scanner', async () => (await versions()).some(({ deleted }) => deleted), 50_000);
    expect((await versions()).map(({ deleted }) => deleted)).toEqual([true, false]);
    expect((await store.stat({ bucket: 'expiring', key: 'new/a' })).size_bytes).toBe(1);
  });
});
