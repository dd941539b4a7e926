import { type ChildProcess, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parseBuckets } from '../../src/objects/buckets.js';
import { MAX_VERSIONS } from '../../src/objects/disk/entries.js';
import { type Grant, openGrant, signGrant } from '../../src/objects/disk/grants.js';
import { type DiskOptions, DiskStore } from '../../src/objects/disk/store.js';
import { temporaryDirectory } from './support/rigs.js';

const WRITER = fileURLToPath(new URL('support/writer.mjs', import.meta.url));
const bucket = 'acervo';
const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

let directory: ReturnType<typeof temporaryDirectory>;
let options: DiskOptions;
beforeEach(() => {
  directory = temporaryDirectory();
  const root = join(directory.path, 'objects');
  const clock = () => new Date('2026-01-02T03:04:05Z');
  const { buckets } = parseBuckets(bucket);
  options = { root, buckets, secret: randomBytes(32), publicUrl: () => 'http://localhost/signed', clock };
});
afterEach(() => directory.remove());

const put = (store: DiskStore, key: string, text: string) =>
  store.put({ bucket, key }, Readable.from([Buffer.from(text)]), {
    size_bytes: Buffer.byteLength(text),
    content_type: 'text/plain',
  });

/** All files below a folder of the store, without directories and the lock. */
const filesIn = (folder: string) =>
  readdirSync(join(options.root, folder), { recursive: true, encoding: 'utf8' }).filter((path) =>
    statSync(join(options.root, folder, path)).isFile(),
  );

/** Runs the writer until it has acknowledged `count` writes, then kills it; @returns what it said. */
async function killedAfter(count: number): Promise<Record<string, string>[]> {
  const child = spawn(process.execPath, [WRITER, options.root], { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines: Record<string, string>[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    if (line === 'open') continue;
    lines.push(JSON.parse(line));
    if (lines.length === count) child.kill('SIGKILL');
  }
  await ended(child);
  return lines;
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await new Promise((resolve) => child.once('exit', resolve));
}

describe('kill -9 in the middle of writes', () => {
  test('loses nothing acknowledged, shows nothing half, leaves nothing behind', async () => {
    const acknowledged = new Map<string, { key: string; digest: string }>();
    for (const count of [1, 7, 20, 33]) {
      for (const { key = '', version_id = '', digest = '', deleting = '' } of await killedAfter(count)) {
        if (deleting === '') acknowledged.set(version_id, { key, digest });
        // Said before it is done: from then on the version may be there or not.
        else acknowledged.delete(deleting);
      }
      const store = await DiskStore.open(options);
      const there = new Set<string>();
      for (const key of ['a', 'a/b', 'c'])
        for (const { version_id, size_bytes } of await store.versions({ bucket, key })) {
          const bytes = await buffer((await store.get({ bucket, key, version_id })).body);
          expect(bytes.length).toBe(size_bytes);
          expect(bytes.equals(Buffer.alloc(200_000, bytes[0]))).toBe(true);
          const promised = acknowledged.get(version_id);
          if (promised !== undefined) expect({ key, digest: sha256(bytes) }).toEqual(promised);
          there.add(version_id);
        }
      expect([...acknowledged.keys()].filter((version_id) => !there.has(version_id))).toEqual([]);
      expect(filesIn('bytes')).toHaveLength(there.size);
      expect(filesIn('staged')).toEqual([]);
      await store.close();
    }
  });

  test('is simulated at each step of a put: bytes without an entry go at the next opening', async () => {
    const store = await DiskStore.open(options);
    await put(store, 'kept', 'kept');
    await store.close();
    const entry = { bucket, key: 'lost', versions: [{ version_id: 'v', size_bytes: 4 }] };
    const digest = sha256(Buffer.from(JSON.stringify([bucket, 'lost', 'v'])));
    const bytes = join(options.root, 'bytes', digest.slice(0, 2), digest);
    await mkdir(join(bytes, '..'), { recursive: true });
    await writeFile(bytes, 'lost');
    await writeFile(join(options.root, 'staged', 'note.json'), JSON.stringify(entry));
    await writeFile(join(options.root, 'staged', 'half.json'), '{"bucket":"acer');
    await writeFile(join(options.root, 'staged', 'body'), 'half a bo');
    const again = await DiskStore.open(options);
    expect(existsSync(bytes)).toBe(false);
    expect(filesIn('staged')).toEqual([]);
    expect((await again.stat({ bucket, key: 'kept' })).size_bytes).toBe(4);
    await again.close();
  });
});

describe('the lock', () => {
  test('keeps a second opener out until the first has closed', async () => {
    const store = await DiskStore.open(options);
    await put(store, 'x', 'x');
    await expect(DiskStore.open(options)).rejects.toThrow('in use by another process');
    await store.close();
    const next = await DiskStore.open(options);
    expect((await next.stat({ bucket, key: 'x' })).size_bytes).toBe(1);
    await next.close();
  });

  test('of a living process holds, of a killed one does not', async () => {
    const child = spawn(process.execPath, [WRITER, options.root], { stdio: ['ignore', 'pipe', 'inherit'] });
    for await (const line of createInterface({ input: child.stdout })) {
      if (line !== 'open') continue;
      await expect(DiskStore.open(options)).rejects.toThrow('in use by another process');
      child.kill('SIGKILL');
    }
    await ended(child);
    expect(existsSync(join(options.root, 'lock'))).toBe(true);
    const store = await DiskStore.open(options);
    await store.close();
  });

  test('that is stale goes to one of several that start at once', async () => {
    await mkdir(options.root);
    const child = spawn(process.execPath, [WRITER, options.root], { stdio: ['ignore', 'pipe', 'inherit'] });
    child.stdout.once('data', () => child.kill('SIGKILL'));
    await ended(child);
    const outcomes = await Promise.allSettled(Array.from({ length: 5 }, () => DiskStore.open(options)));
    const winners = outcomes.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    expect(winners).toHaveLength(1);
    await winners[0]!.close();
  });

  test.skipIf(process.platform !== 'linux')('works under a path that is too long for a socket', async () => {
    const root = join(options.root, 'x'.repeat(120));
    const store = await DiskStore.open({ ...options, root });
    await expect(DiskStore.open({ ...options, root })).rejects.toThrow('in use by another process');
    await store.close();
    await (await DiskStore.open({ ...options, root })).close();
  });

  test('is left alone when it is no socket of ours to remove: somebody listens', async () => {
    await mkdir(options.root);
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(join(options.root, 'lock'), resolve));
    await expect(DiskStore.open(options)).rejects.toThrow('in use by another process');
    expect(existsSync(join(options.root, 'lock'))).toBe(true);
    await new Promise((resolve) => other.close(resolve));
  });
});

describe('what is on disk', () => {
  test('never has a key for a name, and nothing outside of the root', async () => {
    const store = await DiskStore.open(options);
    for (const key of ['%2e%2e/%2e%2e/x', '...', 'CON', '__proto__', 'A', 'a']) await put(store, key, key);
    for (const name of [...filesIn('bytes'), ...filesIn('entries')])
      expect(name).toMatch(/^[0-9a-z]+(\/[0-9a-f]+)*(\.json)?$/);
    expect(readdirSync(directory.path)).toEqual(['objects']);
    expect(statSync(options.root).mode & 0o777).toBe(0o700);
    await store.close();
  });

  test('goes when the last version goes', async () => {
    const store = await DiskStore.open(options);
    const { version_id } = await put(store, 'deep/er/est', 'x');
    await put(store, 'deep/beside', 'x');
    await store.delete({ bucket, key: 'deep/er/est', version_id: version_id! });
    expect(filesIn('bytes')).toHaveLength(1);
    expect(filesIn('entries')).toHaveLength(1);
    expect(readdirSync(join(options.root, 'entries', bucket))).toHaveLength(1);
    expect(readdirSync(join(options.root, 'entries', bucket, Buffer.from('deep/').toString('hex')))).toHaveLength(1);
    await store.close();
  });

  test('has a bound of versions for a key', async () => {
    const store = await DiskStore.open(options);
    await put(store, 'many', 'x');
    const [path = ''] = filesIn('entries');
    const file = join(options.root, 'entries', path);
    const entry = JSON.parse(readFileSync(file, 'utf8'));
    const versions = Array.from({ length: MAX_VERSIONS }, (_, index) => ({
      ...entry.versions[0],
      version_id: `${index}`,
    }));
    await writeFile(file, JSON.stringify({ ...entry, versions }));
    await expect(put(store, 'many', 'y')).rejects.toMatchObject({ code: 'artifact:too_many_versions' });
    expect(await store.versions({ bucket, key: 'many' })).toHaveLength(MAX_VERSIONS);
    await store.delete({ bucket, key: 'many', version_id: '0' });
    await put(store, 'many', 'y');
    await store.close();
  });

  test('is listed as a sorted set of keys would be, from any cursor and prefix', async () => {
    const store = await DiskStore.open(options);
    const segment = fc.string({
      unit: fc.constantFrom('a', 'b', '.', '!', '0', 'é', '📄', 'x'.repeat(60)),
      minLength: 1,
      maxLength: 4,
    });
    const key = fc.array(
      segment.filter((text) => !/^\.{1,2}$/.test(text)),
      { minLength: 1, maxLength: 3 },
    );
    const keys = fc.sample(key, { numRuns: 60, seed: 7 }).map((segments) => segments.join('/'));
    const all = [...new Set(keys)].toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    for (const one of all) await put(store, one, one);
    const below = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b)) < 0;
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('', ...all),
        fc.nat(8),
        fc.constantFrom('', ...all),
        async (from, cut, cursor) => {
          const prefix = [...from].slice(0, cut).join('');
          fc.pre(!/(^|\/)\.{1,2}$/.test(prefix));
          const { objects } = await store.list(bucket, { prefix, cursor, limit: 1000 });
          const expected = all.filter((one) => one.startsWith(prefix) && below(cursor, one));
          expect(objects.map((object) => object.key)).toEqual(expected);
        },
      ),
      { numRuns: 100 },
    );
    await store.close();
  });
});

describe('grants', () => {
  const secret = randomBytes(32);
  const now = new Date('2026-01-02T03:04:05Z');
  const grant: Grant = { method: 'PUT', bucket, key: 'a/é 📄', expires_at_ms: now.getTime() + 1, max_size_bytes: 7 };
  const token = signGrant(secret, grant);

  test('come back whole, for their method, until they expire', () => {
    expect(token).toMatch(/^[\w-]+$/);
    expect(openGrant(secret, token, 'PUT', now)).toEqual(grant);
    for (const method of ['GET', 'HEAD', 'POST', 'put'])
      expect(() => openGrant(secret, token, method, now)).toThrow(
        expect.objectContaining({ code: 'artifact:url_invalid' }),
      );
    const later = new Date(now.getTime() + 1);
    expect(() => openGrant(secret, token, 'PUT', later)).toThrow(
      expect.objectContaining({ code: 'artifact:url_expired' }),
    );
    const get = signGrant(secret, { ...grant, method: 'GET' });
    expect(openGrant(secret, get, 'HEAD', now).key).toBe(grant.key);
  });

  test('are refused with any character changed, cut, or under another secret', () => {
    const invalid = expect.objectContaining({ code: 'artifact:url_invalid' });
    for (let index = 0; index < token.length; index++) {
      const other = token[index] === 'A' ? 'B' : 'A';
      expect(() => openGrant(secret, token.slice(0, index) + other + token.slice(index + 1), 'PUT', now)).toThrow(
        invalid,
      );
      expect(() => openGrant(secret, token.slice(0, index), 'PUT', now)).toThrow(invalid);
    }
    for (const text of [`${token}=`, `${token}A`, `${token}.`, '', 'A'.repeat(100_000)])
      expect(() => openGrant(secret, text, 'PUT', now)).toThrow(invalid);
    expect(() => openGrant(randomBytes(32), token, 'PUT', now)).toThrow(invalid);
  });

  test('of the longest keys fit', () => {
    const key = Array.from({ length: 4 }, () => '\\'.repeat(255)).join('/');
    const long: Grant = {
      ...grant,
      key,
      content_type: 'x'.repeat(200),
      content_disposition: 'd'.repeat(2000),
      upload_id: 'u'.repeat(36),
      part_number: 10_000,
    };
    expect(openGrant(secret, signGrant(secret, long), 'PUT', now)).toEqual(long);
  });

  test('need a secret that is long enough', async () => {
    await expect(DiskStore.open({ ...options, secret: Buffer.alloc(31) })).rejects.toThrow(RangeError);
  });
});
