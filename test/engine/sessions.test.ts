import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemContext } from '../../src/artifacts/system.js';
import type { Context } from '../../src/context.js';
import { attachArtifacts, detachArtifact, listSessionArtifacts } from '../../src/sessions/artifacts.js';
import { createSession } from '../../src/sessions/create.js';
import { deleteSession } from '../../src/sessions/delete.js';
import { abandonIdle } from '../../src/sessions/idle.js';
import { listSessions } from '../../src/sessions/list.js';
import { patchSession } from '../../src/sessions/patch.js';
import { readSession } from '../../src/sessions/row.js';
import { searchSessionsSchema } from '../../src/sessions/schemas.js';
import { searchSessions } from '../../src/sessions/search.js';
import { putVectors } from '../../src/sessions/vectors.js';
import { type Engine, openEngine, unavailable } from './support/engine.js';
import { openRig, type Rig } from './support/reconcile.js';

const signal = new AbortController().signal;
const DAY = 86_400;

interface AuditRow {
  action: string;
  status: string;
  revision: number;
  key_id: string;
  old_digest?: string;
  new_digest?: string;
}

describe.skipIf(unavailable)('sessions', () => {
  let rig: Rig;
  let ctx: () => Context;
  beforeAll(async () => {
    rig = await openRig();
    ctx = () => systemContext(rig.services, 'sessions');
  });
  afterAll(() => rig?.close());

  const begin = async (input: Parameters<typeof createSession>[1] = {}) =>
    (await createSession(ctx(), { id: randomUUID(), ...input })).session;
  const run = <Result>(text: string, params: Record<string, unknown> = {}) => rig.db.run<Result>({ text, params });
  const auditOf = (id: string) =>
    run<AuditRow[]>('SELECT * FROM audit_log WHERE resource = $resource ORDER BY id', { resource: `session:${id}` });
  const vectorsOf = (id: string) =>
    run<[string, number, string][]>('SELECT VALUE record::id(id) FROM session_vectors_test_4:[$id, NONE]..[$id, ..]', {
      id,
    });
  const edgesOf = (id: string) =>
    run<string[]>('SELECT VALUE record::id(out) FROM produces WHERE in = type::record("workspace_sessions", $id)', {
      id,
    });
  /** Pointers without bytes, past the product's verbs. */
  const pointers = async (count: number, agent_id?: string) => {
    const ids = Array.from({ length: count }, () => randomUUID()).sort();
    await run(
      `INSERT INTO minio_references $ids.map(|$id| {
        id: $id, bucket: 'b', key: $id, name: 'n', metadata: {}, status: 'stored', content_type: 'text/plain',
        size_bytes: 1, checksum: 'verified', version_count: 1, legal_hold: false, agent_id: $agent_id,
        created_at: time::now(), updated_at: time::now(), revision: 1, state_digest: ''
      }) RETURN NONE`,
      { ids, agent_id },
    );
    return ids;
  };

  it('16 patches of one session at once all come through, each with an audit row', async () => {
    const { id } = await begin({ state: { counted: {} } });
    const keys = Array.from({ length: 16 }, (_, n) => `k${n}`);
    const done = await Promise.all(keys.map((key, n) => patchSession(ctx(), id, { state: { counted: { [key]: n } } })));
    const { state, revision } = await readSession(ctx(), id);
    expect(state).toEqual({ counted: Object.fromEntries(keys.map((key, n) => [key, n])) });
    expect(revision).toBe(17);
    expect(done.map(({ session }) => session.revision).sort((a, b) => a - b)).toEqual(keys.map((_, n) => n + 2));
    // What each was answered is what it wrote, not what others wrote after it.
    for (const [n, { session }] of done.entries()) {
      expect(Object.keys(session.state.counted as object)).toHaveLength(session.revision - 1);
      expect(session.state.counted).toHaveProperty(`k${n}`, n);
    }
    const rows = await auditOf(id);
    expect(rows.map((row) => row.revision).sort((a, b) => a - b)).toEqual(Array.from({ length: 17 }, (_, n) => n + 1));
    const byRevision = new Map(rows.map((row) => [row.revision, row]));
    for (let n = 2; n <= 17; n += 1) expect(byRevision.get(n)?.old_digest).toBe(byRevision.get(n - 1)?.new_digest);
  });

  it('of two that complete and fail it at once, one does; the other is told', async () => {
    for (let round = 0; round < 5; round += 1) {
      const { id } = await begin();
      const ends = await Promise.allSettled([
        patchSession(ctx(), id, { status: 'completed', state: { by: 'one' } }),
        patchSession(ctx(), id, { status: 'failed', state: { by: 'two' } }),
      ]);
      const refused = ends.filter((end) => end.status === 'rejected');
      expect(refused).toHaveLength(1);
      expect(refused[0]!.reason).toMatchObject({ code: 'session:illegal_transition' });
      const { status, state, ended_at } = await readSession(ctx(), id);
      expect([status, state.by]).toEqual(ends[0]!.status === 'fulfilled' ? ['completed', 'one'] : ['failed', 'two']);
      expect(ended_at).toMatch(/^\d{4}-/);
    }
  });

  it('keeps a state of 256 KB and 32 levels as it was', async () => {
    const nested = (levels: number): Record<string, unknown> =>
      levels <= 0
        ? {}
        : levels % 3 === 0
          ? { '': [nested(levels - 2)] }
          : { 'key with "quotes" and ü': nested(levels - 1) };
    const state = {
      deep: nested(30),
      text: '𝄞'.repeat(60_000),
      list: [1, -0.5, null, true, 'x', { a: [] }, []],
      'dotted.key': { $gt: 1 },
    };
    const { id } = await begin({ state });
    expect((await readSession(ctx(), id)).state).toEqual(state);
  });

  it('goes on counting under the id of a deleted session', async () => {
    const { id } = await begin();
    await patchSession(ctx(), id, { state: { a: 1 } });
    await deleteSession(ctx(), id);
    await expect(readSession(ctx(), id)).rejects.toMatchObject({ code: 'session:not_found' });
    const again = await createSession(ctx(), { id });
    expect(again.session).toMatchObject({ revision: 4, status: 'active', state: {} });
    expect((await auditOf(id)).map(({ action, revision }) => [action, revision])).toEqual([
      ['CREATE', 1],
      ['UPDATE', 2],
      ['DELETE', 3],
      ['CREATE', 4],
    ]);
    // A change decided before the delete does not fit the new one.
    await expect(patchSession(ctx(), id, { state: { b: 1 } }, 2)).rejects.toMatchObject({ code: 'revision:mismatch' });
    await expect(createSession(ctx(), { id })).rejects.toMatchObject({ code: 'session:id_unavailable' });
  });

  describe('artifacts', () => {
    it('are attached once, listed in pages, and taken away', async () => {
      const ids = await pointers(7);
      const { id } = await begin();
      const first = await attachArtifacts(ctx(), id, [...ids, ids[0]!]);
      expect(first.session.revision).toBe(2);
      const again = await attachArtifacts(ctx(), id, ids.slice(0, 3));
      expect([again.audit_id, again.session.revision]).toEqual([undefined, 2]);
      expect((await edgesOf(id)).sort()).toEqual(ids);

      const seen: string[] = [];
      let cursor: string | undefined;
      do {
        const page = await listSessionArtifacts(ctx(), id, { limit: 3, cursor });
        seen.push(...page.artifacts.map((artifact) => String(artifact.id)));
        cursor = page.cursor;
      } while (cursor !== undefined);
      expect(seen).toEqual(ids);

      await detachArtifact(ctx(), id, ids[2]!);
      expect((await edgesOf(id)).sort()).toEqual(ids.filter((one) => one !== ids[2]));
      await expect(detachArtifact(ctx(), id, ids[2]!)).rejects.toMatchObject({ code: 'artifact:not_found' });
      expect((await auditOf(id)).map(({ revision }) => revision)).toEqual([1, 2, 3]);
    });

    it('all or none: one that is not there leaves the session as it was', async () => {
      const [there] = await pointers(1);
      const { id } = await begin();
      await expect(attachArtifacts(ctx(), id, [there!, 'nowhere'])).rejects.toMatchObject({
        code: 'artifact:not_found',
        detail: 'There is no artifact nowhere.',
      });
      expect(await edgesOf(id)).toEqual([]);
      expect((await readSession(ctx(), id)).revision).toBe(1);
    });

    it('no edge outlives a session that is deleted beside its making', async () => {
      for (let round = 0; round < 8; round += 1) {
        const ids = await pointers(3);
        const { id } = await begin();
        const [attached, , removed] = await Promise.allSettled([
          attachArtifacts(ctx(), id, ids),
          putVectors(ctx(), id, [{ name: 'a', vector: [1, 0, 0, 0] }], { signal }),
          deleteSession(ctx(), id),
        ]);
        expect(removed.status).toBe('fulfilled');
        if (attached.status === 'rejected') expect(attached.reason).toMatchObject({ code: 'session:not_found' });
        expect([await edgesOf(id), await vectorsOf(id)]).toEqual([[], []]);
      }
    });
  });

  describe('vectors', () => {
    const search = (input: Record<string, unknown>, as: Context = ctx()) =>
      searchSessions(as, searchSessionsSchema.parse(input), signal);
    const tagged = (tag: string) => ({ filter: { 'metadata.tag': tag } });

    it('are replaced whole, and go with the session', async () => {
      const { id } = await begin();
      await putVectors(
        ctx(),
        id,
        [
          { name: 'goal', vector: [3, 0, 0, 4] },
          { name: 'plan', vector: [0, 2, 0, 0] },
        ],
        { signal },
      );
      expect((await vectorsOf(id)).map(([, revision, name]) => [revision, name])).toEqual([
        [2, 'goal'],
        [2, 'plan'],
      ]);
      const [stored] = await run<number[][]>(
        'SELECT VALUE embedding FROM type::record("session_vectors_test_4", $key)',
        {
          key: [id, 2, 'goal'],
        },
      );
      expect(stored).toEqual([0.6, 0, 0, 0.8]);
      // A change of anything else leaves them.
      await patchSession(ctx(), id, { state: { a: 1 } });
      expect(await vectorsOf(id)).toHaveLength(2);
      const { session } = await putVectors(ctx(), id, [{ name: 'goal', vector: [0, 0, 1, 0] }], { signal });
      expect(session).toMatchObject({ vector_names: ['goal'], embedding_space: 'test_4', revision: 4 });
      expect(await vectorsOf(id)).toEqual([[id, 4, 'goal']]);
      await deleteSession(ctx(), id);
      expect(await vectorsOf(id)).toEqual([]);
    });

    it('are told apart by name, and need one of vector and text', async () => {
      const { id } = await begin();
      const vector = [1, 0, 0, 0];
      const put = (...entries: Parameters<typeof putVectors>[2]) => putVectors(ctx(), id, entries, { signal });
      await expect(put({ name: 'a', vector }, { name: 'a', vector })).rejects.toMatchObject({
        faults: [{ path: 'vectors.1.name', message: 'stands twice' }],
      });
      await expect(put({ name: 'a' })).rejects.toMatchObject({ code: 'request:invalid' });
      await expect(put({ name: 'a', vector, text: 'b' })).rejects.toMatchObject({ code: 'request:invalid' });
      await expect(put({ name: 'a', vector: [1] })).rejects.toMatchObject({ code: 'vector:wrong_dimensions' });
      await expect(put({ name: 'a', vector: [0, 0, 0, 0] })).rejects.toMatchObject({ code: 'vector:zero' });
      await expect(put({ name: 'a', text: 'b' })).rejects.toMatchObject({ code: 'embedding:vector_required' });
      expect((await readSession(ctx(), id)).revision).toBe(1);
    });

    it('of which the best decides, find sessions as an exact comparison would', async () => {
      const tag = randomUUID();
      const at = (degrees: number) => [Math.cos((degrees * Math.PI) / 180), Math.sin((degrees * Math.PI) / 180), 0, 0];
      const made: { id: string; best: number; n: number }[] = [];
      for (let n = 0; n < 40; n += 1) {
        const { id } = await begin({ metadata: { tag, n }, agent_id: n % 2 === 0 ? 'even' : 'odd' });
        const angles = [30 + 3 * n, 150 - n, 2 * n + 1];
        await putVectors(
          ctx(),
          id,
          angles.map((angle, name) => ({ name: `v${name}`, vector: at(angle) })),
          { signal },
        );
        made.push({ id, best: Math.min(...angles), n });
      }
      const expected = (keep: (n: number) => boolean) =>
        made
          .filter(({ n }) => keep(n))
          .sort((a, b) => a.best - b.best || (a.id < b.id ? -1 : 1))
          .map(({ id }) => id);
      const found = await search({ vector: at(0), limit: 40, ...tagged(tag) });
      expect(found.map(({ id }) => id)).toEqual(expected(() => true));
      expect(found[0]).toMatchObject({ vector_name: 'v2', score: expect.closeTo(Math.cos(Math.PI / 180), 6) });
      expect(found[0]).not.toHaveProperty('state');
      // A filter that keeps few of the nearest still fills the page.
      const late = await search({
        vector: at(0),
        limit: 3,
        filter: { 'metadata.tag': tag, 'metadata.n': { $gte: 30 } },
      });
      expect(late.map(({ id }) => id)).toEqual(expected((n) => n >= 30).slice(0, 3));
      const bound = { ...ctx(), principal: { ...ctx().principal, agent_id: 'odd' } };
      const own = await search({ vector: at(0), limit: 5, ...tagged(tag) }, bound);
      expect(own.map(({ id }) => id)).toEqual(expected((n) => n % 2 === 1).slice(0, 5));
    });

    it('fill the page from the index, and where that falls short from a scan', async () => {
      const tag = randomUUID();
      const ids = Array.from({ length: 1200 }, (_, n) => `${tag}-${String(n).padStart(4, '0')}`);
      const angleOf = (n: number) => ((n + 1) * Math.PI) / 2600;
      const rows = ids.map((id, n) => ({
        ...{ id, status: 'active', state: {}, metadata: { tag, far: n >= 600 }, vector_names: ['v'] },
        ...{ vectors_revision: 1, revision: 1, state_digest: '' },
        embedding: [0, 0, Math.cos(angleOf(n)), Math.sin(angleOf(n))],
      }));
      for (let at = 0; at < rows.length; at += 300)
        await run(
          `FOR $row IN $rows {
            LET $made = object::extend($row, { created_at: time::now(), updated_at: time::now(), last_active_at: time::now() });
            CREATE type::record('workspace_sessions', $row.id) CONTENT object::remove($made, 'embedding') RETURN NONE;
            CREATE type::record('session_vectors_test_4', [$row.id, 1, 'v']) SET
              session = type::record('workspace_sessions', $row.id), embedding = $row.embedding RETURN NONE;
          }`,
          { rows: rows.slice(at, at + 300) },
        );
      const vector = [0, 0, 1, 0];
      const near = await search({ vector, limit: 5, filter: { 'metadata.tag': tag, 'metadata.far': false } });
      expect(near.map(({ id }) => id)).toEqual(ids.slice(0, 5));
      const far = await search({ vector, limit: 5, filter: { 'metadata.tag': tag, 'metadata.far': true } });
      expect(far.map(({ id }) => id)).toEqual(ids.slice(600, 605));
    });
  });

  it('are listed by what is said of them and what is in them', async () => {
    const user = randomUUID();
    const ids = ['a', 'b', 'c', 'd'].map((letter) => `${letter}-${user}`);
    for (const [n, id] of ids.entries())
      await begin({ id, user, agent_id: `agent-${n % 2}`, state: { n, deep: { list: [n] } } });
    await patchSession(ctx(), ids[1]!, { status: 'completed' });
    const list = async (input: Partial<Parameters<typeof listSessions>[1]>) =>
      (await listSessions(ctx(), { user, order: 'asc', limit: 10, ...input })).sessions.map(({ id }) => id[0]).join('');
    expect(await list({})).toBe('abcd');
    expect(await list({ order: 'desc' })).toBe('dcba');
    expect(await list({ agent_id: 'agent-1' })).toBe('bd');
    expect(await list({ status: 'active' })).toBe('acd');
    expect(await list({ filter: '{"state.n": {"$gt": 1}}' })).toBe('cd');
    expect(await list({ filter: '{"state.deep.list": {"$contains": 0}}' })).toBe('a');
    expect(await list({ filter: '{"ended_at": {"$exists": true}}' })).toBe('b');
    expect(await list({ filter: '{"created_at": {"$gte": "2100-01-01T00:00:00Z"}}' })).toBe('');
    expect(await list({ filter: '{"$or": [{"user": "nobody"}, {"id": {"$in": ["x"]}}]}' })).toBe('');
    await expect(list({ filter: '{"state": 1}' })).rejects.toMatchObject({ code: 'filter:unknown_path' });
    const first = await listSessions(ctx(), { user, order: 'asc', limit: 3 });
    expect(first.sessions[0]).not.toHaveProperty('state');
    const rest = await listSessions(ctx(), { user, order: 'asc', limit: 3, cursor: first.cursor });
    expect([...first.sessions, ...rest.sessions].map(({ id }) => id)).toEqual(ids);
    expect(rest.cursor).toBeUndefined();
  });
});

describe.skipIf(unavailable)('sessions of two nodes', () => {
  let engine: Engine;
  let rig: Rig;
  const clockAhead = (seconds: number) =>
    engine.db.run({ text: `DEFINE FUNCTION OVERWRITE fn::clock() { RETURN time::now() + ${seconds}s }`, params: {} });
  const services = () => ({ ...rig.services, db: engine.db, control: engine.control });
  const ctx = () => systemContext(services(), 'sessions');
  beforeAll(async () => {
    engine = await openEngine();
    rig = await openRig();
  });
  afterAll(() => rig?.close());

  it('are abandoned when their time is over, page after page, each with an audit row; no others', async () => {
    const many = Array.from({ length: 230 }, (_, n) => `s${n}`);
    await Promise.all(many.map((id) => createSession(ctx(), { id })));
    for (const id of ['s3', 's5']) await patchSession(ctx(), id, { status: 'paused' });
    await patchSession(ctx(), 's4', { status: 'completed' });
    expect(await abandonIdle(services(), 'me', DAY)).toBe(0);

    await clockAhead(DAY - 600);
    expect(await abandonIdle(services(), 'me', DAY)).toBe(0);
    // While another node holds the lease, nothing happens here.
    await clockAhead(DAY + 600);
    const lease = { name: 'sessions-idle', ttl_ms: 60_000 };
    await engine.control.query('leases/acquire', { ...lease, holder: 'other' });
    expect(await abandonIdle(services(), 'me', DAY)).toBe(0);
    await engine.control.query('leases/release', { ...lease, holder: 'other' });

    const two = { ...services(), db: await engine.node() };
    const counts = await Promise.all([abandonIdle(services(), 'me', DAY), abandonIdle(two, 'you', DAY)]);
    expect(counts[0]! + counts[1]!).toBe(229);
    expect(await abandonIdle(services(), 'me', DAY)).toBe(0);
    const rows = await engine.db.run<
      { id: string; status: string; revision: number; last_active_at: string; updated_at: string; ended_at: string }[]
    >({
      text: 'SELECT * OMIT state FROM workspace_sessions',
      params: {},
    });
    expect(rows.filter(({ status }) => status !== 'abandoned').map(({ id }) => id)).toEqual(['s4']);
    for (const { id, status, revision, last_active_at, updated_at, ended_at } of rows) {
      expect(revision).toBe(['s3', 's5'].includes(id) ? 3 : 2);
      expect(ended_at).toBe(updated_at);
      // To be abandoned is no sign of life.
      if (status === 'abandoned') expect(last_active_at < updated_at).toBe(true);
    }
    const audit = await engine.db.run<{ resource: string; agent_id?: string }[]>({
      text: `SELECT resource FROM audit_log WHERE key_id = 'system:sessions' AND action = 'UPDATE' AND revision = 2`,
      params: {},
    });
    expect(new Set(audit.map(({ resource }) => resource)).size).toBe(230);
    await expect(patchSession(ctx(), 's0', { status: 'active' })).rejects.toMatchObject({
      code: 'session:illegal_transition',
    });
  });

  it('lose no patch of either', async () => {
    await clockAhead(0);
    await createSession(ctx(), { id: 'shared' });
    const nodes = [services(), { ...services(), db: await engine.node() }];
    const numbers = Array.from({ length: 16 }, (_, n) => n);
    await Promise.all(
      numbers.map((n) =>
        patchSession(systemContext(nodes[n % 2]!, 'sessions'), 'shared', { state: { list: { [`n${n}`]: n } } }),
      ),
    );
    const { state, revision } = await readSession(ctx(), 'shared');
    expect(state).toEqual({ list: Object.fromEntries(numbers.map((n) => [`n${n}`, n])) });
    expect(revision).toBe(17);
  });

  it('in which something was made live on, with the revision that they had; finished ones stay as they were', async () => {
    await clockAhead(0);
    const made = (id: string) => engine.db.run({ text: 'fn::made_in_session($id, NONE)', params: { id } });
    for (const id of ['productive', 'done']) await createSession(ctx(), { id });
    await patchSession(ctx(), 'done', { status: 'completed' });
    const done = await readSession(ctx(), 'done');
    const begun = await readSession(ctx(), 'productive');
    await clockAhead(DAY - 600);
    for (const id of ['productive', 'done']) await made(id);
    await clockAhead(DAY + 600);
    await abandonIdle(services(), 'me', DAY);
    const after = await readSession(ctx(), 'productive');
    expect(after).toMatchObject({ status: 'active', revision: 1, updated_at: begun.updated_at });
    expect(Date.parse(after.last_active_at)).toBeGreaterThanOrEqual(
      Date.parse(begun.last_active_at) + (DAY - 600) * 1000,
    );
    const { last_active_at, updated_at } = await readSession(ctx(), 'done');
    expect({ last_active_at, updated_at }).toEqual({
      last_active_at: done.last_active_at,
      updated_at: done.updated_at,
    });
    await clockAhead(3 * DAY);
    await abandonIdle(services(), 'me', DAY);
    expect((await readSession(ctx(), 'productive')).status).toBe('abandoned');
  });

  it('that come to life after they were found idle live on', async () => {
    await clockAhead(0);
    await createSession(ctx(), { id: 'waking' });
    await createSession(ctx(), { id: 'leaving' });
    await createSession(ctx(), { id: 'making' });
    await clockAhead(DAY + 600);
    let found: string[] = [];
    const db = Object.create(engine.db, {
      query: {
        value: async (name: string, params: Record<string, unknown>) => {
          const page = await engine.db.query<{ id: string }[]>(name, params);
          if (name !== 'sessions/idle' || found.length > 0) return page;
          found = page.map(({ id }) => id);
          await patchSession(ctx(), 'waking', { state: { awake: true } });
          await deleteSession(ctx(), 'leaving');
          await engine.db.run({ text: "fn::made_in_session('making', NONE)", params: {} });
          return page;
        },
      },
      transact: { value: engine.db.transact.bind(engine.db) },
    }) as Engine['db'];
    expect(await abandonIdle({ ...services(), db }, 'me', DAY)).toBe(found.length - 3);
    expect(found).toEqual(expect.arrayContaining(['waking', 'leaving', 'making']));
    expect((await readSession(ctx(), 'making')).status).toBe('active');
    expect(await readSession(ctx(), 'waking')).toMatchObject({ status: 'active', state: { awake: true }, revision: 2 });
  });

  it('that come to life while they are being abandoned live, or are abandoned whole', async () => {
    await clockAhead(0);
    const ids = Array.from({ length: 20 }, (_, n) => `l${n}`);
    await Promise.all(ids.map((id) => createSession(ctx(), { id })));
    await clockAhead(DAY + 600);
    const [, ...patches] = await Promise.all([
      abandonIdle(services(), 'me', DAY),
      ...ids.map((id) =>
        patchSession(ctx(), id, { state: { alive: true } }).then(
          () => true,
          (error: { code: string }) => error.code,
        ),
      ),
    ]);
    for (const [n, outcome] of patches.entries()) {
      const { state, status } = await readSession(ctx(), ids[n]!);
      if (outcome === true) expect([status, state]).toEqual(['active', { alive: true }]);
      else expect([outcome, status, state]).toEqual(['session:finished', 'abandoned', {}]);
    }
  });
});
