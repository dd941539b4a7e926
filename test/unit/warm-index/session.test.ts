import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
// As it is built: it starts a thread from a file beside it.
import { Session } from '../../../dist/warm-index/session.js';

const LOG = ['2026-01-01T00:00:00Z', '11111111-1111-7111-8111-111111111111'];
const DIMENSIONS = 64;

interface Stored {
  revision: number;
  vector: number[];
}

/** What the index asks of a database, of documents of one passage; `rows` may be made to fail. */
function fakeDatabase(documents: Map<string, Stored>) {
  const reads = { fail: undefined as Error | undefined };
  const answers: Record<string, (params: { ids: string[]; keys: [string, number, number][] }) => unknown> = {
    'audit/head': () => ({ now: new Date().toISOString(), newest: LOG[0] }),
    'audit/ids': () => [],
    'audit/rows': () => [],
    'warm-index/anchor': () => ({ exists: true }),
    'warm-index/document-ids': () => [...documents.keys()].map((id) => ({ id })),
    'warm-index/decision-ids': () => [],
    'warm-index/document-rows': ({ ids }) => {
      if (reads.fail) throw reads.fail;
      return ids.flatMap((id) => {
        const { revision } = documents.get(id) ?? {};
        return revision === undefined
          ? []
          : [{ id, revision, content_revision: revision, passage_count: 1, columns: { id } }];
      });
    },
    'warm-index/document-slices': ({ keys }) => {
      const there = keys.filter(([id, , ordinal]) => ordinal === 0 && documents.has(id));
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

function open(documents: Map<string, Stored>, { maxMemoryBytes }: { maxMemoryBytes?: number } = {}) {
  const directory = join(mkdtempSync(join(tmpdir(), 'acervo-session-')), 'warm-index');
  directories.push(directory);
  const gauge = { set: () => {}, inc: () => {}, observe: () => {} };
  const { db, reads } = fakeDatabase(documents);
  const session = new Session({
    db,
    identity: { database: 'test', space: 'test', language: 'english' },
    dimensions: DIMENSIONS,
    directory,
    maxMemoryBytes,
    faultPoint: undefined,
    metrics: new Proxy({}, { get: () => gauge }) as never,
    log: new Proxy({}, { get: () => () => {} }) as never,
  });
  sessions.push(session);
  const ended = session.run();
  ended.catch(() => undefined);
  return { session, ended, directory, reads };
}

const numbered = (count: number): Map<string, Stored> =>
  new Map(
    Array.from({ length: count }, (_, n) => [
      `d${n}`,
      { revision: 1, vector: Array.from({ length: DIMENSIONS }, (_, d) => Math.sin(1 + n * d)) },
    ]),
  );

async function until(condition: () => boolean): Promise<void> {
  for (let waited = 0; !condition(); waited += 1) {
    if (waited > 1_000) throw new Error('waited in vain');
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
    await bounded.session.refresh(stale, undefined).catch(() => undefined);
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
      await bounded.session.refresh(stale, undefined);
      // It is looked at every 2 s.
      await until(() => bounded.session.report().memory_bytes! <= 1.6 * bytes);
      await sleep(2_500);
    }
    expect(bounded.session.report()).toMatchObject({ state: 'ready', disk_bytes: 0, vectors: 3_000 });
    expect(await foundBy(bounded.session)).toEqual([...documents.keys()].sort());
  });

  it('does not answer while a change that it was told of could not be read', async () => {
    const { session, reads } = open(numbered(3));
    await until(() => session.answers);
    reads.fail = new Error('away');
    await expect(session.refresh([{ of: 'document', id: 'd1' }], undefined)).rejects.toThrow('away');
    expect(session.answers).toBe(false);
    reads.fail = undefined;
    await session.refresh([], undefined);
    expect(session.answers).toBe(true);
  });
});
