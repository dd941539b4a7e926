import { createHash, randomUUID } from 'node:crypto';
import { pino } from 'pino';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { writeArtifact } from '../../src/artifacts/change.js';
import { type ArtifactColumns, type ArtifactRow, readArtifact } from '../../src/artifacts/row.js';
import type { Next } from '../../src/artifacts/states.js';
import { systemContext } from '../../src/artifacts/system.js';
import { drainEvents, MAX_ATTEMPTS } from '../../src/bucket-events/drain.js';
import { type BucketEvent, eventId } from '../../src/bucket-events/event.js';
import { forgetEvents } from '../../src/bucket-events/forget.js';
import { createEventInbox } from '../../src/bucket-events/inbox.js';
import { recordEvents } from '../../src/bucket-events/record.js';
import { replayEvent } from '../../src/bucket-events/replay.js';
import { startEventWorker } from '../../src/bucket-events/worker.js';
import { readConfig } from '../../src/config.js';
import type { Services } from '../../src/context.js';
import { AcervoError } from '../../src/errors/error.js';
import { createMetrics } from '../../src/health/metrics.js';
import type { Database } from '../../src/surreal/database.js';
import { NO_WARM_INDEX } from '../../src/warm-index/port.js';
import { createAnalyzer } from '../../src/warm-index/text/analyzer.js';
import { waitFor } from '../support/stack-servers.js';
import { type Engine, openEngine, unavailable } from './support/engine.js';
import { FakeStore } from './support/fake-store.js';

const BUCKET = 'documents';

describe.skipIf(unavailable)('events of the object store', () => {
  let engine: Engine;
  let store: FakeStore;
  let services: Services;
  let clockNs = BigInt(Date.parse('2026-01-01T00:00:00Z')) * 1_000_000n;

  const serve = (more: Partial<Services> = {}, objects: Partial<Services['config']['objects']> = {}): Services => {
    const config = readConfig({});
    return {
      config: { ...config, objects: { ...config.objects, ...objects } },
      db: engine.db,
      control: engine.control,
      objects: store.asStore(),
      bucketEvents: createEventInbox(engine.db),
      lifecycle: [],
      metrics: createMetrics(),
      legTrust: new Map(),
      log: pino({ level: 'silent' }),
      clock: () => new Date(),
      passFaultPoint: () => undefined,
      cursors: {} as Services['cursors'],
      embedder: {} as Services['embedder'],
      extractor: {} as Services['extractor'],
      openSignedUrl: undefined,
      live: {} as Services['live'],
      warmIndex: NO_WARM_INDEX,
      analyzer: createAnalyzer('english'),
      ...more,
    };
  };

  beforeAll(async () => {
    engine = await openEngine();
  });
  beforeEach(async () => {
    await run('DELETE bucket_events; DELETE minio_references; DELETE minio_objects; DELETE artifact_versions');
    await run('DELETE audit_log');
    store = new FakeStore();
    services = serve();
  });

  const run = <Result = unknown>(text: string, params = {}) => engine.db.run<Result>({ text, params });
  const rows = (where = 'true') =>
    run<Record<string, unknown>[]>(`SELECT * FROM bucket_events WHERE ${where} ORDER BY received_at`);
  const drain = (who = services) => drainEvents(who, randomUUID());
  /** Not in one statement: the scan of the index would meet the rows that it has moved ahead. */
  const hurry = () =>
    run(`LET $ids = (SELECT VALUE id FROM bucket_events WHERE status = 'pending');
      UPDATE $ids SET due_at = time::now()`);
  const context = () => systemContext(services, 'bucket-events');
  const artifact = (id: string) => readArtifact(context(), id);
  const changesOf = (id: string) =>
    run<{ id: unknown; action: string; status: string; key_id: string }[]>(
      'SELECT id, action, status, key_id FROM audit_log WHERE resource = $resource ORDER BY id',
      { resource: `artifact:${id}` },
    );

  const nameOf = (id: string) => ({ bucket: BUCKET, key: `files/${id}.txt` });
  const event = (id: string, event_name: string, fields: Partial<BucketEvent> = {}): BucketEvent => {
    clockNs += 1000n;
    const event_time = new Date(Number(clockNs / 1_000_000n)).toISOString();
    const sequencer = clockNs.toString(16).toUpperCase();
    return { ...nameOf(id), event_name: `s3:${event_name}`, event_time, sequencer, lifecycle: false, ...fields };
  };

  /** A pointer that awaits `text`. */
  async function reserve(id: string, text: string): Promise<ArtifactRow> {
    const declared = { size_bytes: Buffer.byteLength(text), content_type: 'text/plain' };
    const soon = new Date(Date.now() + 3_600_000).toISOString();
    const row: ArtifactColumns = {
      ...nameOf(id),
      ...declared,
      name: `${id}.txt`,
      metadata: {},
      status: 'reserved',
      checksum: 'unverified',
      version_count: 0,
      legal_hold: false,
      settle_after: soon,
      upload: { method: 'PUT', ...declared, urls_expire_at: soon },
    };
    const next = { row, action: 'CREATE', status: 'SUCCESS' } as const;
    return (await writeArtifact(context(), id, next, { revision: 0 })).artifact;
  }

  /** A pointer whose bytes have come, with the event that told of them. */
  async function stored(id: string, text = `text of ${id}`): Promise<BucketEvent> {
    await reserve(id, text);
    const version_id = store.write(nameOf(id), text);
    const created = event(id, 'ObjectCreated:Put', { version_id });
    await recordEvents(services, [created]);
    await drain();
    expect((await artifact(id)).status).toBe('stored');
    return created;
  }

  it('completes an upload whose client never said so, and says who did', async () => {
    await reserve('one', 'hello');
    const version_id = store.write(nameOf('one'), 'hello');
    await recordEvents(services, [event('one', 'ObjectCreated:Put', { version_id, size_bytes: 5 })]);
    expect(await drain()).toBe(1);
    const sha256 = createHash('sha256').update('hello').digest('hex');
    expect(await artifact('one')).toMatchObject({ status: 'stored', version_id, size_bytes: 5, sha256 });
    expect(await rows()).toMatchObject([{ status: 'applied', outcome: 'landed', attempts: 0, key: 'files/one.txt' }]);
    expect((await changesOf('one')).at(-1)).toMatchObject({
      action: 'UPDATE',
      status: 'SUCCESS',
      key_id: 'system:bucket-events',
    });
  });

  it('an event that comes again, in one letter, in another, or at the same time, is one event', async () => {
    await reserve('twice', 'hello');
    const created = event('twice', 'ObjectCreated:Put', { version_id: store.write(nameOf('twice'), 'hello') });
    await recordEvents(services, [created, { ...created, user_agent: 'again' }]);
    await Promise.all(Array.from({ length: 20 }, () => recordEvents(services, [created])));
    expect(await rows()).toHaveLength(1);
    await drain();
    await recordEvents(services, [created]);
    expect(await drain()).toBe(0);
    expect(await rows()).toMatchObject([{ id: eventId(created), status: 'applied' }]);
    expect(await changesOf('twice')).toHaveLength(2);
  });

  it('asks the store nothing about the version that the pointer has already', async () => {
    const { version_id } = await stored('known');
    store.requests.length = 0;
    await recordEvents(services, [event('known', 'ObjectCreated:Put', { version_id })]);
    await drain();
    expect((await rows()).map(({ outcome }) => outcome)).toEqual(['landed', 'known_version']);
    expect(store.requests).toEqual([]);
  });

  it('does not follow tags, retention, reads and tiers', async () => {
    await stored('tagged');
    store.requests.length = 0;
    const names = [
      'ObjectCreated:PutTagging',
      'ObjectCreated:PutRetention',
      'ObjectAccessed:Get',
      'ObjectTransition:Complete',
    ];
    await recordEvents(
      services,
      names.map((name) => event('tagged', name)),
    );
    await drain();
    const others = await rows(`outcome != 'landed'`);
    expect(others.map(({ status, outcome }) => [status, outcome])).toEqual(
      names.map(() => ['ignored', 'not_followed']),
    );
    expect(store.requests).toEqual([]);
  });

  it('keeps events of other buckets, and does nothing with them', async () => {
    await recordEvents(services, [event('x', 'ObjectCreated:Put', { bucket: 'not-ours' })]);
    expect(await drain()).toBe(0);
    expect(await rows()).toMatchObject([{ bucket: 'not-ours', status: 'ignored', outcome: 'unknown_bucket' }]);
  });

  it.each([
    ['somebody', false, 'deleted', 'SUCCESS'],
    ['a lifecycle rule', true, 'expired', 'EXPIRED'],
  ])(
    'what %s removed is %s by lifecycle: the pointer is %s and the audit row %s',
    async (_who, lifecycle, status, audit) => {
      await stored('gone');
      const version_id = store.hide(nameOf('gone'));
      await recordEvents(services, [event('gone', 'ObjectRemoved:DeleteMarkerCreated', { version_id, lifecycle })]);
      await drain();
      expect(await artifact('gone')).toMatchObject({ status });
      expect((await changesOf('gone')).at(-1)).toMatchObject({ action: 'DELETE', status: audit });
      expect(await rows(`outcome = 'ghost'`)).toHaveLength(1);
    },
  );

  it('believes the store and not the event: forged, late and reordered events change nothing', async () => {
    const created = await stored('true');
    const lies = [
      event('true', 'ObjectRemoved:Delete', { version_id: created.version_id }),
      event('true', 'ObjectRemoved:DeleteMarkerCreated', { version_id: randomUUID(), sequencer: '1' }),
      event('true', 'ObjectRemoved:Delete', { version_id: randomUUID(), lifecycle: true }),
      event('true', 'ObjectCreated:Put', { version_id: randomUUID(), sequencer: '2', size_bytes: 7 }),
    ];
    await recordEvents(services, lies.toReversed());
    await drain();
    expect(await artifact('true')).toMatchObject({ status: 'stored', version_id: created.version_id });
    expect(await changesOf('true')).toHaveLength(2);
    expect(await rows(`outcome = 'agreed'`)).toHaveLength(lies.length);
  });

  it('the last removal by its sequencer tells why, in whatever order they come', async () => {
    await stored('why');
    const byHand = event('why', 'ObjectRemoved:DeleteMarkerCreated', { version_id: store.hide(nameOf('why')) });
    const byRule = event('why', 'ObjectRemoved:Delete', { version_id: store.hide(nameOf('why')), lifecycle: true });
    await recordEvents(services, [byRule]);
    await recordEvents(services, [byHand]);
    store.requests.length = 0;
    await drain();
    expect(await artifact('why')).toMatchObject({ status: 'expired' });
    // Two events, and one look at what is there.
    expect(store.requests.filter((request) => request.startsWith('versions'))).toHaveLength(1);
  });

  /** A stored artifact with an older acknowledged version. */
  async function overwritten(id: string): Promise<{ first: string; second: string }> {
    const first = (await stored(id)).version_id ?? '';
    const second = store.write(nameOf(id), 'second');
    const row = await artifact(id);
    const version = { version_id: second, etag: 'e', size_bytes: 6, content_type: 'text/plain', sha256: undefined };
    const { id: _id, created_at: _c, updated_at: _u, revision, state_digest: _d, ...columns } = row;
    const next: Next = {
      row: { ...columns, version_id: second, size_bytes: 6, version_count: 2 },
      version: { ...version, checksum: 'unverified' },
      action: 'UPDATE',
      status: 'SUCCESS',
    };
    await writeArtifact(context(), id, next, { revision });
    return { first, second };
  }
  const versionsOf = async (id: string) => {
    const versions = await engine.db.query<{ version_id: string }[]>('artifacts/versions', { id });
    return versions.map(({ version_id }) => version_id);
  };

  it('forgets an old version when its bytes are gone, and only then', async () => {
    const { first, second } = await overwritten('old');
    const removal = { version_id: first };
    await recordEvents(services, [event('old', 'ObjectRemoved:Delete', removal)]);
    await drain();
    expect((await versionsOf('old')).toSorted()).toEqual([first, second].toSorted());
    store.remove({ ...nameOf('old'), version_id: first });
    await recordEvents(services, [event('old', 'ObjectRemoved:Delete', removal)]);
    await drain();
    expect(await versionsOf('old')).toEqual([second]);
    expect(await artifact('old')).toMatchObject({ status: 'stored', version_id: second, version_count: 1 });
    expect((await rows()).map(({ outcome }) => outcome)).toEqual(['landed', 'agreed', 'version_gone']);
  });

  it('when all versions were removed at once, none is left', async () => {
    const { first, second } = await overwritten('all');
    for (const version_id of [first, second]) store.remove({ ...nameOf('all'), version_id });
    const removal = { version_id: second, lifecycle: true };
    await recordEvents(services, [event('all', 'ObjectRemoved:DeleteAllVersions', removal)]);
    await drain();
    expect(await artifact('all')).toMatchObject({ status: 'expired', version_count: 0 });
    expect(await versionsOf('all')).toEqual([]);
  });

  it('reports objects that nobody announced', async () => {
    const version_id = store.write(nameOf('stranger'), 'hello');
    await recordEvents(services, [
      event('stranger', 'ObjectCreated:Put', { version_id }),
      event('nobody', 'ObjectRemoved:Delete', { version_id }),
    ]);
    await drain();
    expect((await rows()).map(({ key, status, outcome }) => [key, status, outcome]).toSorted()).toEqual([
      ['files/nobody.txt', 'ignored', 'no_pointer'],
      ['files/stranger.txt', 'ignored', 'unknown_object'],
    ]);
    expect(await run('SELECT * FROM minio_references')).toEqual([]);
    expect(await services.metrics.registry.metrics()).toContain(
      'acervo_bucket_events_total{outcome="unknown_object"} 1',
    );
  });

  it('adopts them where that is configured, once each, however many at a time', async () => {
    const adopting = serve({}, { unknownObjects: 'adopt' });
    const version_id = store.write(nameOf('stranger'), 'hello');
    const hostile = { bucket: BUCKET, key: 'a//b' };
    store.write(hostile, 'x');
    store.trouble = (_method, { key }) => {
      if (key === hostile.key) throw new AcervoError('artifact:key_invalid');
    };
    await recordEvents(adopting, [
      event('stranger', 'ObjectCreated:Put', { version_id }),
      event('stranger', 'ObjectCreated:Put', { version_id }),
      event('vanished', 'ObjectCreated:Put', { version_id }),
      event('hostile', 'ObjectCreated:Put', hostile),
    ]);
    // Both have the lease: as when one was paused for longer than it holds.
    const free = { ...engine.control, query: async () => true } as unknown as Database;
    const nodes = [1, 2, 3].map(() => ({ ...adopting, control: free }));
    await Promise.all(nodes.map((node) => drain(node)));
    const pointers = await run<ArtifactRow[]>('SELECT * FROM minio_references');
    expect(pointers).toMatchObject([
      {
        ...nameOf('stranger'),
        ...{ status: 'stored', name: 'stranger.txt', size_bytes: 5, version_id, checksum: 'unverified' },
        ...{ content_type: 'text/plain', metadata: {}, version_count: 1 },
      },
    ]);
    expect(await changesOf(pointers[0]?.id ?? '')).toMatchObject([{ action: 'CREATE', status: 'SUCCESS' }]);
    expect(await rows(`status = 'pending'`)).toEqual([]);
    expect((await rows(`key = 'a//b'`))[0]).toMatchObject({ outcome: 'unknown_object' });
  });

  it('what fails for a reason of its own holds up nobody, becomes a dead letter, and can be replayed', async () => {
    for (const id of ['poison', 'well', 'fine']) await reserve(id, 'hello');
    const created = ['poison', 'well', 'fine'].map((id) =>
      event(id, 'ObjectCreated:Put', { version_id: store.write(nameOf(id), 'hello') }),
    );
    store.trouble = (_method, { key }) => {
      if (key.includes('poison')) throw new TypeError('what no rule foresees');
    };
    await recordEvents(services, created);
    await drain();
    expect([(await artifact('well')).status, (await artifact('fine')).status]).toEqual(['stored', 'stored']);
    const poison = { error: 'internal:unexpected', key: 'files/poison.txt' };
    expect(await rows(`status = 'pending'`)).toMatchObject([{ ...poison, attempts: 1 }]);
    for (let attempts = 2; attempts <= MAX_ATTEMPTS; attempts += 1) {
      expect(await drain()).toBe(0);
      await hurry();
      await drain();
    }
    expect(await rows(`status = 'dead'`)).toMatchObject([{ ...poison, attempts: MAX_ATTEMPTS, outcome: 'failed' }]);
    await hurry();
    expect(await drain()).toBe(0);

    // Its own object goes on too, once it can.
    store.trouble = undefined;
    await recordEvents(services, [event('poison', 'ObjectCreated:Post')]);
    await drain();
    expect((await artifact('poison')).status).toBe('stored');

    const [letter] = created;
    const id = letter === undefined ? '' : eventId(letter);
    expect(await replayEvent(context(), id)).toMatchObject({ id, status: 'pending', attempts: 0 });
    await drain();
    expect(await rows(`id = bucket_events:\`${id}\``)).toMatchObject([{ status: 'ignored', outcome: 'known_version' }]);
    await expect(replayEvent(context(), id)).rejects.toMatchObject({ code: 'event:not_dead' });
    await expect(replayEvent(context(), 'x')).rejects.toMatchObject({ code: 'event:not_found' });
  });

  it('while the store is away events wait, however long, and none of them dies', async () => {
    await reserve('waits', 'hello');
    const created = event('waits', 'ObjectCreated:Put', { version_id: store.write(nameOf('waits'), 'hello') });
    store.trouble = () => {
      throw new AcervoError('objects:unavailable');
    };
    await recordEvents(services, [created]);
    for (let round = 0; round < MAX_ATTEMPTS + 3; round += 1) {
      await hurry();
      expect(await drain()).toBe(0);
    }
    expect(await rows()).toMatchObject([{ status: 'pending', attempts: 0, error: 'objects:unavailable' }]);
    const due = await run<boolean[]>('SELECT VALUE due_at > time::now() FROM bucket_events');
    expect(due).toEqual([true]);
    store.trouble = undefined;
    await hurry();
    expect(await drain()).toBe(1);
    expect(await artifact('waits')).toMatchObject({ status: 'stored' });
    expect((await rows())[0]).not.toHaveProperty('error');
  });

  it('more events than a page that have to wait do not hold up the one behind them', async () => {
    await reserve('behind', 'hello');
    const blocked = Array.from({ length: 600 }, (_, index) => event(`blocked-${index}`, 'ObjectCreated:Put'));
    store.trouble = (_method, { key }) => {
      if (key.includes('blocked')) throw new AcervoError('objects:unavailable');
    };
    const adopting = serve({}, { unknownObjects: 'adopt' });
    await recordEvents(adopting, blocked);
    await recordEvents(adopting, [
      event('behind', 'ObjectCreated:Put', { version_id: store.write(nameOf('behind'), 'hello') }),
    ]);
    await drain(adopting);
    await drain(adopting);
    expect(await artifact('behind')).toMatchObject({ status: 'stored' });
    expect(await rows(`status = 'pending'`)).toHaveLength(600);
  });

  it('one node applies while it has the lease; two that both believe they have it change everything once', async () => {
    const ids = Array.from({ length: 30 }, (_, index) => `both-${index}`);
    for (const id of ids) await reserve(id, 'hello');
    await recordEvents(
      services,
      ids.map((id) => event(id, 'ObjectCreated:Put', { version_id: store.write(nameOf(id), 'hello') })),
    );
    const lease = { name: 'bucket-events', ttl_ms: 60_000, holder: 'other' };
    expect(await engine.control.query('leases/acquire', lease)).toBe(true);
    expect(await drain()).toBe(0);
    expect(await rows(`status = 'pending'`)).toHaveLength(ids.length);
    await engine.control.query('leases/release', lease);

    const free = { ...engine.control, query: async () => true } as unknown as Database;
    await Promise.all([1, 2].map(() => drain({ ...services, control: free })));
    for (const id of ids) {
      expect(await artifact(id)).toMatchObject({ status: 'stored', version_count: 1 });
      expect(await changesOf(id)).toHaveLength(2);
    }
    expect(await rows(`status = 'pending'`)).toEqual([]);
  });

  it('absorbs 10 000 events at once, doubled and in any order, and every pointer is as its object', async () => {
    const ids = Array.from({ length: 200 }, (_, index) => `burst-${index}`);
    const events: BucketEvent[] = [];
    for (const [index, id] of ids.entries()) {
      await reserve(id, `text of ${id}`);
      const version_id = store.write(nameOf(id), `text of ${id}`);
      const created = event(id, 'ObjectCreated:Put', { version_id });
      events.push(created, created);
      for (let round = 0; round < 23; round += 1)
        events.push(
          event(id, 'ObjectCreated:PutTagging', { version_id }),
          event(id, 'ObjectCreated:Copy', { version_id }),
        );
      const lifecycle = index % 3 === 1;
      const removal = { version_id: randomUUID(), lifecycle };
      if (index % 3 > 0) store.hide(nameOf(id));
      const removed = event(id, 'ObjectRemoved:DeleteMarkerCreated', removal);
      events.push(removed, removed);
    }
    expect(events).toHaveLength(10_000);
    // A fixed shuffle.
    const placed = events.map((one, index) => ({ one, place: createHash('md5').update(String(index)).digest('hex') }));
    const shuffled = placed.sort((a, b) => (a.place < b.place ? -1 : 1)).map(({ one }) => one);
    const letters: BucketEvent[][] = [];
    while (shuffled.length > 0) letters.push(shuffled.splice(0, 1 + (letters.length % 4)));
    const sender = async () => {
      for (let letter = letters.pop(); letter !== undefined; letter = letters.pop())
        await recordEvents(services, letter);
    };
    await Promise.all(Array.from({ length: 64 }, sender));
    const distinct = new Set(events.map(eventId));
    expect(new Set((await rows()).map(({ id }) => id))).toEqual(distinct);

    expect(await drain()).toBe(distinct.size);
    for (const [index, id] of ids.entries()) {
      const row = await artifact(id);
      const sha256 = createHash('sha256').update(`text of ${id}`).digest('hex');
      if (index % 3 === 0) expect(row).toMatchObject({ status: 'stored', sha256, version_count: 1 });
      else expect(row.status, id).toMatch(/^(abandoned|reserved)$/);
    }
    expect(await rows(`status NOT IN ['applied', 'ignored']`)).toEqual([]);
    // A new database for the others: the server takes 16 s to delete so many rows, and edges might hang on each.
    engine = await openEngine();
  });

  it('a worker applies what this node stores without being asked, and ends when it is told to', async () => {
    await reserve('woken', 'hello');
    const stop = startEventWorker(services, 3_600_000);
    await recordEvents(services, [
      event('woken', 'ObjectCreated:Put', { version_id: store.write(nameOf('woken'), 'hello') }),
    ]);
    await waitFor('the pointer', async () => (await artifact('woken')).status === 'stored');
    await waitFor('the gauge', async () =>
      (await services.metrics.registry.metrics()).includes('acervo_bucket_events_pending 0'),
    );
    await stop();
    await recordEvents(services, [event('woken', 'ObjectCreated:Post')]);
    expect(await rows(`status = 'pending'`)).toHaveLength(1);
  });

  it('forgets what is long over, page after page, and nothing that waits', async () => {
    const fill = (status: string, days: number, from: number, to: number) =>
      run(`INSERT INTO bucket_events (SELECT VALUE {
        id: '${status}${days}-' + <string> $this, status: '${status}', due_at: time::now() - ${days}d
      } FROM array::range(${from}, ${to}))`);
    await fill('applied', 31, 0, 1100);
    await fill('applied', 29, 0, 5);
    await fill('ignored', 31, 0, 3);
    await fill('dead', 31, 0, 2);
    await fill('dead', 91, 0, 2);
    await fill('pending', 400, 0, 1);
    expect(await forgetEvents(services, randomUUID())).toBe(1105);
    const left = await run('SELECT status, count() AS events FROM bucket_events GROUP BY status ORDER BY status');
    expect(left).toEqual([
      { status: 'applied', events: 5 },
      { status: 'dead', events: 2 },
      { status: 'pending', events: 1 },
    ]);
  });

  it('finds what is due by the index', async () => {
    const text = engine.db.text('bucket-events/due').replace(/SELECT/, 'EXPLAIN SELECT');
    const plan = JSON.stringify(await run(text, { limit: 500 }));
    expect(plan).toMatch(/IndexScan .*bucket_events_status.*'pending'.* LessThanEqual/);
    expect(plan).not.toContain('TableScan');
  });
});

describe.skipIf(unavailable)('the inbox', () => {
  it('a row that the database refuses takes none of those with it that came at the same time', async () => {
    const engine = await openEngine();
    const inbox = createEventInbox(engine.db);
    const row = (id: string, status = 'pending') => ({ id, lifecycle: false, status: status as 'pending' });
    const results = await Promise.allSettled([
      inbox.record([row('a')]),
      inbox.record([row('b'), row('c', 'no such status')]),
      inbox.record([row('d')]),
      inbox.record([row('e'), row('f')]),
    ]);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'fulfilled']);
    const ids = await engine.db.run<string[]>({ text: 'SELECT VALUE record::id(id) FROM bucket_events', params: {} });
    expect(ids.toSorted()).toEqual(['a', 'd', 'e', 'f']);
  });
});
