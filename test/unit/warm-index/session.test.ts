import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
// As it is built: it starts a thread from a file beside it.
import { Session } from '../../../dist/warm-index/session.js';

const LOG: Row = ['2026-01-01T00:00:00Z', '11111111-1111-7111-8111-111111111111'];
const DIMENSIONS = 64;

type Row = [string, string];

interface Stored {
  revision: number;
  vector: number[];
}

/** What the index asks of a database, of documents of one passage. Reading may be made to fail, and to come too late. */
function fakeDatabase(documents: Map<string, Stored>) {
  const reads = {
    fail: undefined as Error | undefined,
    gone: false,
    rows: 0,
    log: [] as { id: Row; resource: string }[],
  };
  const answers: Record<string, (params: { ids: string[]; keys: [string, number, number][] }) => unknown> = {
    'audit/head': () => ({ now: new Date().toISOString(), newest: LOG[0] }),
    'audit/ids': () => reads.log.map(({ id }) => id),
    'audit/rows': () => reads.log.map((row) => ({ ...row, action: 'CREATE', revision: 1 })),
    'warm-index/anchor': () => ({ exists: true }),
    'warm-index/document-ids': () => [...documents.keys()].map((id) => ({ id })),
    'warm-index/decision-ids': () => [],
    'warm-index/document-rows': ({ ids }) => {
      if (reads.fail) throw reads.fail;
      reads.rows += ids.length;
      return ids.flatMap((id) => {
        const { revision } = documents.get(id) ?? {};
        return revision === undefined
          ? []
          : [{ id, revision, content_revision: revision, passage_count: 1, columns: { id } }];
      });
    },
    'warm-index/document-slices': ({ keys }) => {
      const there = keys.filter(([id, , ordinal]) => !reads.gone && ordinal === 0 && documents.has(id));
      return {
        passages: there.map((key) => ({ key, text: `estuary ${key[0]}` })),
        vectors: there.map((key) => ({ key: ['knowledge', ...key], embedding: documents.get(key[0])!.vector })),
      };
    },
  };
  const query = async (name: string, params: never) => answers[name]!(params);
  return { db: { engine: { kind: 'embedded' }, query } as never, reads };
}

const directories: string[] = [];
const sessions: Session[] = [];

function newDirectory(): string {
  const directory = join(mkdtempSync(join(tmpdir(), 'acervo-session-')), 'warm-index');
  directories.push(directory);
  return directory;
}

function open(
  documents: Map<string, Stored>,
  { maxMemoryBytes, directory = newDirectory() }: { maxMemoryBytes?: number; directory?: string } = {},
) {
  const gauges: Record<string, number> = {};
  const gauge = (name: string) => ({
    set: (...given: unknown[]) => {
      gauges[name] = Number(given.at(-1));
    },
  });
  const { db, reads } = fakeDatabase(documents);
  const session = new Session({
    db,
    identity: { database: 'test', space: 'test', language: 'english' },
    dimensions: DIMENSIONS,
    directory,
    maxMemoryBytes,
    faultPoint: undefined,
    metrics: new Proxy({}, { get: (_, name: string) => gauge(name) }) as never,
    log: new Proxy({}, { get: () => () => {} }) as never,
  });
  sessions.push(session);
  const ended = session.run();
  ended.catch(() => undefined);
  return { session, ended, directory, reads, gauges };
}

const numbered = (count: number): Map<string, Stored> =>
  new Map(
    Array.from({ length: count }, (_, n) => [
      `d${n}`,
      {
        revision: 1,
        vector: Array.from({ length: DIMENSIONS }, (_, d) => Math.sin(1e4 * Math.sin(1 + DIMENSIONS * n + d))),
      },
    ]),
  );

async function until(condition: () => boolean): Promise<void> {
  for (let waited = 0; !condition(); waited += 1) {
    if (waited > 5_000) throw new Error('waited in vain');
    await sleep(10);
  }
}

async function foundBy(session: Session): Promise<string[]> {
  const legs = await session.search({
    ...{ of: 'document', words: ['estuary'], match: 'any', require: [], depth: 10_000 },
    ...{ vector: undefined, filter: undefined, minScore: undefined },
  });
  return legs!.text!.documents.map(({ id }: { id: string }) => id).sort();
}

/** The nearest document, its cosine, and how it was found where that was not by comparing all. */
async function nearestTo(session: Session, vector: number[]): Promise<unknown[]> {
  const length = Math.hypot(...vector);
  const legs = await session.search({
    ...{ of: 'document', words: undefined, match: 'any', require: [], depth: 1 },
    ...{ vector: Float32Array.from(vector, (x) => x / length), filter: undefined, minScore: undefined },
  });
  const { documents, method } = legs!.vector!;
  const nearest = documents[0]!;
  return [nearest.id, Math.round(nearest.score * 1000) / 1000, ...(method === 'scan' ? [] : [method])];
}

describe('a session of the warm index', () => {
  afterEach(async () => {
    for (const session of sessions.splice(0)) await session.close();
    for (const directory of directories.splice(0)) rmSync(join(directory, '..'), { recursive: true, force: true });
  });

  it('ends when a document cannot be taken in while it is built, and leaves no snapshot', async () => {
    const documents = numbered(4);
    documents.get('d1')!.vector.fill(0);
    const { session, ended, directory } = open(documents);
    await expect(ended).rejects.toThrow('no direction');
    expect([session.answers, session.report().state]).toEqual([false, 'failed']);
    await session.close();
    expect(readdirSync(join(directory, '..'))).toEqual([]);
  });

  it('uses its files no more when it has ended: the next one uses the same', async () => {
    const documents = numbered(3_000);
    const { session } = open(documents);
    await until(() => session.answers);
    const bounded = open(documents, { maxMemoryBytes: session.report().memory_bytes! - 200_000 });
    await until(() => bounded.session.answers);
    expect(bounded.session.report().disk_bytes).toBeGreaterThan(300_000);
    const working = join(bounded.directory, 'working');
    expect(readdirSync(working)).toEqual(['document-vectors']);
    documents.get('d1')!.vector.fill(0);
    // Much is to be done before the thread comes to its end.
    const stale = [...documents.keys()].map((id) => ({ of: 'document' as const, id }));
    for (const stored of documents.values()) stored.revision += 1;
    await bounded.session.refresh(stale).catch(() => undefined);
    await expect(bounded.ended).rejects.toThrow('no direction');
    expect(readdirSync(working)).toEqual([]);
  });

  it('leaves behind what is dead before it declines or moves anything', async () => {
    const documents = numbered(3_000);
    const { session } = open(documents);
    await until(() => session.answers);
    const bytes = session.report().memory_bytes!;
    const bounded = open(documents, { maxMemoryBytes: Math.round(1.6 * bytes) });
    await until(() => bounded.session.answers);
    for (let revision = 2; revision <= 4; revision += 1) {
      for (const stored of documents.values()) stored.revision = revision;
      const stale = [...documents.keys()].map((id) => ({ of: 'document' as const, id }));
      await bounded.session.refresh(stale);
      // It is looked at every 2 s.
      await until(() => bounded.session.report().memory_bytes! <= 1.6 * bytes);
      await sleep(2_500);
    }
    expect(bounded.session.report()).toMatchObject({ state: 'ready', disk_bytes: 0, vectors: 3_000 });
    expect(await foundBy(bounded.session)).toEqual([...documents.keys()].sort());
  });

  it('moves its vectors to disk when it grows beyond its memory, and finds what it found', async () => {
    const more = numbered(1_600);
    const { session } = open(more);
    await until(() => session.answers);
    const documents = numbered(1_000);
    const bounded = open(documents, { maxMemoryBytes: session.report().memory_bytes! - 50_000 });
    await until(() => bounded.session.answers);
    expect(bounded.session.report()).toMatchObject({ vectors: 1_000, disk_bytes: 0 });
    for (const [id, stored] of more) documents.set(id, stored);
    await bounded.session.refresh([...more.keys()].map((id) => ({ of: 'document', id })));
    await until(() => bounded.session.report().disk_bytes! > 0);
    expect(bounded.session.report()).toMatchObject({
      state: 'ready',
      vectors: 1_600,
      disk_bytes: 1_600 * DIMENSIONS * 2,
    });
    expect(await foundBy(bounded.session)).toEqual([...more.keys()].sort());
    for (const id of ['d3', 'd1599']) expect(await nearestTo(bounded.session, more.get(id)!.vector)).toEqual([id, 1]);
  });

  it('saves the graph as it grows, though nothing changes any more', async () => {
    const documents = numbered(10_200);
    const directory = newDirectory();
    const next = async () => {
      const opened = open(documents, { directory });
      // Without a row in the log there is no place for a snapshot to begin from.
      opened.reads.log = [{ id: LOG, resource: 'session:s' }];
      await until(() => opened.session.answers);
      return opened;
    };
    const built = await next();
    await built.session.close();
    const restored = await next();
    expect(restored.session.report().indexed_vectors).toBeLessThan(10_200);
    await until(() => restored.session.report().indexed_vectors === 10_200);
    await restored.session.close();
    const { session, reads } = await next();
    expect(session.report()).toMatchObject({ vectors: 10_200, indexed_vectors: 10_200 });
    expect([restored.reads.rows, reads.rows]).toEqual([0, 0]);
    for (const id of ['d3', 'd10199'])
      expect(await nearestTo(session, documents.get(id)!.vector)).toEqual([id, 1, 'index']);
  });

  it('reads once what it is told of with the rows of the log', async () => {
    const documents = numbered(3);
    const { session, reads } = open(documents);
    await until(() => session.answers);
    const before = reads.rows;
    reads.log = [...documents.keys()].map((id, n) => ({
      id: [new Date().toISOString(), `11111111-1111-7111-8111-11111111111${n}`],
      resource: `knowledge:${id}`,
    }));
    const stale = [...documents.keys()].map((id) => ({ of: 'document' as const, id }));
    const rows = reads.log.map(({ id }) => id.join('_'));
    await session.refresh(stale, rows.slice(0, 2));
    await session.catchUp();
    expect(reads.rows - before).toBe(3 + 1);
    expect(rows.every((row) => session.has(row))).toBe(true);
  });

  it('does not answer while a document changes faster than it can be read', async () => {
    const documents = numbered(3);
    const { session, reads } = open(documents);
    await until(() => session.answers);
    reads.gone = true;
    await expect(session.refresh([{ of: 'document', id: 'd1' }], ['row'])).rejects.toThrow('faster');
    expect([session.answers, session.has('row')]).toEqual([false, false]);
    reads.gone = false;
    await session.refresh([]);
    expect(session.answers).toBe(true);
    expect(await foundBy(session)).toEqual(['d0', 'd1', 'd2']);
  });

  it('tells of nothing that it holds when it has failed', async () => {
    const documents = numbered(4);
    const { session, ended, gauges } = open(documents);
    await until(() => session.answers);
    expect(gauges.warmIndexBytes).toBeGreaterThan(0);
    documents.get('d1')!.vector.fill(0);
    documents.get('d1')!.revision = 2;
    await session.refresh([{ of: 'document', id: 'd1' }]);
    await expect(ended).rejects.toThrow('no direction');
    expect(session.report()).toEqual({ state: 'failed' });
    expect(gauges).toMatchObject({ warmIndexBytes: 0, warmIndexDocuments: 0, warmIndexLag: 0 });
  });

  it('does not answer while a change that it was told of could not be read', async () => {
    const { session, reads } = open(numbered(3));
    await until(() => session.answers);
    reads.fail = new Error('away');
    await expect(session.refresh([{ of: 'document', id: 'd1' }])).rejects.toThrow('away');
    expect(session.answers).toBe(false);
    reads.fail = undefined;
    await session.refresh([]);
    expect(session.answers).toBe(true);
  });
});
