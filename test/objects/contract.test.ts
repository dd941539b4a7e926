import { createHash, randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ErrorCode } from '../../src/errors/codes.js';
import type { ByteRange, ObjectStore, PresignedRequest, PutOptions } from '../../src/objects/port.js';
import { type MinioServer, startMinio } from '../support/minio.js';
import { findBinary } from '../support/stack-servers.js';
import { diskRig, type Rig, s3Rig } from './support/rigs.js';

const MB = 1024 * 1024;
const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
/** In chunks, as bodies come from the network. */
const streamOf = (bytes: Buffer) =>
  Readable.from(
    (function* () {
      for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536);
    })(),
    { objectMode: false },
  );

/** Keys of all kinds; each must stay itself. */
const KEYS = [
  'plain.txt',
  'PLAIN.TXT',
  'folder/sub/file.bin',
  '007',
  '1e3',
  'true',
  'null',
  '%2e%2e/%2e%2e/etc/passwd',
  '%2F%00',
  'é',
  'e\u0301',
  'emoji 🗂️/📄.md',
  '\u202Eevil\u202C.txt',
  'مرحبا.txt',
  'trailing space ',
  'trailing dot.',
  ' leading',
  '...',
  'a+b & <c> "d" \'e\'?x=1#y',
  'back\\slash\\x',
  'CON',
  '__proto__',
  'constructor.json',
  `${'s'.repeat(255)}/${'t'.repeat(255)}/${'u'.repeat(255)}/${'v'.repeat(255)}/w`.slice(0, 1024),
];

const BAD_KEYS: [string, string][] = [
  ['empty', ''],
  ['up', '../x'],
  ['up inside', 'a/../../x'],
  ['only up', '..'],
  ['here', 'a/./b'],
  ['up between backslashes', 'a\\..\\b'],
  ['absolute', '/etc/passwd'],
  ['empty segment', 'a//b'],
  ['folder', 'a/'],
  ['NUL', 'a\u0000b'],
  ['newline', 'a\nb'],
  ['C1 control', 'a\u0085b'],
  ['lone surrogate', 'a\uD800'],
  ['1 025 bytes', `${'x/'.repeat(512)}x`],
  ['1 025 bytes that are 513 characters', `${'é/'.repeat(341)}éx`],
  ['a segment of 256 bytes', 'x'.repeat(256)],
];

const stack = process.env.ACERVO_TEST_STACK === '1';
const minioBin = stack ? findBinary('MINIO_BIN', 'minio') : undefined;
let minio: MinioServer | undefined;

describe('disk', () => contract(diskRig));

describe.skipIf(minioBin === undefined)('s3 (stack ring; needs MINIO_BIN, or minio on PATH)', () => {
  beforeAll(async () => {
    minio = await startMinio(minioBin!);
  });
  afterAll(() => minio?.stop());
  contract(() => s3Rig(minio!));
});

function contract(open: () => Promise<Rig>) {
  let rig: Rig;
  let store: ObjectStore;
  beforeAll(async () => {
    rig = await open();
    store = rig.store;
  });
  afterAll(() => rig?.close());

  const at = (key: string) => ({ bucket: rig.bucket, key });
  const put = (key: string, bytes: Buffer | string, options: Partial<PutOptions> = {}) => {
    const body = Buffer.from(bytes);
    return store.put(at(key), streamOf(body), { size_bytes: body.length, content_type: 'text/plain', ...options });
  };
  const read = async (key: string, range?: ByteRange, version_id?: string) =>
    buffer((await store.get({ ...at(key), ...(version_id === undefined ? {} : { version_id }) }, range)).body);
  const rejects = (work: Promise<unknown>, code: ErrorCode) => expect(work).rejects.toMatchObject({ code });
  const keysOf = async (prefix: string, limit = 1000) => {
    const keys: string[] = [];
    let cursor: string | null = null;
    do {
      const page = await store.list(rig.bucket, { prefix, limit, ...(cursor === null ? {} : { cursor }) });
      expect(page.objects.length).toBeLessThanOrEqual(limit);
      keys.push(...page.objects.map(({ key }) => key));
      cursor = page.cursor;
    } while (cursor !== null);
    return keys;
  };

  describe('put and get', () => {
    test('bring the bytes back, with what is known of them', async () => {
      const bytes = randomBytes(3 * MB + 17);
      const stored = await put('whole', bytes, { content_type: 'image/png', sha256: sha256(bytes) });
      expect(stored.sha256).toBe(sha256(bytes));
      const content = await store.get(at('whole'));
      expect(sha256(await buffer(content.body))).toBe(sha256(bytes));
      const { body: _, content_range, ...stat } = content;
      expect(content_range).toBeNull();
      expect(stat).toMatchObject({ size_bytes: bytes.length, content_type: 'image/png', etag: stored.etag });
      expect(stat.version_id).toBe(stored.version_id);
      expect(await store.stat(at('whole'))).toEqual(stat);
      expect(Math.abs(Date.now() - Date.parse(stat.modified_at))).toBeLessThan(60_000);
    });

    test('work for nothing at all', async () => {
      const stored = await put('zero', '', { sha256: sha256(Buffer.alloc(0)) });
      expect(stored.sha256).toBe(sha256(Buffer.alloc(0)));
      expect(await read('zero')).toHaveLength(0);
      expect((await store.stat(at('zero'))).size_bytes).toBe(0);
      await rejects(read('zero', { first: 0 }), 'artifact:range_not_satisfiable');
      const end = await store.get(at('zero'), { suffix: 5 });
      expect(end).toMatchObject({ size_bytes: 0, content_range: null });
      expect(await buffer(end.body)).toHaveLength(0);
    });

    test('replace, and keep the old version', async () => {
      const first = await put('replaced', 'one');
      const second = await put('replaced', 'two');
      expect(second.etag).not.toBe(first.etag);
      expect(String(await read('replaced'))).toBe('two');
      expect(String(await read('replaced', undefined, first.version_id!))).toBe('one');
      expect(String(await read('replaced', { first: 1 }, first.version_id!))).toBe('ne');
    });

    test('refuse what is not there', async () => {
      await rejects(store.get(at('absent')), 'artifact:not_found');
      await rejects(store.stat(at('absent')), 'artifact:not_found');
      await put('there', 'x');
      const version_id = '0198a2b0-0000-4000-8000-000000000000';
      for (const wrong of [version_id, 'no version', '../x']) {
        await rejects(store.get({ ...at('there'), version_id: wrong }), 'artifact:not_found');
        await rejects(store.stat({ ...at('there'), version_id: wrong }), 'artifact:not_found');
        await rejects(store.copy({ ...at('there'), version_id: wrong }, at('copied')), 'artifact:not_found');
      }
      const elsewhere = { bucket: 'no-such-bucket', key: 'x' };
      await rejects(store.get(elsewhere), 'artifact:bucket_not_found');
      await rejects(
        store.put(elsewhere, streamOf(Buffer.from('x')), { size_bytes: 1, content_type: 'text/plain' }),
        'artifact:bucket_not_found',
      );
      await rejects(store.list('no-such-bucket', { limit: 1 }), 'artifact:bucket_not_found');
      await rejects(store.stat({ bucket: '../..', key: 'x' }), 'artifact:bucket_not_found');
    });
  });

  describe('a body that is not what was declared', () => {
    const bytes = randomBytes(300_000);
    test.each([
      ['fewer bytes', { size_bytes: 300_001 }, 'artifact:size_mismatch'],
      ['more bytes', { size_bytes: 299_999 }, 'artifact:size_mismatch'],
      ['some bytes instead of none', { size_bytes: 0 }, 'artifact:size_mismatch'],
      ['another digest', { sha256: sha256(Buffer.from('other')) }, 'artifact:checksum_mismatch'],
    ] as const)('is stored nowhere: %s', async (what, options, code) => {
      await put(`wrong ${what}`, 'before');
      await rejects(put(`wrong ${what}`, bytes, options), code);
      expect(String(await read(`wrong ${what}`))).toBe('before');
      await rejects(put(`wrong new ${what}`, bytes, options), code);
      await rejects(store.stat(at(`wrong new ${what}`)), 'artifact:not_found');
    });

    test('is stored nowhere: a small one with another digest, and an empty one', async () => {
      await rejects(put('wrong small', 'x', { sha256: sha256(Buffer.from('y')) }), 'artifact:checksum_mismatch');
      await rejects(put('wrong empty', '', { sha256: sha256(Buffer.from('y')) }), 'artifact:checksum_mismatch');
      await rejects(put('wrong empty', '', { size_bytes: 1 }), 'artifact:size_mismatch');
      expect(await keysOf('wrong small')).toEqual([]);
      expect(await keysOf('wrong empty')).toEqual([]);
    });

    test('is stored nowhere: one that breaks off, whose error comes back', async () => {
      const broken = Readable.from(
        (async function* () {
          yield bytes;
          throw new Error('the client went away');
        })(),
      );
      const options = { size_bytes: 2 * bytes.length, content_type: 'text/plain' };
      await expect(store.put(at('broken'), broken, options)).rejects.toThrow('the client went away');
      await rejects(store.stat(at('broken')), 'artifact:not_found');
    });
  });

  describe('ranges', () => {
    beforeAll(() => put('ranged', '0123456789'));
    test.each<[ByteRange, string, [number, number]]>([
      [{ first: 0, last: 0 }, '0', [0, 0]],
      [{ first: 2, last: 5 }, '2345', [2, 5]],
      [{ first: 7 }, '789', [7, 9]],
      [{ first: 9, last: 9 }, '9', [9, 9]],
      [{ first: 8, last: 5000 }, '89', [8, 9]],
      [{ first: 0 }, '0123456789', [0, 9]],
      [{ suffix: 3 }, '789', [7, 9]],
      [{ suffix: 5000 }, '0123456789', [0, 9]],
    ])('%j', async (range, expected, [first, last]) => {
      const content = await store.get(at('ranged'), range);
      expect(String(await buffer(content.body))).toBe(expected);
      expect(content.content_range).toEqual({ first, last });
      expect(content.size_bytes).toBe(10);
    });

    test.each<[ByteRange]>([[{ first: 10 }], [{ first: 11, last: 20 }], [{ suffix: 0 }]])('not %j', async (range) => {
      await rejects(store.get(at('ranged'), range), 'artifact:range_not_satisfiable');
    });
  });

  describe('keys', () => {
    test('of all kinds stay themselves', async () => {
      for (const key of KEYS) await put(`kinds/${key}`.slice(0, 1024), key);
      for (const key of KEYS) expect(String(await read(`kinds/${key}`.slice(0, 1024)))).toBe(key);
      const expected = KEYS.map((key) => `kinds/${key}`.slice(0, 1024));
      const inOrder = expected.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
      expect(await keysOf('kinds/')).toEqual(inOrder);
      expect(await keysOf('kinds/', 3)).toEqual(inOrder);
      expect(await keysOf('kinds/...')).toEqual(['kinds/...']);
      expect(await keysOf('kinds/t')).toEqual(inOrder.filter((key) => key.startsWith('kinds/t')));
      for (const key of inOrder) expect((await store.versions(at(key))).length).toBe(1);
      for (const key of inOrder) await store.delete(at(key));
      expect(await keysOf('kinds/')).toEqual([]);
    });

    test.each(BAD_KEYS)('are refused everywhere: %s', async (_, key) => {
      await put('fine', 'x');
      const upload = { ...at(key), upload_id: 'x' };
      const url = { expires_in_seconds: 60 };
      const calls = [
        put(key, 'x'),
        store.get(at(key)),
        store.stat(at(key)),
        store.versions(at(key)),
        store.delete(at(key)),
        store.copy(at(key), at('fine')),
        store.copy(at('fine'), at(key)),
        store.lockOf(at(key)),
        store.setLegalHold(at(key), true),
        store.setRetention(at(key), { mode: 'GOVERNANCE', retain_until: '2999-01-01T00:00:00Z' }),
        store.startUpload(at(key), { content_type: 'text/plain' }),
        store.parts(upload),
        store.completeUpload(upload, []),
        store.abortUpload(upload),
        store.putPart(upload, 1, streamOf(Buffer.from('x')), { size_bytes: 1 }),
        store.presignGet(at(key), url),
        store.presignPut(at(key), url),
        store.presignPart(upload, 1, url),
        store.presignUpload(at(key), { ...url, content_type: 'text/plain', max_size_bytes: 1 }),
      ];
      const outcomes = await Promise.allSettled(calls);
      const codes = outcomes.map((one) => (one.status === 'rejected' ? one.reason.code : 'accepted'));
      expect(codes).toEqual(calls.map(() => 'artifact:key_invalid'));
    });

    test('of 100 bytes and a little more are in order', async () => {
      const keys = [99, 100, 101, 200, 201].map((length) => `long/${'k'.repeat(length)}`);
      for (const key of keys.toReversed()) await put(key, 'x');
      expect(await keysOf('long/', 1)).toEqual(keys);
    });

    test('that are folders of others are kept apart', async () => {
      await put('nest/a', 'file');
      await put('nest/a/b', 'inside');
      await put('nest/a.b', 'beside');
      expect(String(await read('nest/a'))).toBe('file');
      expect(String(await read('nest/a/b'))).toBe('inside');
      await store.delete(at('nest/a'));
      // MinIO keeps it, and does not list it: not even now that `nest/a` is only a marker.
      expect(await keysOf('nest/')).toEqual(rig.listsNested ? ['nest/a.b', 'nest/a/b'] : ['nest/a.b']);
      expect(String(await read('nest/a/b'))).toBe('inside');
    });
  });

  describe('list', () => {
    test('pages through a prefix in key order, without gap and without repeat', async () => {
      const keys = Array.from({ length: 25 }, (_, index) => `paged/${index % 3}/${String(index).padStart(3, '0')}`);
      await Promise.all(keys.map((key) => put(key, key)));
      await put('paged-beside', 'x');
      expect(await keysOf('paged/', 7)).toEqual(keys.toSorted());
      expect(await keysOf('paged/', 25)).toEqual(keys.toSorted());
      expect(await keysOf('paged/1/00')).toEqual(keys.filter((key) => key.startsWith('paged/1/00')).toSorted());
      expect(await keysOf('paged/none')).toEqual([]);
      const { objects } = await store.list(rig.bucket, { prefix: 'paged/0/000', limit: 5 });
      const { etag } = await store.stat(at('paged/0/000'));
      expect(objects).toEqual([{ key: 'paged/0/000', size_bytes: 11, etag, modified_at: expect.any(String) }]);
    });

    test.each(['../', '..', 'a/.', '/etc', 'a/../', 'a\u0000'])('refuses %j as a prefix', async (prefix) => {
      await rejects(store.list(rig.bucket, { prefix, limit: 1 }), 'artifact:key_invalid');
    });

    test.each([0, 1001, 1.5])('has a bound: not %d', async (limit) => {
      await expect(store.list(rig.bucket, { limit })).rejects.toThrow(RangeError);
    });
  });

  describe('delete and versions', () => {
    test('hide the object and keep its versions, until those are deleted', async () => {
      const one = await put('gone', 'one');
      const two = await put('gone', 'three');
      await store.delete(at('gone'));
      await rejects(store.get(at('gone')), 'artifact:not_found');
      expect(await keysOf('gone')).toEqual([]);
      expect(String(await read('gone', undefined, one.version_id!))).toBe('one');
      const listed = await store.versions(at('gone'));
      expect(listed.map(({ deleted, size_bytes }) => [deleted, size_bytes])).toEqual([
        [true, 0],
        [false, 5],
        [false, 3],
      ]);
      expect(listed.slice(1)).toMatchObject([
        { version_id: two.version_id, etag: two.etag },
        { version_id: one.version_id, etag: one.etag },
      ]);
      const marker = listed[0]!.version_id;
      await rejects(store.get({ ...at('gone'), version_id: marker }), 'artifact:not_found');
      await store.delete({ ...at('gone'), version_id: marker });
      expect(String(await read('gone'))).toBe('three');
      await store.delete({ ...at('gone'), version_id: two.version_id! });
      expect(String(await read('gone'))).toBe('one');
      await store.delete({ ...at('gone'), version_id: one.version_id! });
      await rejects(store.stat(at('gone')), 'artifact:not_found');
      expect(await store.versions(at('gone'))).toEqual([]);
    });

    test('of what is not there are no error', async () => {
      await store.delete(at('never'));
      for (const version_id of ['0198a2b0-0000-4000-8000-000000000000', 'no version'])
        await store.delete({ ...at('never'), version_id });
      await rejects(store.stat(at('never')), 'artifact:not_found');
    });

    test('take another version of a key with the same beginning for no version of it', async () => {
      await put('begin', 'x');
      await put('beginning', 'x');
      expect(await store.versions(at('begin'))).toHaveLength(1);
    });
  });

  describe('object lock', () => {
    const DAY_MS = 86_400_000;
    const inDays = (days: number) => new Date(Date.now() + days * DAY_MS).toISOString();
    const putLocked = async (key: string, text = 'kept') => {
      const options = { size_bytes: text.length, content_type: 'text/plain' };
      const { version_id } = await store.put({ bucket: rig.locked, key }, streamOf(Buffer.from(text)), options);
      return { bucket: rig.locked, key, version_id: version_id! };
    };

    test('gives new versions the retention of the bucket', async () => {
      const kept = await putLocked('lock/default');
      const { legal_hold, retention } = await store.lockOf(kept);
      expect([legal_hold, retention?.mode]).toEqual([false, 'GOVERNANCE']);
      expect(Math.abs(Date.parse(retention!.retain_until) - Date.now() - DAY_MS)).toBeLessThan(60_000);
      expect(await store.lockOf({ bucket: kept.bucket, key: kept.key })).toEqual({ legal_hold, retention });
      await rejects(store.delete(kept), 'artifact:held');
      expect(await store.stat(kept)).toMatchObject({ size_bytes: 4 });
    });

    test('hides what is held, and brings it back with the end of the marker', async () => {
      const kept = await putLocked('lock/hidden');
      const { bucket, key } = kept;
      await store.delete({ bucket, key });
      await rejects(store.stat({ bucket, key }), 'artifact:not_found');
      expect(String(await buffer((await store.get(kept)).body))).toBe('kept');
      const [marker, version] = await store.versions({ bucket, key });
      expect([marker!.deleted, version!.version_id]).toEqual([true, kept.version_id]);
      await rejects(store.lockOf({ bucket, key }), 'artifact:not_found');
      await rejects(store.delete(kept), 'artifact:held');
      await store.delete({ bucket, key, version_id: marker!.version_id });
      expect(await store.stat({ bucket, key })).toMatchObject({ version_id: kept.version_id });
    });

    test('makes retentions longer, never shorter, and keeps their mode', async () => {
      const kept = await putLocked('lock/retention');
      const longer = { mode: 'GOVERNANCE', retain_until: inDays(10) } as const;
      await store.setRetention(kept, longer);
      expect((await store.lockOf(kept)).retention).toEqual(longer);
      await rejects(store.setRetention(kept, { ...longer, retain_until: inDays(9) }), 'artifact:held');
      await rejects(store.setRetention(kept, { mode: 'COMPLIANCE', retain_until: inDays(11) }), 'artifact:held');
      for (const retain_until of [inDays(-1), 'tomorrow'])
        await expect(store.setRetention(kept, { ...longer, retain_until })).rejects.toThrow(RangeError);
      expect((await store.lockOf(kept)).retention).toEqual(longer);
    });

    test('holds by law until that is lifted, whatever the retention', async () => {
      const kept = await putLocked('lock/hold');
      await store.setLegalHold(kept, true);
      expect(await store.lockOf(kept)).toMatchObject({ legal_hold: true, retention: { mode: 'GOVERNANCE' } });
      await rejects(store.delete(kept), 'artifact:held');
      await store.setLegalHold({ bucket: kept.bucket, key: kept.key }, false);
      expect((await store.lockOf(kept)).legal_hold).toBe(false);
      await rejects(store.delete(kept), 'artifact:held');
    });

    test('belongs to one version: a newer one takes nothing from it', async () => {
      const first = await putLocked('lock/versions', 'first');
      await store.setLegalHold(first, true);
      const second = await putLocked('lock/versions', 'second');
      expect((await store.lockOf(second)).legal_hold).toBe(false);
      expect((await store.lockOf(first)).legal_hold).toBe(true);
    });

    test('is refused in a bucket without, and for what is not there', async () => {
      await put('unlocked', 'x');
      const retention = { mode: 'GOVERNANCE', retain_until: inDays(1) } as const;
      const unsupported = 'artifact:lock_unsupported';
      await rejects(store.lockOf(at('unlocked')), unsupported);
      await rejects(store.setLegalHold(at('unlocked'), true), unsupported);
      await rejects(store.setRetention(at('unlocked'), retention), unsupported);
      const absent = { bucket: rig.locked, key: 'absent' };
      await rejects(store.lockOf(absent), 'artifact:not_found');
      await rejects(store.setLegalHold(absent, true), 'artifact:not_found');
      await rejects(store.setRetention(absent, retention), 'artifact:not_found');
    });
  });

  describe('copy', () => {
    test.each(['from.txt', 'a+b ?x=1#y&é %2e.txt'])('brings bytes and type: %s', async (key) => {
      const first = await put(key, 'first', { content_type: 'text/csv' });
      await put(key, 'second');
      const copied = await store.copy(at(key), at(`copy of ${key}`));
      expect(String(await read(`copy of ${key}`))).toBe('second');
      expect(await store.stat(at(`copy of ${key}`))).toMatchObject(copied);
      await store.copy({ ...at(key), version_id: first.version_id! }, at(`copy of ${key}`));
      const { content_type, size_bytes } = await store.stat(at(`copy of ${key}`));
      expect({ content_type, size_bytes }).toEqual({ content_type: 'text/csv', size_bytes: 5 });
      await store.delete({ ...at(key), version_id: first.version_id! });
      expect(String(await read(`copy of ${key}`))).toBe('first');
    });

    test('needs its source', async () => {
      await rejects(store.copy(at('absent'), at('copied')), 'artifact:not_found');
      await rejects(store.stat(at('copied')), 'artifact:not_found');
    });
  });

  describe('conditions', () => {
    test('create only', async () => {
      const condition = { precondition: { if_none_match: '*' } } as const;
      await put('created', 'mine', condition);
      await rejects(put('created', 'theirs', condition), 'artifact:precondition_failed');
      expect(String(await read('created'))).toBe('mine');
      await store.delete(at('created'));
      await put('created', 'again', condition);
      expect(String(await read('created'))).toBe('again');
    });

    test('replace only what is known', async () => {
      const first = await put('known', 'one');
      await put('known', 'two', { precondition: { if_match: first.etag } });
      await rejects(put('known', 'three', { precondition: { if_match: first.etag } }), 'artifact:precondition_failed');
      expect(String(await read('known'))).toBe('two');
      await rejects(put('unknown', 'x', { precondition: { if_match: first.etag } }), 'artifact:precondition_failed');
      await rejects(store.stat(at('unknown')), 'artifact:not_found');
    });

    test.each(['create', 'replace'])('%s: of 8 writers at once one wins', async (kind) => {
      const key = `raced ${kind}`;
      const before = kind === 'replace' ? await put(key, 'before') : undefined;
      const precondition = before === undefined ? ({ if_none_match: '*' } as const) : { if_match: before.etag };
      const outcomes = await Promise.allSettled(
        Array.from({ length: 8 }, (_, writer) => put(key, `writer ${writer}`, { precondition })),
      );
      const winners = outcomes.flatMap(({ status }, writer) => (status === 'fulfilled' ? [`writer ${writer}`] : []));
      expect(winners).toEqual([String(await read(key))]);
      const losers = outcomes.flatMap((one) => (one.status === 'rejected' ? [one.reason.code] : []));
      expect(losers).toEqual(Array(7).fill('artifact:precondition_failed'));
    });
  });

  describe('uploads in parts', () => {
    const bytes = randomBytes(20 * MB);
    const pieces = [0, 1, 2, 3].map((index) => bytes.subarray(index * 5 * MB, (index + 1) * 5 * MB));
    const start = (key: string) => store.startUpload(at(key), { content_type: 'video/mp4' });

    test('take 20 MB out of order, and a part twice', async () => {
      const upload = await start('parts/whole');
      await rejects(store.stat(at('parts/whole')), 'artifact:not_found');
      const etags = new Map<number, string>();
      const send = async (part_number: number, part: Buffer) => {
        const { etag, sha256: digest } = await store.putPart(upload, part_number, streamOf(part), {
          size_bytes: part.length,
        });
        expect(digest).toBe(sha256(part));
        etags.set(part_number, etag);
      };
      await send(4, pieces[3]!);
      await send(2, randomBytes(5 * MB));
      await Promise.all([send(1, pieces[0]!), send(3, pieces[2]!)]);
      await send(2, pieces[1]!);
      const listed = await store.parts(upload);
      expect(listed).toEqual([1, 2, 3, 4].map((n) => ({ part_number: n, etag: etags.get(n), size_bytes: 5 * MB })));
      const stored = await store.completeUpload(upload, listed);
      const stat = await store.stat(at('parts/whole'));
      expect(stat).toMatchObject({ ...stored, size_bytes: 20 * MB, content_type: 'video/mp4' });
      expect(sha256(await read('parts/whole'))).toBe(sha256(bytes));
      await rejects(store.parts(upload), 'artifact:upload_not_found');
      await rejects(store.completeUpload(upload, listed), 'artifact:upload_not_found');
    });

    test('drop parts that are not named', async () => {
      const upload = await start('parts/some');
      const one = await store.putPart(upload, 1, streamOf(Buffer.from('kept')), { size_bytes: 4 });
      await store.putPart(upload, 2, streamOf(Buffer.from('dropped')), { size_bytes: 7 });
      await store.completeUpload(upload, [{ part_number: 1, etag: one.etag }]);
      expect(String(await read('parts/some'))).toBe('kept');
    });

    test('are refused when a part is wrong, and can still be completed then', async () => {
      const upload = await start('parts/wrong');
      const put1 = await store.putPart(upload, 1, streamOf(pieces[0]!), { size_bytes: 5 * MB });
      const put2 = await store.putPart(upload, 2, streamOf(Buffer.from('small')), { size_bytes: 5 });
      const put3 = await store.putPart(upload, 3, streamOf(Buffer.from('end')), { size_bytes: 3 });
      const [one, two, three] = [put1, put2, put3].map(({ etag }, index) => ({ part_number: index + 1, etag }));
      const wrong = [
        [],
        [one!, { part_number: 2, etag: one!.etag }],
        [one!, { part_number: 7, etag: two!.etag }],
        [two!, one!],
        [one!, two!, three!],
      ];
      for (const parts of wrong) await rejects(store.completeUpload(upload, parts), 'artifact:part_invalid');
      await rejects(store.stat(at('parts/wrong')), 'artifact:not_found');
      await store.completeUpload(upload, [one!, three!]);
      expect((await store.stat(at('parts/wrong'))).size_bytes).toBe(5 * MB + 3);
    });

    test('check the bytes of a part', async () => {
      const upload = await start('parts/checked');
      const part = (options: { size_bytes: number; sha256?: string }) =>
        store.putPart(upload, 1, streamOf(Buffer.from('part')), options);
      await rejects(part({ size_bytes: 5 }), 'artifact:size_mismatch');
      await rejects(part({ size_bytes: 4, sha256: sha256(Buffer.from('x')) }), 'artifact:checksum_mismatch');
      expect(await store.parts(upload)).toEqual([]);
      await expect(store.putPart(upload, 10_001, Readable.from([]), { size_bytes: 0 })).rejects.toThrow(RangeError);
      await store.abortUpload(upload);
    });

    test('can be aborted, and are gone then', async () => {
      const upload = await start('parts/aborted');
      await store.putPart(upload, 1, streamOf(Buffer.from('x')), { size_bytes: 1 });
      await store.abortUpload(upload);
      await store.abortUpload(upload);
      await rejects(store.parts(upload), 'artifact:upload_not_found');
      const late = store.putPart(upload, 2, streamOf(Buffer.from('x')), { size_bytes: 1 });
      await rejects(late, 'artifact:upload_not_found');
      await rejects(store.stat(at('parts/aborted')), 'artifact:not_found');
    });

    test('belong to their key', async () => {
      const upload = await start('parts/mine');
      await rejects(store.parts({ ...upload, key: 'parts/other' }), 'artifact:upload_not_found');
      await store.abortUpload({ ...upload, key: 'parts/other' });
      expect(await store.parts(upload)).toEqual([]);
      await rejects(store.parts({ ...upload, upload_id: '../../entries' }), 'artifact:upload_not_found');
      await store.abortUpload(upload);
    });

    test('that are unfinished are listed, with the keys they have', async () => {
      const uploads = [];
      for (const key of ['007', 'late/é + x', 'late/ z ']) uploads.push(await start(key));
      const found = await store.unfinishedUploads(rig.bucket, new Date(Date.now() + 60_000));
      expect(found.map(({ started_at: _, ...upload }) => upload).toSorted(byKey)).toEqual(uploads.toSorted(byKey));
      expect(await store.unfinishedUploads(rig.bucket, new Date(Date.now() - 60_000))).toEqual([]);
      for (const upload of found) await store.abortUpload(upload);
      expect(await store.unfinishedUploads(rig.bucket, new Date(Date.now() + 60_000))).toEqual([]);
    });
    const byKey = (a: { key: string }, b: { key: string }) => (a.key < b.key ? -1 : 1);
  });

  describe('signed URLs', () => {
    const minute = { expires_in_seconds: 60 };
    const send = ({ method, url, headers }: PresignedRequest, body?: string) =>
      fetch(url, { method, headers, ...(body === undefined ? {} : { body }) });

    test.each(['signed/plain.txt', 'signed/%2e%2e/é + ?&# 📄', 'signed/...'])('put and get: %s', async (key) => {
      expect((await send(await store.presignPut(at(key), minute), 'by URL')).status).toBe(200);
      expect(String(await read(key))).toBe('by URL');
      const url = await store.presignGet(at(key), minute);
      expect(await (await send(url)).text()).toBe('by URL');
      expect(Date.parse(url.expires_at) - Date.now()).toBeGreaterThan(30_000);
    });

    test('of a version bring that version', async () => {
      const old = await put('signed/version', 'old');
      await put('signed/version', 'new');
      const url = await store.presignGet({ ...at('signed/version'), version_id: old.version_id! }, minute);
      expect(await (await send(url)).text()).toBe('old');
    });

    test('bring the disposition that was asked for', async () => {
      await put('signed/named', 'x');
      const content_disposition = `attachment; filename="a \\"b\\" & c+d.txt"; filename*=UTF-8''%C3%A9.txt`;
      const answer = await send(await store.presignGet(at('signed/named'), { ...minute, content_disposition }));
      expect(answer.headers.get('content-disposition')).toBe(content_disposition);
      expect(await answer.text()).toBe('x');
      for (const wrong of ['a\r\nb', 'é', 'x'.repeat(2001)])
        await expect(store.presignGet(at('signed/named'), { ...minute, content_disposition: wrong })).rejects.toThrow(
          RangeError,
        );
    });

    test('have a scope that does not change by itself', () => {
      expect(store.presign_scope).toMatch(/^[0-9a-f]{32}$/);
      expect(store.presign_scope).toBe(store.presign_scope);
    });

    test('take parts', async () => {
      const upload = await store.startUpload(at('signed/parts'), { content_type: 'text/plain' });
      const answer = await send(await store.presignPart(upload, 1, minute), 'the only part');
      const etag = (answer.headers.get('etag') ?? '').replaceAll('"', '');
      expect(await store.parts(upload)).toEqual([{ part_number: 1, etag, size_bytes: 13 }]);
      await store.completeUpload(upload, [{ part_number: 1, etag }]);
      expect(String(await read('signed/parts'))).toBe('the only part');
    });

    test('open nothing else, and not for ever', async () => {
      await put('signed/one', 'one');
      await put('signed/two', 'two');
      const get = await store.presignGet(at('signed/one'), minute);
      const other = await store.presignGet(at('signed/two'), minute);
      expect((await send({ ...get, method: 'PUT' }, 'changed')).status).toBe(403);
      const tampered = get.url.replace(/.$/, (last) => (last === '0' ? '1' : '0'));
      expect((await fetch(tampered)).status).toBe(403);
      const half = Math.floor(get.url.length / 2);
      const mixed = get.url.slice(0, half) + other.url.slice(half);
      expect([400, 403]).toContain((await fetch(mixed)).status);
      expect(String(await read('signed/one'))).toBe('one');
      await expect(store.presignGet(at('signed/one'), { expires_in_seconds: 0 })).rejects.toThrow(RangeError);
      await expect(store.presignGet(at('signed/one'), { expires_in_seconds: 604_801 })).rejects.toThrow(RangeError);
      const short = await store.presignGet(at('signed/one'), { expires_in_seconds: 1 });
      await expect.poll(async () => (await fetch(short.url)).status, { timeout: 10_000 }).toBe(403);
    });

    test('for uploads hold to size and type', async () => {
      const limits = { ...minute, content_type: 'text/plain', max_size_bytes: 10 };
      const upload = await store.presignUpload(at('signed/limited'), limits);
      expect((await submit(upload, '0123456789', 'text/plain')).ok).toBe(true);
      expect(String(await read('signed/limited'))).toBe('0123456789');
      expect((await store.stat(at('signed/limited'))).content_type).toBe('text/plain');
      expect((await submit(upload, '0123456789+', 'text/plain')).status).toBeGreaterThanOrEqual(400);
      expect((await submit(upload, 'x', 'text/html')).status).toBeGreaterThanOrEqual(400);
      expect(String(await read('signed/limited'))).toBe('0123456789');
    });

    function submit(request: PresignedRequest, content: string, type: string): Promise<Response> {
      const { method, url, headers, fields } = request;
      if (method === 'PUT') return fetch(url, { method, headers: { ...headers, 'content-type': type }, body: content });
      const form = new FormData();
      for (const [name, value] of Object.entries({ ...fields, 'Content-Type': type })) form.set(name, value);
      form.set('file', new Blob([content]));
      return fetch(url, { method, body: form });
    }
  });
}
