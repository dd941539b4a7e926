import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parseBuckets } from '../../src/objects/buckets.js';
import { type JanitorEvent, runJanitor } from '../../src/objects/disk/janitor.js';
import { DiskStore } from '../../src/objects/disk/store.js';
import { parseLifecycle } from '../../src/objects/lifecycle-xml.js';
import { read } from '../unit/repository/sources.js';
import { temporaryDirectory } from './support/rigs.js';

const DAY_MS = 86_400_000;
const { buckets } = parseBuckets('agents-artifacts,documents,models,other');
const names = buckets.map(({ name }) => name);
const { rules } = parseLifecycle(read('lifecycle.xml'), { tier: undefined, buckets: names });

let directory: ReturnType<typeof temporaryDirectory>;
let store: DiskStore;
let now: Date;
let events: JanitorEvent[];
beforeEach(async () => {
  directory = temporaryDirectory();
  now = new Date('2026-01-01T12:00:00Z');
  events = [];
  const root = join(directory.path, 'objects');
  const options = { root, buckets, secret: randomBytes(32), publicUrl: () => 'http://localhost', clock: () => now };
  store = await DiskStore.open(options);
});
afterEach(async () => {
  await store.close();
  directory.remove();
});

const put = async (bucket: string, key: string) => {
  const options = { size_bytes: 1, content_type: 'text/plain' };
  const { version_id } = await store.put({ bucket, key }, Readable.from([Buffer.from('x')]), options);
  return version_id!;
};
const afterDays = (days: number) => {
  now = new Date(Date.parse('2026-01-01T12:00:00Z') + days * DAY_MS);
};
const run = async () => {
  events = [];
  await runJanitor(store, rules, now, async (event) => void events.push(event));
};
const heard = () => events.map(({ bucket, key, eventName }) => [bucket, key, eventName.split(':')[2]]);

describe('the janitor of the disk driver', () => {
  test('hides what has expired, then removes it, then its marker', async () => {
    const name = { bucket: 'agents-artifacts', key: 'a/é 📄' };
    const version_id = await put(name.bucket, name.key);
    afterDays(30);
    await run();
    expect(events).toEqual([]);
    afterDays(31);
    await run();
    const [marker, version] = await store.versions(name);
    expect([marker?.deleted, version?.version_id]).toEqual([true, version_id]);
    expect(events).toEqual([
      {
        ...name,
        eventName: 's3:ObjectRemoved:DeleteMarkerCreated',
        eventTime: now.toISOString(),
        userAgent: 'Internal: [ILM-Expiry]',
        version_id: marker?.version_id,
        sequencer: (BigInt(now.getTime()) * 1_000_000n).toString(16).toUpperCase(),
      },
    ]);
    await expect(store.stat(name)).rejects.toMatchObject({ code: 'artifact:not_found' });
    await run();
    expect(events).toEqual([]);
    afterDays(62);
    await run();
    expect(heard()).toEqual([
      [name.bucket, name.key, 'Delete'],
      [name.bucket, name.key, 'Delete'],
    ]);
    expect(events.map((event) => event.version_id)).toEqual([version_id, marker?.version_id]);
    expect(BigInt(`0x${events[1]!.sequencer}`)).toBeGreaterThan(BigInt(`0x${events[0]!.sequencer}`));
    expect(await store.versions(name)).toEqual([]);
  });

  test('goes by the rules of each bucket', async () => {
    for (const { name } of buckets) await put(name, 'k');
    afterDays(364);
    await run();
    expect(heard()).toEqual([['agents-artifacts', 'k', 'DeleteMarkerCreated']]);
    afterDays(366);
    await run();
    expect(heard().map(([bucket]) => bucket)).toContain('documents');
    afterDays(20_000);
    await run();
    await run();
    for (const bucket of ['models', 'other']) expect(await store.versions({ bucket, key: 'k' })).toHaveLength(1);
  });

  test('spares what was written meanwhile, and old versions that are held', async () => {
    await put('agents-artifacts', 'renewed');
    afterDays(29);
    await put('agents-artifacts', 'renewed');
    afterDays(31);
    await run();
    expect(events).toEqual([]);
    const held = { bucket: 'models', key: 'held', version_id: await put('models', 'held') };
    await store.setLegalHold(held, true);
    await put('models', 'held');
    const always = [{ id: 'models:o', bucket: 'models', prefix: '', old_versions: { after_days: 1, keep: 0 } }];
    afterDays(1000);
    await runJanitor(store, always, now, async (event) => void events.push(event));
    expect(events).toEqual([]);
    await store.setLegalHold(held, false);
    await runJanitor(store, always, now, async (event) => void events.push(event));
    expect(events.map(({ version_id }) => version_id)).toEqual([held.version_id]);
  });

  test('tells of a change after it is made', async () => {
    await put('agents-artifacts', 'a');
    await put('agents-artifacts', 'b');
    afterDays(31);
    const crash = runJanitor(store, rules, now, async ({ bucket, key }) => {
      expect((await store.versions({ bucket, key })).map(({ deleted }) => deleted)).toEqual([true, false]);
      throw new Error('the process ended here');
    });
    await expect(crash).rejects.toThrow('the process ended here');
    await run();
    expect(heard()).toEqual([['agents-artifacts', 'b', 'DeleteMarkerCreated']]);
  });

  test('aborts uploads that nobody finished', async () => {
    const start = (bucket: string) => store.startUpload({ bucket, key: 'u' }, { content_type: 'x' });
    const [old, without] = [await start('models'), await start('other')];
    afterDays(5);
    const young = await start('models');
    afterDays(8);
    await run();
    await expect(store.parts(old)).rejects.toMatchObject({ code: 'artifact:upload_not_found' });
    expect(await store.parts(young)).toEqual([]);
    expect(await store.parts(without)).toEqual([]);
  });
});
