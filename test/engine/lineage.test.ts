import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Scope } from '../../src/keys/scopes.js';
import { lineageOf } from '../../src/lineage/lineage.js';
import { withLineages } from '../../src/lineage/of-hits.js';
import type { Kind, Lineage, LineageEdge, Relation } from '../../src/lineage/schemas.js';
import type { SessionDatabase } from '../../src/surreal/session-database.js';
import { openEngine, unavailable } from './support/engine.js';
import {
  askedBy,
  bareTables,
  clearGraph,
  nameOf,
  type PlainGraph,
  type PlainNode,
  writeGraph,
} from './support/graph.js';

const RELATED: [Relation, from: Kind, to: Kind][] = [
  ['decides', 'agent', 'decision'],
  ['decides', 'session', 'decision'],
  ['supports', 'knowledge', 'decision'],
  ['derived_from', 'knowledge', 'artifact'],
  ['produces', 'agent', 'artifact'],
  ['produces', 'session', 'artifact'],
  ['produces', 'decision', 'artifact'],
];
const SCOPE_OF: Partial<Record<Kind, Scope>> = {
  knowledge: 'knowledge:read',
  artifact: 'artifacts:read',
  decision: 'decisions:read',
  session: 'sessions:read',
};
const KINDS: Kind[] = ['knowledge', 'artifact', 'decision', 'session', 'agent'];

interface Key {
  agent: string | undefined;
  without: Kind[];
}

/** May a key see it? By the rule as it is told to clients. */
function sees(key: Key, node: PlainNode): boolean {
  if (key.without.includes(node.kind)) return false;
  return key.agent === undefined || (node.kind === 'agent' ? node.id : node.agent_id) === key.agent;
}

/** What the graph is, said the slow way: effects of a resource are the ends of edges that begin at it, and so on. */
function naive(graph: PlainGraph, key: Key, start: string, directions: ('up' | 'down')[], depth: number) {
  const readable = new Set(graph.nodes.filter((node) => sees(key, node)).map(nameOf));
  const edges = graph.edges.filter(({ from, to }) => readable.has(from) && readable.has(to));
  const causeOf = ({ kind, from, to }: LineageEdge) => (kind === 'derived_from' ? to : from);
  const effectOf = ({ kind, from, to }: LineageEdge) => (kind === 'derived_from' ? from : to);
  const nodes = new Set(readable.has(start) ? [start] : []);
  const used = new Set<LineageEdge>();
  for (const direction of directions) {
    const [near, far] = direction === 'up' ? [effectOf, causeOf] : [causeOf, effectOf];
    const reached = new Set([start]);
    for (let step = 0; step < depth; step += 1)
      for (const name of [...reached])
        for (const edge of edges)
          if (near(edge) === name) {
            used.add(edge);
            reached.add(far(edge));
          }
    for (const name of reached) nodes.add(name);
  }
  return { nodes: [...nodes].toSorted(), edges: [...used].map((edge) => JSON.stringify(edge)).toSorted() };
}

const plainly = ({ nodes, edges }: Lineage) => ({
  nodes: nodes.map(({ resource }) => resource).toSorted(),
  edges: edges.map(({ kind, from, to }) => JSON.stringify({ kind, from, to })).toSorted(),
});

/** Few nodes and many edges, so that there are cycles: knowledge → decision → artifact → the same knowledge. */
const graphArbitrary = fc
  .array(fc.record({ kind: fc.constantFrom(...KINDS), agent: fc.constantFrom('x', 'x', 'y', undefined) }), {
    minLength: 5,
    maxLength: 14,
    size: 'max',
  })
  .chain((kinds) => {
    const nodes = kinds.map(({ kind, agent }, index): PlainNode => {
      if (kind === 'agent') return { kind, id: agent ?? `n${index}` };
      return { kind, id: `n${index}`, agent_id: agent };
    });
    const distinct = [...new Map(nodes.map((node) => [nameOf(node), node])).values()];
    const possible = RELATED.flatMap(([kind, from, to]) =>
      distinct
        .filter((node) => node.kind === from)
        .flatMap((one) =>
          distinct
            .filter((node) => node.kind === to)
            .map((other): LineageEdge => ({ kind, from: nameOf(one), to: nameOf(other) })),
        ),
    );
    return fc.record({
      graph: fc.record({
        nodes: fc.constant(distinct),
        edges: fc.subarray(possible, { minLength: possible.length >> 1 }),
      }),
      start: fc.constantFrom(...distinct.map(nameOf)),
      key: fc.record({
        agent: fc.constantFrom(undefined, 'x'),
        without: fc.subarray(
          KINDS.filter((kind) => kind !== 'agent'),
          { maxLength: 2 },
        ),
      }),
      direction: fc.constantFrom('up', 'down', 'both'),
      depth: fc.integer({ min: 1, max: 5 }),
    });
  });

describe.skipIf(unavailable)('lineage', () => {
  let db: SessionDatabase;

  beforeAll(async () => {
    ({ db } = await openEngine());
    await bareTables(db);
  });

  const ask = (key: Key) =>
    askedBy(
      db,
      key.agent,
      key.without.flatMap((kind) => SCOPE_OF[kind] ?? []),
    );

  test('of generated graphs is what a naive evaluator says, for every kind of key', async () => {
    let cycles = 0;
    let restricted = 0;
    await fc.assert(
      fc.asyncProperty(graphArbitrary, async ({ graph, start, key, direction, depth }) => {
        await clearGraph(db);
        await writeGraph(db, graph);
        const directions = direction === 'both' ? (['up', 'down'] as const) : [direction as 'up' | 'down'];
        const expected = naive(graph, key, start, [...directions], depth);
        const readable = sees(key, graph.nodes.find((node) => nameOf(node) === start)!);
        const asked = lineageOf(ask(key), start, { direction: direction as 'both', depth });
        if (!readable) return void (await expect(asked).rejects.toMatchObject({ code: 'lineage:not_found' }));
        const lineage = await asked;
        expect(plainly(lineage)).toEqual(expected);
        expect(lineage.nodes[0]?.resource).toBe(start);
        expect(lineage.truncated).toBe(false);
        const everything = naive(graph, { agent: undefined, without: [] }, start, [...directions], depth);
        if (everything.nodes.length > expected.nodes.length) restricted += 1;
        if (expected.edges.length >= expected.nodes.length) cycles += 1;
      }),
      { numRuns: 150 },
    );
    // Else the generator makes nothing that could go wrong.
    expect(cycles).toBeGreaterThan(5);
    expect(restricted).toBeGreaterThan(5);
  });

  test('of several hits at once is what it is of each alone', async () => {
    await fc.assert(
      fc.asyncProperty(graphArbitrary, async ({ graph, key, depth }) => {
        await clearGraph(db);
        await writeGraph(db, graph);
        const starts = graph.nodes.filter((node) => node.kind === 'knowledge');
        const hits = starts.map(({ id }) => ({ id, created_at: '1970-01-01T00:00:00Z' }));
        const seen = { agent: undefined, without: key.without.filter((kind) => kind !== 'knowledge') };
        const together = await withLineages(ask(seen), 'knowledge', hits, Math.min(depth, 2));
        expect(together.map(({ id }) => id)).toEqual(starts.map(({ id }) => id));
        for (const { id, lineage } of together)
          expect(plainly(lineage)).toEqual(naive(graph, seen, `knowledge:${id}`, ['up', 'down'], Math.min(depth, 2)));
      }),
      { numRuns: 30 },
    );
  });

  test('ends at 1 000 nodes, nearest first, and says so', async () => {
    const decisions = Array.from({ length: 1_050 }, (_, index) => `big-${String(index).padStart(4, '0')}`);
    await writeGraph(db, {
      nodes: [
        { kind: 'agent', id: 'big' },
        ...decisions.map((id): PlainNode => ({ kind: 'decision', id, agent_id: 'big' })),
      ],
      edges: decisions.map((id) => ({ kind: 'decides', from: 'agent:big', to: `decision:${id}` })),
    });
    const cut = await lineageOf(askedBy(db), 'agent:big', { direction: 'down', depth: 1 });
    expect(cut.truncated).toBe(true);
    expect(cut.nodes.map(({ id }) => id)).toEqual(['big', ...decisions.slice(0, 999)]);
    expect(cut.edges).toHaveLength(999);
  });

  test('of exactly 1 000 nodes is whole', async () => {
    const decisions = Array.from({ length: 999 }, (_, index) => `even-${index}`);
    await writeGraph(db, {
      nodes: [{ kind: 'agent', id: 'even' }, ...decisions.map((id): PlainNode => ({ kind: 'decision', id }))],
      edges: decisions.map((id) => ({ kind: 'decides', from: 'agent:even', to: `decision:${id}` })),
    });
    const whole = await lineageOf(askedBy(db), 'agent:even', { direction: 'down', depth: 2 });
    expect(whole).toMatchObject({ truncated: false });
    expect(whole.nodes).toHaveLength(1_000);
  });

  test('what a bound key may not read neither takes up room nor shows as a cut', async () => {
    const others = Array.from({ length: 1_100 }, (_, index) => `a-other-${index}`);
    const evidence = [...others, 'z-own'];
    await writeGraph(db, {
      nodes: [
        { kind: 'decision', id: 'shared', agent_id: 'own' },
        ...evidence.map((id): PlainNode => ({ kind: 'knowledge', id, agent_id: id === 'z-own' ? 'own' : 'else' })),
      ],
      edges: evidence.map((id) => ({ kind: 'supports', from: `knowledge:${id}`, to: 'decision:shared' })),
    });
    const seen = await lineageOf(askedBy(db, 'own'), 'decision:shared', { direction: 'up', depth: 3 });
    expect(seen.truncated).toBe(false);
    expect(seen.nodes.map(({ resource }) => resource)).toEqual(['decision:shared', 'knowledge:z-own']);
  });

  test('shows what the rows say, and nothing that they do not', async () => {
    await writeGraph(db, {
      nodes: [
        { kind: 'knowledge', id: 'doc', agent_id: 'a', columns: { title: 'Budget', state_digest: 'secret' } },
        {
          kind: 'decision',
          id: 'dec',
          columns: { decision_type: 'action', outcome: { success: true }, reasoning: 'r' },
        },
        { kind: 'artifact', id: 'art', columns: { name: 'b.xlsx', status: 'stored', presigned: { url: 'u' } } },
      ],
      edges: [
        { kind: 'supports', from: 'knowledge:doc', to: 'decision:dec' },
        { kind: 'derived_from', from: 'knowledge:doc', to: 'artifact:art' },
      ],
    });
    const { nodes } = await lineageOf(askedBy(db), 'knowledge:doc', { direction: 'both', depth: 1 });
    const created_at = expect.stringMatching(/^1970-01-01T00:00:00/);
    expect(nodes).toEqual([
      { resource: 'knowledge:doc', kind: 'knowledge', id: 'doc', title: 'Budget', agent_id: 'a', created_at },
      { resource: 'artifact:art', kind: 'artifact', id: 'art', name: 'b.xlsx', status: 'stored', created_at },
      {
        ...{ resource: 'decision:dec', kind: 'decision', id: 'dec', decision_type: 'action', created_at },
        outcome: { success: true },
      },
    ]);
  });
});
