import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemContext } from '../../src/artifacts/system.js';
import type { Context } from '../../src/context.js';
import { createDecision } from '../../src/decisions/create.js';
import { deleteDecision } from '../../src/decisions/delete.js';
import { patchDecision } from '../../src/decisions/patch.js';
import { getDecision } from '../../src/decisions/row.js';
import { type CreateDecisionInput, createDecisionSchema } from '../../src/decisions/schemas.js';
import { deleteDocument } from '../../src/knowledge/delete.js';
import { putDocument } from '../../src/knowledge/put.js';
import { unavailable } from './support/engine.js';
import { openRig, type Rig } from './support/reconcile.js';

const signal = new AbortController().signal;
const vector = [1, 0, 0, 0];
const reasoning = (text: string) => ({ decision_type: 'analysis' as const, agent_id: 'judge', reasoning: text });

/** Everything that a decision may leave behind, by table; ids of other tests' decisions have other words. */
const TABLES = [
  'agents',
  'agent_decisions',
  'decision_reasonings',
  'decision_passages',
  'decision_vectors_test_4',
  'decides',
  'supports',
  'produces',
  'audit_values',
  'audit_log',
  'idempotency',
];

describe.skipIf(unavailable)('decisions in the database', () => {
  let rig: Rig;
  beforeAll(async () => {
    rig = await openRig();
  });
  afterAll(() => rig.close());

  const admin = () => systemContext(rig.services, 'reconcile');
  const boundTo = (agent_id: string): Context => {
    const ctx = admin();
    return { ...ctx, principal: { ...ctx.principal, agent_id } };
  };
  const create = (input: Partial<CreateDecisionInput> & { id: string }, ctx = admin()) =>
    createDecision(
      ctx,
      createDecisionSchema.parse({ ...reasoning(`because of ${input.id}`), vector, ...input }),
      signal,
    );
  const document = (id: string, agent_id?: string, ctx = admin()) =>
    putDocument(ctx, { id, content: `evidence ${id}`, ...(agent_id === undefined ? {} : { agent_id }) }, { signal });

  /** Rows by table. */
  async function census(): Promise<Record<string, number>> {
    const counts = await Promise.all(
      TABLES.map((table) =>
        rig.db.run<number>({ text: `RETURN array::len((SELECT VALUE id FROM ${table}))`, params: {} }),
      ),
    );
    return Object.fromEntries(TABLES.map((table, at) => [table, counts[at] ?? 0]));
  }

  /** What a change adds to each table, the tables that stay as they are left out. */
  async function difference(change: () => Promise<unknown>): Promise<Record<string, number>> {
    const before = await census();
    await change();
    const after = await census();
    return Object.fromEntries(
      TABLES.flatMap((table) => {
        const more = (after[table] ?? 0) - (before[table] ?? 0);
        return more === 0 ? [] : [[table, more]];
      }),
    );
  }

  it('are stored whole: row, reasoning, passage, vector, three kinds of edges, audit row', async () => {
    await document('whole-k1', 'judge');
    await document('whole-k2');
    await rig.reserve('whole-a', 4);
    const added = await difference(() =>
      create({ id: 'whole', evidence: ['whole-k1', 'whole-k2', 'whole-k1'], products: ['whole-a'] }),
    );
    expect(added).toEqual({
      agent_decisions: 1,
      decision_reasonings: 1,
      decision_passages: 1,
      decision_vectors_test_4: 1,
      decides: 1,
      supports: 2,
      produces: 1,
      audit_values: 1,
      audit_log: 1,
      idempotency: 1,
    });
    const edges = await rig.db.run<unknown[]>({
      text: `RETURN [decides:['judge', 'whole'].{in, out}, supports:['whole-k2', 'whole'].{in, out},
        produces:['decision', 'whole', 'whole-a'].{in, out}].map(|$e| [<string>$e.in, <string>$e.out])`,
      params: {},
    });
    expect(edges).toEqual([
      ['agents:judge', 'agent_decisions:whole'],
      ['knowledge_index:`whole-k2`', 'agent_decisions:whole'],
      ['agent_decisions:whole', 'minio_references:`whole-a`'],
    ]);
    expect(await getDecision(admin(), 'whole')).toMatchObject({
      reasoning: 'because of whole',
      evidence: ['whole-k1', 'whole-k2'],
      products: ['whole-a'],
    });
  });

  it.each([
    ['a document', { evidence: ['nothing-k', 'gone'] }, 'knowledge:not_found'],
    ['an artifact', { evidence: ['nothing-k'], products: ['gone'] }, 'artifact:not_found'],
    ['a session', { evidence: ['nothing-k'], session_id: 'gone' }, 'session:not_found'],
  ])('that name %s that is not there leave nothing', async (_, links, code) => {
    await document('nothing-k');
    const added = await difference(() =>
      expect(create({ id: 'nothing', agent_id: 'nobody-yet', ...links })).rejects.toMatchObject({ code }),
    );
    expect(added).toEqual({});
    await expect(getDecision(admin(), 'nothing')).rejects.toMatchObject({ code: 'decision:not_found' });
  });

  it('are patched whole or not at all', async () => {
    await document('patch-k');
    await create({ id: 'patch' });
    const missing = { outcome: { status: 'success' as const }, add_evidence: ['patch-k'], add_products: ['gone'] };
    const added = await difference(() =>
      expect(patchDecision(admin(), 'patch', missing)).rejects.toMatchObject({ code: 'artifact:not_found' }),
    );
    expect(added).toEqual({});
    const decision = await getDecision(admin(), 'patch');
    expect(decision).toMatchObject({ revision: 1, evidence: [] });
    expect(decision.outcome).toBeUndefined();
  });

  it('leave no edge, passage or vector when they are deleted, and count on under the same id', async () => {
    await document('deleted-k');
    await rig.reserve('deleted-a', 4);
    const all = { id: 'deleted', evidence: ['deleted-k'], products: ['deleted-a'] };
    const added = await difference(async () => {
      await create(all);
      await deleteDecision(admin(), 'deleted');
    });
    expect(added).toEqual({ audit_values: 1, audit_log: 2, idempotency: 2 });
    await expect(deleteDecision(admin(), 'deleted')).rejects.toMatchObject({ code: 'decision:not_found' });
    expect(await create(all)).toMatchObject({ revision: 3, status: 'created' });
    expect(await getDecision(admin(), 'deleted')).toMatchObject({ revision: 3, evidence: ['deleted-k'] });
  });

  it('lose the evidence that is deleted', async () => {
    await document('lost-k');
    await document('kept-k');
    await create({ id: 'loser', evidence: ['lost-k', 'kept-k'] });
    expect(await difference(() => deleteDocument(admin(), 'lost-k'))).toEqual({
      supports: -1,
      audit_log: 1,
      idempotency: 1,
    });
    expect((await getDecision(admin(), 'loser')).evidence).toEqual(['kept-k']);
  });

  it('never keep an edge from a document that is deleted at the same moment', async () => {
    for (let round = 0; round < 25; round += 1) {
      const [knowledge, id] = [`race-k${round}`, `race-${round}`];
      await document(knowledge);
      const [created] = await Promise.allSettled([
        create({ id, evidence: [knowledge] }),
        deleteDocument(admin(), knowledge),
      ]);
      if (created.status === 'rejected') expect(created.reason).toMatchObject({ code: 'knowledge:not_found' });
      expect(
        await rig.db.run({
          text: `RETURN array::len((SELECT VALUE id FROM supports:[$k, NONE]..[$k, ..]))`,
          params: { k: knowledge },
        }),
      ).toBe(0);
    }
  });

  it('keep every link and every key of eight patches at once', async () => {
    await create({ id: 'busy' });
    const names = Array.from({ length: 8 }, (_, n) => `busy-k${n}`);
    for (const name of names) await document(name);
    await Promise.all(
      names.map((name) => patchDecision(admin(), 'busy', { add_evidence: [name], metadata: { [name]: true } })),
    );
    const decision = await getDecision(admin(), 'busy');
    expect(decision).toMatchObject({ revision: 9, evidence: names });
    expect(decision.metadata).toEqual(Object.fromEntries(names.map((name) => [name, true])));
  });

  it('have at most 100 pieces of evidence in all', async () => {
    const names = Array.from({ length: 101 }, (_, n) => `many-k${String(n).padStart(3, '0')}`);
    for (const name of names) await document(name);
    await create({ id: 'many', evidence: names.slice(0, 60) });
    await expect(patchDecision(admin(), 'many', { add_evidence: names.slice(40) })).rejects.toMatchObject({
      code: 'decision:too_many_links',
    });
    expect(await patchDecision(admin(), 'many', { add_evidence: names.slice(40, 100) })).toMatchObject({
      status: 'updated',
      revision: 2,
    });
    expect((await getDecision(admin(), 'many')).evidence).toEqual(names.slice(0, 100));
  });

  it('show a bound key only the evidence and products of its own agent', async () => {
    await document('mixed-own', 'mixed');
    await document('mixed-foreign', 'stranger');
    await rig.reserve('mixed-a', 4, { agent_id: 'stranger' });
    const links = { evidence: ['mixed-own', 'mixed-foreign'], products: ['mixed-a'] };
    await create({ id: 'mixed', agent_id: 'mixed', ...links });
    expect(await getDecision(admin(), 'mixed')).toMatchObject({ ...links, evidence: [...links.evidence].sort() });
    expect(await getDecision(boundTo('mixed'), 'mixed')).toMatchObject({ evidence: ['mixed-own'], products: [] });
    const mine = boundTo('mixed');
    const input = createDecisionSchema.parse({ decision_type: 'action', reasoning: 'mine', vector });
    await expect(createDecision(mine, { ...input, evidence: ['mixed-foreign'] }, signal)).rejects.toMatchObject({
      code: 'knowledge:not_found',
    });
    await expect(patchDecision(mine, 'mixed', { add_products: ['mixed-a'] })).rejects.toMatchObject({
      code: 'artifact:not_found',
    });
  });
});
