import { randomBytes, randomUUID } from 'node:crypto';
import { getEventListeners } from 'node:events';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Context } from '../../src/context.js';
import { createMetrics } from '../../src/health/metrics.js';
import { CursorSigner } from '../../src/http/cursor.js';
import type { Change } from '../../src/live/change.js';
import { readChanges } from '../../src/live/changes.js';
import type { Batch } from '../../src/live/feed.js';
import { Feed } from '../../src/live/feed.js';
import { follow } from '../../src/live/follow.js';
import { Live } from '../../src/live/live.js';
import { type Position, readPosition } from '../../src/live/position.js';
import { Tail } from '../../src/live/tail.js';
import type { Database } from '../../src/surreal/database.js';
import { waitFor } from '../support/stack-servers.js';
import { change, type Engine, openEngine, unavailable } from './support/engine.js';

const cursors = new CursorSigner({ secret: randomBytes(32), clock: () => new Date(), ttlSeconds: 600 });
const log = pino({ level: 'silent' });
const LIVE_OPTIONS = { metrics: createMetrics(), clock: () => new Date(), maxConnections: 10 };
const BEGINNING: Position = { edge: '1970-01-01T00:00:00Z', rows: 0, mark: 0 };

/** A transaction that takes its place in the log now, and commits three seconds later. */
const LATE = `
  BEGIN;
  CREATE audit_log:[time::now(), rand::uuid::v7()] SET
    timestamp = time::now(), action = 'UPDATE', status = 'SUCCESS', resource = 'knowledge:late', revision = 1 RETURN NONE;
  SLEEP 3s;
  COMMIT;`;

describe.skipIf(unavailable)('following the log', () => {
  let engine: Engine;
  let tail: Tail;
  const ends: AbortController[] = [];
  beforeEach(async () => {
    engine = await openEngine({ events: { transaction: () => tail.wake() } });
    tail = new Tail({ db: engine.db, cursors, log });
  });
  afterEach(() => {
    for (const end of ends.splice(0)) end.abort();
    tail.close();
  });

  const write = (id: string, db: Database = engine.db) =>
    db.transact({
      ...change('test/increment', id),
      operation: { id: randomUUID(), request_digest: '' },
      audit: { resource: `knowledge:${id}` },
    });

  /** Follows from a position and keeps all that it is given. */
  function following(position: Position) {
    const end = new AbortController();
    ends.push(end);
    const given: Change[] = [];
    const seen: { id: string; cursor: string }[] = [];
    const state = { live: false, cursor: '', given, seen, end: () => end.abort() };
    const joined = follow({ db: engine.db, cursors }, tail, position, {
      signal: end.signal,
      room: async () => undefined,
      take: ({ changes, before, after }: Batch) => {
        for (const [index, one] of changes.entries()) {
          given.push(one);
          seen.push({ id: one.id, cursor: index === changes.length - 1 ? after : before });
        }
        state.cursor = after;
      },
      caughtUp: (cursor) => {
        state.live = true;
        state.cursor = cursor;
      },
    });
    return { ...state, state, joined };
  }
  const now = async () => readPosition(cursors, await tail.cursor());
  const resources = (changes: readonly Change[]) => changes.map(({ resource }) => resource);

  it('gives each change once, old and new, though it joins while others write', async () => {
    for (let n = 0; n < 50; n += 1) await write(`old${n}`);
    let writing = true;
    const written: string[] = [];
    const writer = (async () => {
      for (let n = 0; writing; n += 1) {
        await write(`new${n}`);
        written.push(`knowledge:new${n}`);
      }
    })();
    const followers = Array.from({ length: 5 }, () => following(BEGINNING));
    await Promise.all(followers.map(({ joined }) => joined));
    await waitFor('some writes', async () => written.length > 50);
    writing = false;
    await writer;
    for (const { given } of followers) {
      await waitFor('all', async () => given.length >= 50 + written.length);
      expect(new Set(given.map(({ id }) => id)).size).toBe(given.length);
      expect(resources(given).slice(0, 50)).toEqual(Array.from({ length: 50 }, (_, n) => `knowledge:old${n}`));
      expect(resources(given).slice(50)).toEqual(written);
    }
  });

  it('gives a change that commits late when it comes, and all since then again to who resumes from before', async () => {
    const first = following(await now());
    await first.joined;
    const late = engine.db.run({ text: LATE, params: {} });
    await waitFor('a second of writes after it', async () => {
      await write('early');
      return first.given.length > 20;
    });
    expect(resources(first.given)).not.toContain('knowledge:late');
    const { cursor } = first.seen.at(-1) ?? { cursor: '' };
    first.end();
    await late;
    const second = following(readPosition(cursors, cursor));
    await second.joined;
    expect(resources(second.given)).toContain('knowledge:late');
    const known = new Set(first.given.map(({ id }) => id));
    const missed = second.given.filter(({ id }) => !known.has(id));
    expect(resources(missed).filter((resource) => resource === 'knowledge:late')).toHaveLength(1);
    for (const one of second.given) if (known.has(one.id)) expect(one.repeat).toBe(true);
    const third = following(await now());
    await third.joined;
    const lateAgain = engine.db.run({ text: LATE.replace('knowledge:late', 'knowledge:later'), params: {} });
    await lateAgain;
    await waitFor('the late one', async () => resources(third.given).includes('knowledge:later'));
    expect(resources(third.given)).toEqual(['knowledge:later']);
  });

  it('skips nothing when the clock jumps back 10 s, nor when it ran ahead', async () => {
    const one = following(await now());
    await one.joined;
    const expected: string[] = [];
    for (const clock of [
      'test/clock-true',
      'test/clock-offset',
      'test/clock-ahead',
      'test/clock-offset',
      'test/clock-true',
    ]) {
      await engine.db.query(clock);
      const id = `${clock.slice('test/'.length)}${expected.length}`;
      await write(id);
      expected.push(`knowledge:${id}`);
      await waitFor('the change', async () => one.given.length === expected.length);
    }
    expect(resources(one.given)).toEqual(expected);
    const again = following(readPosition(cursors, one.seen[1]?.cursor ?? ''));
    await again.joined;
    const given = new Set([...one.given.slice(0, 2), ...again.given].map(({ resource }) => resource));
    expect([...given].toSorted()).toEqual(expected.toSorted());
  });

  it('leaves nothing out whichever cursor is resumed from, and tells of other nodes', async () => {
    const other = await engine.node();
    const one = following(await now());
    await one.joined;
    await Promise.all(
      [engine.db, other, engine.db, other].map(async (db, writer) => {
        for (let n = 0; n < 15; n += 1) await write(`w${writer}-${n % 3}`, db);
      }),
    );
    await waitFor('all', async () => one.given.length === 60);
    const all = one.given.map(({ id }) => id);
    expect(new Set(all).size).toBe(60);
    for (const [index, { cursor }] of one.seen.entries()) {
      if (index % 7 !== 0) continue;
      const feed = await Feed.from(engine.db, cursors, readPosition(cursors, cursor));
      const got = new Set(all.slice(0, index + 1));
      for (let batch = await feed.next(7); batch !== undefined; batch = await feed.next(7))
        for (const { id } of batch.changes) got.add(id);
      expect(got.size).toBe(60);
    }
  });

  it('goes on where it was when the log could not be read', async () => {
    let away = false;
    const flaky: Database = Object.create(engine.db, {
      query: {
        value: async (name: string, params: Record<string, unknown>) => {
          if (away && name === 'live/columns') throw new Error('away');
          return engine.db.query(name, params);
        },
      },
    });
    const feed = await Feed.ofNow(flaky, cursors);
    await write('a');
    away = true;
    await expect(feed.next()).rejects.toThrow('away');
    await write('b');
    away = false;
    const given: string[] = [];
    for (let batch = await feed.next(); batch !== undefined; batch = await feed.next())
      given.push(...resources(batch.changes));
    expect(given).toEqual(['knowledge:a', 'knowledge:b']);
  });
});

describe.skipIf(unavailable)('a request that waits for changes', () => {
  it('leaves nothing on the signal of the node, which lives as long as the process', async () => {
    const engine = await openEngine();
    const live = new Live({ ...{ db: engine.db, control: engine.control, cursors, log }, ...LIVE_OPTIONS });
    const ctx = { db: engine.db, cursors, live, principal: { key_id: 'k', scopes: new Set() } } as unknown as Context;
    const query = { columns: false, limit: 10, wait_seconds: 0.01 };
    for (let n = 0; n < 3; n += 1) {
      const { changes } = await readChanges(ctx, query, new AbortController().signal);
      expect(changes).toEqual([]);
    }
    const { stopping } = live;
    expect(getEventListeners(stopping, 'abort')).toEqual([]);
    // What AbortSignal.any would have left.
    for (const name of Object.getOwnPropertySymbols(stopping)) {
      const held = (stopping as unknown as Record<symbol, unknown>)[name];
      if (name.description === 'kDependantSignals') expect((held as Set<unknown> | undefined)?.size ?? 0).toBe(0);
    }
    live.close();
  });
});
