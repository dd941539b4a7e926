import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readConfig } from '../../src/config.js';
import { type ObjectsOptions, openAdmin, openObjects } from '../../src/objects/open.js';
import { temporaryDirectory } from './support/rigs.js';

const S3 = { MINIO_ENDPOINT: 'http://127.0.0.1:1', MINIO_ACCESS_KEY: 'access', MINIO_SECRET_KEY: 'secret' };
const minute = { expires_in_seconds: 60 };
const name = { bucket: 'documents', key: 'a' };

let directory: ReturnType<typeof temporaryDirectory>;
let asked: string[];
beforeEach(() => {
  directory = temporaryDirectory();
  asked = [];
});
afterEach(() => directory.remove());

const options: ObjectsOptions = {
  secret: Buffer.alloc(32, 1),
  publicUrl: () => 'http://acervo.example',
  clock: () => new Date(),
  onRequest: (operation) => void asked.push(operation),
};
const open = (env: NodeJS.ProcessEnv = {}, more: Partial<ObjectsOptions> = {}) =>
  openObjects(readConfig({ ACERVO_DATA_DIR: directory.path, ...env }), { ...options, ...more });

describe('without MINIO_ENDPOINT', () => {
  test('objects lie under the data directory, with the buckets of the configuration', async () => {
    const { store, disk, close } = await open();
    const put = { size_bytes: 5, content_type: 'text/plain' };
    await store.put(name, Readable.from([Buffer.from('bytes')]), put);
    expect(existsSync(join(directory.path, 'objects', 'entries', 'documents'))).toBe(true);
    expect(await text((await disk!.get(name)).body)).toBe('bytes');
    expect((await store.presignGet(name, minute)).url).toMatch(/^http:\/\/acervo\.example\/objects\/[\w-]+$/);
    await store.put({ ...name, bucket: 'models' }, Readable.from([Buffer.from('bytes')]), put);
    expect((await store.lockOf({ ...name, bucket: 'models' })).retention?.mode).toBe('GOVERNANCE');
    await close();
    await (await open()).close();
  });

  test('each operation is told once, signing is none', async () => {
    const { store, close } = await open();
    await store.put(name, Readable.from([Buffer.from('x')]), { size_bytes: 1, content_type: 'text/plain' });
    await store.stat(name);
    await store.presignGet(name, minute);
    await store.presignPut(name, minute);
    expect(store.presign_scope).toMatch(/^[0-9a-f]{32}$/);
    await expect(store.stat({ ...name, key: 'absent' })).rejects.toMatchObject({ code: 'artifact:not_found' });
    expect(asked).toEqual(['put', 'stat', 'stat']);
    await close();
  });

  test('there is nothing to set up, and it is said what cannot be', async () => {
    const env = { MINIO_TIER: 'COLD', MINIO_BUCKETS: 'documents,models?replicate=arn:x' };
    const { admin, lifecycle } = await openAdmin(readConfig(env));
    expect(await admin.plan()).toEqual([]);
    expect(await admin.createMissing()).toEqual([]);
    expect(admin.limits()).toContain(
      'lifecycle: documents:tier: objects stay where they are, as no tier is configured',
    );
    expect(admin.limits()).toContain('models: replication: a directory has none; set MINIO_ENDPOINT');
    expect(lifecycle.map(({ id }) => id)).toEqual(['documents:expire', 'documents:clean', 'models:clean']);
  });
});

describe('with MINIO_ENDPOINT', () => {
  test('operations are told, and nothing is opened here', async () => {
    const { store, disk } = await open(S3);
    expect(disk).toBeUndefined();
    expect((await store.presignGet(name, minute)).url).toMatch(/^http:\/\/127\.0\.0\.1:1\/documents\/a\?/);
    expect(asked).toEqual([]);
    const away = { code: 'objects:unavailable' };
    await expect(store.stat(name)).rejects.toMatchObject(away);
    expect(asked).toEqual(['stat']);
    expect(existsSync(join(directory.path, 'objects'))).toBe(false);
  });

  test('it is said what is not sent, and what Acervo does itself', async () => {
    const { admin } = await openAdmin(readConfig({ ...S3, MINIO_TIER: 'COLD' }));
    expect(admin.limits()).toEqual([
      ...['agents-artifacts', 'documents', 'models'].map(
        (bucket) => `lifecycle: ${bucket}:clean: unfinished uploads are aborted by Acervo, not by the store`,
      ),
      'notification: none, as MINIO_WEBHOOK_TOKEN is unset; changes made elsewhere are found by reconcile',
    ]);
    await expect(admin.plan()).rejects.toMatchObject({ code: 'objects:unavailable' });
  });
});

test('the scope of signed URLs changes with all that they depend on, and with nothing else', async () => {
  const scopeOf = async (env: NodeJS.ProcessEnv, more: Partial<ObjectsOptions> = {}) => {
    const { store, close } = await open(env, more);
    await close();
    return store.presign_scope;
  };
  const scopes = [
    await scopeOf({}),
    await scopeOf({}, { secret: Buffer.alloc(32, 2) }),
    await scopeOf({}, { publicUrl: () => 'http://other.example' }),
    await scopeOf(S3),
    await scopeOf({ ...S3, MINIO_SECRET_KEY: 'another' }),
    await scopeOf({ ...S3, MINIO_ACCESS_KEY: 'another' }),
    await scopeOf({ ...S3, MINIO_REGION: 'eu-1' }),
    await scopeOf({ ...S3, MINIO_PUBLIC_ENDPOINT: 'http://files.example' }),
  ];
  expect(new Set(scopes).size).toBe(scopes.length);
  expect(await scopeOf({})).toBe(scopes[0]);
  expect(await scopeOf({ ...S3, MINIO_TIER: 'COLD' })).toBe(scopes[3]);
});

test('another lifecycle.xml is read where one is named, and its faults end the start', async () => {
  const file = join(directory.path, 'rules.xml');
  const env = { ACERVO_LIFECYCLE_FILE: file };
  await expect(open(env)).rejects.toThrow('ACERVO_LIFECYCLE_FILE');
  writeFileSync(file, '<LifecycleConfiguration><Rule><ID>nowhere:x</ID></Rule></LifecycleConfiguration>');
  await expect(open(env)).rejects.toThrow('lifecycle rule nowhere:x: its ID begins with no bucket');
  writeFileSync(file, '<LifecycleConfiguration></LifecycleConfiguration>');
  const { lifecycle, close } = await open(env);
  expect(lifecycle).toEqual([]);
  await close();
});
