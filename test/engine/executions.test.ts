import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemContext } from '../../src/artifacts/system.js';
import type { Context } from '../../src/context.js';
import { type Executed, execute } from '../../src/executions/execute.js';
import { executionSchema } from '../../src/executions/schemas.js';
import { ALL_SCOPES } from '../../src/keys/scopes.js';
import { unavailable } from './support/engine.js';
import { openRig, type Rig } from './support/reconcile.js';

const signal = new AbortController().signal;
const artifact = (name: string) => ({ name, content_type: 'text/plain', size_bytes: 3 });
const decision = { decision_type: 'action', reasoning: 'The budget is cut since revenue fell.' };
const TABLES = [
  ...['workspace_sessions', 'minio_references', 'minio_objects', 'knowledge_index', 'knowledge_contents', 'passages'],
  ...['agent_decisions', 'decision_reasonings', 'decision_passages', 'agents', 'audit_log', 'audit_values'],
  ...['decides', 'produces', 'supports', 'derived_from', 'idempotency'],
];

describe.skipIf(unavailable)('a step of an agent', () => {
  let rig: Rig;
  const run = (input: unknown, by: Partial<Context> = {}): Promise<{ executed: Executed }> => {
    const system = systemContext(rig.services, 'reconcile');
    const principal = { ...system.principal, scopes: new Set(ALL_SCOPES) };
    return execute({ ...system, principal, ...by }, executionSchema.parse(input), signal);
  };
  const rows = <Row = Record<string, unknown>>(text: string, params = {}) => rig.db.run<Row[]>({ text, params });
  /** All that is stored, table by table. */
  const everything = async () =>
    Object.fromEntries(
      await Promise.all(TABLES.map(async (table) => [table, await rows(`SELECT * FROM ${table} ORDER BY id`)])),
    );

  beforeAll(async () => {
    rig = await openRig();
  });
  afterAll(() => rig?.close());

  test('stores all its parts with the edges between them, and an audit row for each', async () => {
    const { executed } = await run({
      session: { id: 'run-1', agent_id: 'analyst', user: 'ana', state: { step: 1 } },
      artifact: { ...artifact('whole.txt'), id: 'whole' },
      knowledge: { id: 'about-whole', title: 'Budget', description: 'The budget of the first quarter.' },
      decision: { ...decision, id: 'cut', evidence: ['about-whole'] },
    });
    expect(executed.session).toMatchObject({ id: 'run-1', agent_id: 'analyst', user: 'ana', state: { step: 1 } });
    expect(executed.artifact).toMatchObject({
      id: 'whole',
      status: 'reserved',
      agent_id: 'analyst',
      session_id: 'run-1',
    });
    expect(executed.artifact?.upload).toMatchObject({ method: 'PUT', url: expect.any(String) });
    expect(executed.knowledge).toMatchObject({ id: 'about-whole', status: 'created', revision: 1 });
    expect(executed.decision).toMatchObject({ id: 'cut', status: 'created' });

    const stored = await everything();
    const ids = (table: string) => stored[table].map(({ id }: { id: unknown }) => id);
    expect(ids('produces')).toEqual([
      ['decision', 'cut', 'whole'],
      ['session', 'run-1', 'whole'],
    ]);
    expect(ids('derived_from')).toEqual([['about-whole', 'whole']]);
    expect(ids('supports')).toEqual([['about-whole', 'cut']]);
    expect(ids('decides')).toEqual([
      ['analyst', 'cut'],
      ['session', 'run-1', 'cut'],
    ]);
    expect(stored.knowledge_index[0]).toMatchObject({
      artifact_id: 'whole',
      agent_id: 'analyst',
      minio_ref: { bucket: 'agents-artifacts', name: 'whole.txt', size_bytes: 3 },
    });
    expect(stored.agent_decisions[0]).toMatchObject({ session_id: 'run-1', agent_id: 'analyst' });
    expect(stored.idempotency).toHaveLength(1);
  });

  test('leaves audit rows that go with their values', async () => {
    const log = await rows<{ id: [string, string]; resource: string; action: string; new_digest: string }>(
      'SELECT * FROM audit_log ORDER BY id',
    );
    expect(log.map(({ resource, action }) => [resource, action])).toEqual([
      ['artifact:whole', 'CREATE'],
      ['session:run-1', 'CREATE'],
      ['knowledge:about-whole', 'CREATE'],
      ['decision:cut', 'CREATE'],
    ]);
    expect(log).toEqual(log.map((row) => ({ ...row, agent_id: 'analyst', status: 'SUCCESS', revision: 1 })));
    const values = await rows<{ id: [string, string]; salt: string; columns: Record<string, unknown> }>(
      'SELECT * FROM audit_values ORDER BY id',
    );
    expect(values.map(({ id }) => id)).toEqual(log.map(({ id }) => id));
    expect(values.map(({ columns }) => columns)).toMatchObject([
      { name: 'whole.txt', session_id: 'run-1' },
      { user: 'ana', status: 'active' },
      { title: 'Budget', artifact_id: 'whole' },
      { decision_type: 'action' },
    ]);
    const { fingerprint } = (await rows<{ fingerprint: string }>('SELECT fingerprint FROM knowledge_index'))[0]!;
    const salted = createHash('sha256').update(values[2]!.salt).update(fingerprint).digest('hex');
    expect(log[2]!.new_digest).toBe(salted);
  });

  test.each<[string, string, Record<string, object>]>([
    ['illegal state of the session', 'session:illegal_transition', { session: { id: 'done', status: 'active' } }],
    ['session of another user', 'session:id_unavailable', { session: { id: 'run-1', user: 'bob' } }],
    ['state that is too large', 'session:state_too_large', { session: { id: 'n', state: { x: 'x'.repeat(300_000) } } }],
    ['bucket that is not there', 'artifact:bucket_not_found', { artifact: { ...artifact('b'), bucket: 'nowhere' } }],
    ['artifact id that is taken', 'artifact:id_unavailable', { artifact: { ...artifact('c'), id: 'whole' } }],
    ['object key that is taken', 'artifact:key_taken', { artifact: artifact('whole.txt') }],
    ['metadata too deep', 'knowledge:metadata_too_large', { knowledge: { content: 'x', metadata: { x: deep(12) } } }],
    ['vector of a wrong length', 'vector:wrong_dimensions', { knowledge: { content: 'x', vector: [1] } }],
    ['decision id that is taken', 'decision:id_unavailable', { decision: { ...decision, id: 'cut' } }],
    ['evidence that is not there', 'knowledge:not_found', { decision: { ...decision, evidence: ['nothing'] } }],
  ])('with an %s stores nothing', async (_, code, fault) => {
    const ended = { id: 'done', agent_id: 'analyst' };
    if ((await rows(`SELECT * FROM workspace_sessions WHERE id = workspace_sessions:done`)).length === 0) {
      await run({ session: ended });
      await run({ session: { id: 'done', status: 'completed' } });
    }
    const before = await everything();
    const whole = {
      session: { id: 'refused', agent_id: 'analyst', state: { step: 2 } },
      artifact: { ...artifact('refused.txt'), id: 'refused' },
      knowledge: { id: 'refused', content: 'Nobody will read this.' },
      decision: { ...decision, id: 'refused' },
    };
    const input = { ...whole, ...fault, session: { ...whole.session, ...(fault.session ?? {}) } };
    await expect(run(input)).rejects.toMatchObject({ code });
    expect(await everything()).toEqual(before);
  });

  test('by a key that lacks the scope of a part stores nothing', async () => {
    const system = systemContext(rig.services, 'reconcile');
    for (const scope of ['artifacts:write', 'knowledge:write', 'decisions:write'] as const) {
      const principal = { ...system.principal, scopes: new Set(ALL_SCOPES.filter((one) => one !== scope)) };
      const before = await everything();
      const whole = { session: {}, artifact: artifact('scope.txt'), knowledge: { content: 'x' }, decision };
      const refused = run(whole, { principal });
      await expect(refused).rejects.toMatchObject({
        code: 'auth:scope_missing',
        detail: expect.stringContaining(scope),
      });
      expect(await everything()).toEqual(before);
    }
  });

  test('by a bound key belongs to its agent, and cannot touch the session of another', async () => {
    const system = systemContext(rig.services, 'reconcile');
    const principal = { ...system.principal, scopes: new Set(ALL_SCOPES), agent_id: 'writer' };
    const { executed } = await run(
      { session: {}, artifact: artifact('own.txt'), knowledge: { content: 'x' } },
      { principal },
    );
    expect(executed).toMatchObject({ session: { agent_id: 'writer' }, artifact: { agent_id: 'writer' } });
    const before = await everything();
    const others = run({ session: { id: 'run-1', state: { stolen: true } } }, { principal });
    await expect(others).rejects.toMatchObject({ code: 'session:id_unavailable' });
    const named = run({ session: { agent_id: 'analyst' } }, { principal });
    await expect(named).rejects.toMatchObject({ code: 'auth:agent_mismatch' });
    expect(await everything()).toEqual(before);
  });

  test('beside others of the same new session loses nothing', async () => {
    const steps = Array.from({ length: 12 }, (_, index) => index);
    await Promise.all(
      steps.map((index) =>
        run({
          session: { id: 'shared', state: { [`step_${index}`]: index } },
          artifact: artifact(`shared-${index}.txt`),
          knowledge: { content: `Step ${index}.` },
        }),
      ),
    );
    const [session] = await rows('SELECT state, revision FROM workspace_sessions:shared');
    expect(session).toEqual({
      state: Object.fromEntries(steps.map((index) => [`step_${index}`, index])),
      revision: steps.length,
    });
    expect(await rows(`SELECT VALUE out FROM produces WHERE in = workspace_sessions:shared`)).toHaveLength(
      steps.length,
    );
  });
});

function deep(levels: number): unknown {
  return levels === 0 ? 1 : { x: deep(levels - 1) };
}
