import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { deleteArtifact } from '../../src/artifacts/delete.js';
import { patchArtifact } from '../../src/artifacts/patch.js';
import { reserveArtifact } from '../../src/artifacts/reserve.js';
import { readArtifact } from '../../src/artifacts/row.js';
import { type ReserveInput, reserveSchema } from '../../src/artifacts/schemas.js';
import { systemContext } from '../../src/artifacts/system.js';
import type { Context } from '../../src/context.js';
import { createDecision } from '../../src/decisions/create.js';
import { createDecisionSchema } from '../../src/decisions/schemas.js';
import { ALL_SCOPES } from '../../src/keys/scopes.js';
import { lineageOf } from '../../src/lineage/lineage.js';
import { listSessionArtifacts } from '../../src/sessions/artifacts.js';
import { createSession } from '../../src/sessions/create.js';
import { deleteSession } from '../../src/sessions/delete.js';
import { readSession } from '../../src/sessions/row.js';
import { SURQL_ROOT } from '../../src/surreal/query-files.js';
import { unavailable } from './support/engine.js';
import { openRig, type Rig } from './support/reconcile.js';

const signal = new AbortController().signal;
const vector = [1, 0, 0, 0];

describe.skipIf(unavailable)('what is done in a session', () => {
  let rig: Rig;
  beforeAll(async () => {
    rig = await openRig();
  });
  afterAll(() => rig?.close());

  /** A request of a key that may do everything, of one agent if it is bound. */
  const asked = (agent_id?: string): Context => {
    const system = systemContext(rig.services, 'reconcile');
    return { ...system, principal: { ...system.principal, scopes: new Set(ALL_SCOPES), agent_id } };
  };
  const begin = (id: string, agent_id?: string) => createSession(asked(), { id, agent_id });
  const reserve = (input: Partial<ReserveInput>, ctx = asked()) =>
    reserveArtifact(ctx, reserveSchema.parse({ name: `${input.id}.txt`, size_bytes: 3, ...input }));
  const decide = (id: string, session_id: string, ctx = asked()) => {
    const said = { id, session_id, agent_id: 'judge', decision_type: 'action', reasoning: `because of ${id}`, vector };
    return createDecision(ctx, createDecisionSchema.parse(said), signal);
  };
  const run = <Result>(text: string, params: Record<string, unknown> = {}) => rig.db.run<Result>({ text, params });
  /** Ids of edges, dangling ones too. */
  const edges = (table: 'produces' | 'decides', session: string) =>
    run<string[][]>(`SELECT VALUE record::id(id) FROM ${table}:['session', $id, NONE]..['session', $id, ..]`, {
      id: session,
    });
  const count = (table: string) => run<number>(`RETURN array::len((SELECT VALUE id FROM ${table}))`);
  const names = async (resource: string, direction: 'up' | 'down', ctx = asked()) =>
    (await lineageOf(ctx, resource, { direction, depth: 2 })).nodes.map((node) => node.resource).toSorted();

  describe('an artifact that names its session', () => {
    it('is one of its products, in the transaction that makes it', async () => {
      await begin('made-run', 'maker');
      await reserve({ id: 'made', session_id: 'made-run' });
      expect(await edges('produces', 'made-run')).toEqual([['session', 'made-run', 'made']]);
      const { artifacts } = await listSessionArtifacts(asked(), 'made-run', { limit: 10 });
      expect(artifacts.map(({ id }) => id)).toEqual(['made']);
      expect(await names('artifact:made', 'up')).toEqual(['artifact:made', 'session:made-run']);
      expect(await names('session:made-run', 'down')).toEqual(['artifact:made', 'session:made-run']);
      // Its artifact changes, the session does not: whoever holds its ETag may go on.
      expect(await readSession(asked(), 'made-run')).toMatchObject({ revision: 1 });
    });

    it('is not made when there is no such session, or none that the key may read', async () => {
      await begin('foreign-run', 'stranger');
      const before = await Promise.all(['minio_references', 'minio_objects', 'audit_log'].map(count));
      for (const [session_id, ctx] of [
        ['no-run', asked()],
        ['foreign-run', asked('maker')],
      ] as const)
        await expect(reserve({ id: 'unmade', session_id }, ctx)).rejects.toMatchObject({ code: 'session:not_found' });
      expect(await Promise.all(['minio_references', 'minio_objects', 'audit_log'].map(count))).toEqual(before);
      await expect(readArtifact(asked(), 'unmade')).rejects.toMatchObject({ code: 'artifact:not_found' });
    });

    it('moves to another session, out of all, and not to one that is not there', async () => {
      await begin('from-run');
      await begin('to-run');
      await reserve({ id: 'moving', session_id: 'from-run' });
      await patchArtifact(asked(), 'moving', { session_id: 'to-run' });
      expect([await edges('produces', 'from-run'), await edges('produces', 'to-run')]).toEqual([
        [],
        [['session', 'to-run', 'moving']],
      ]);
      await expect(patchArtifact(asked(), 'moving', { session_id: 'no-run' })).rejects.toMatchObject({
        code: 'session:not_found',
      });
      expect(await readArtifact(asked(), 'moving')).toMatchObject({ session_id: 'to-run', revision: 2 });
      await patchArtifact(asked(), 'moving', { session_id: null });
      expect(await edges('produces', 'to-run')).toEqual([]);
      expect((await readArtifact(asked(), 'moving')).session_id).toBeUndefined();
    });

    it('goes on without its session when that is deleted', async () => {
      await begin('short-run');
      await reserve({ id: 'longer', session_id: 'short-run' });
      await deleteSession(asked(), 'short-run');
      expect(await edges('produces', 'short-run')).toEqual([]);
      const { artifact } = await rig.upload('longer', 'abc');
      expect(artifact).toMatchObject({ status: 'stored', session_id: 'short-run' });
      await patchArtifact(asked(), 'longer', { metadata: { a: 1 } });
      await deleteArtifact(asked(), 'longer');
      expect(await names('artifact:longer', 'up')).toEqual(['artifact:longer']);
    });

    it('never has an edge from a session that is deleted at the same moment', async () => {
      for (let round = 0; round < 25; round += 1) {
        const id = `race-run-${round}`;
        await begin(id);
        const [made] = await Promise.allSettled([
          reserve({ id: `race-${round}`, session_id: id }),
          deleteSession(asked(), id),
        ]);
        if (made.status === 'rejected') expect(made.reason).toMatchObject({ code: 'session:not_found' });
        expect(await edges('produces', id)).toEqual([]);
      }
    });

    it('comes through when many of one session are made at once', async () => {
      await begin('busy-run');
      const ids = Array.from({ length: 16 }, (_, n) => `busy-${String(n).padStart(2, '0')}`);
      await Promise.all(ids.map((id) => reserve({ id, session_id: 'busy-run' })));
      expect((await edges('produces', 'busy-run')).map(([, , id]) => id)).toEqual(ids);
    });
  });

  describe('a decision that names its session', () => {
    it('is reached from it, and leads back to it', async () => {
      await begin('court', 'judge');
      await decide('verdict', 'court');
      expect(await edges('decides', 'court')).toEqual([['session', 'court', 'verdict']]);
      expect(await names('session:court', 'down')).toEqual(['decision:verdict', 'session:court']);
      expect(await names('decision:verdict', 'up')).toEqual(['agent:judge', 'decision:verdict', 'session:court']);
      expect(await names('decision:verdict', 'up', asked('judge'))).toContain('session:court');
    });

    it('does not show a bound key the session of another agent', async () => {
      await begin('closed-court', 'stranger');
      await decide('secret', 'closed-court');
      expect(await names('decision:secret', 'up')).toContain('session:closed-court');
      expect(await names('decision:secret', 'up', asked('judge'))).toEqual(['agent:judge', 'decision:secret']);
      expect(await names('session:closed-court', 'down', asked('stranger'))).toEqual(['session:closed-court']);
    });

    it('never has an edge from a session that is deleted, before or at the same moment', async () => {
      await begin('gone-court');
      await decide('kept', 'gone-court');
      await deleteSession(asked(), 'gone-court');
      expect(await edges('decides', 'gone-court')).toEqual([]);
      expect(await names('decision:kept', 'up')).toEqual(['agent:judge', 'decision:kept']);
      for (let round = 0; round < 25; round += 1) {
        const id = `race-court-${round}`;
        await begin(id);
        const [made] = await Promise.allSettled([decide(`race-${round}`, id), deleteSession(asked(), id)]);
        if (made.status === 'rejected') expect(made.reason).toMatchObject({ code: 'session:not_found' });
        expect(await edges('decides', id)).toEqual([]);
      }
    });
  });

  it('is linked by a migration where it was done before there were such edges', async () => {
    await begin('old-run');
    await begin('ended-run');
    for (const name of ['old', 'ended']) {
      await reserve({ id: `${name}-file`, session_id: `${name}-run` });
      await decide(`${name}-decision`, `${name}-run`);
    }
    await reserve({ id: 'loose-file' });
    await deleteSession(asked(), 'ended-run');
    await run("DELETE produces WHERE record::tb(in) = 'workspace_sessions'");
    await run("DELETE decides WHERE record::tb(in) = 'workspace_sessions'");
    const text = readFileSync(join(SURQL_ROOT, 'migrations', '0001-sessions-lead-to-their-work.surql'), 'utf8');
    // Twice: what is there already stays as it is.
    for (let times = 0; times < 2; times += 1) await run(`BEGIN; ${text} COMMIT;`);
    expect(await edges('produces', 'old-run')).toEqual([['session', 'old-run', 'old-file']]);
    expect(await edges('decides', 'old-run')).toEqual([['session', 'old-run', 'old-decision']]);
    expect([await edges('produces', 'ended-run'), await edges('decides', 'ended-run')]).toEqual([[], []]);
    expect(await names('session:old-run', 'down')).toEqual([
      'artifact:old-file',
      'decision:old-decision',
      'session:old-run',
    ]);
  });
});
