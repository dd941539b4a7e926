import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { LineageEdge, LineageNode } from '../../../src/lineage/schemas.js';
import { type LineageReader, walkLineages } from '../../../src/lineage/walk.js';

const nodeOf = (resource: string): LineageNode => {
  const [kind, id = ''] = resource.split(':');
  return { resource, kind: kind as 'agent', id, created_at: '2026-01-01T00:00:00Z' };
};

/** A graph in memory; edges lead from above to below. What is asked is counted. */
function readerOf(edges: [number, number][]) {
  const asked = { nodes: 0, edges: 0 };
  const all = edges.map(([from, to]): LineageEdge => ({ kind: 'decides', from: `agent:${from}`, to: `agent:${to}` }));
  const reader: LineageReader = {
    nodes: async (resources) => {
      asked.nodes += resources.length;
      return resources.map(nodeOf);
    },
    edges: async ({ up, down }) => {
      asked.edges += 1;
      const by = (end: 'from' | 'to', names: string[]) =>
        new Map(names.map((name) => [name, all.filter((edge) => edge[end] === name)]));
      return { up: by('to', up), down: by('from', down) };
    },
  };
  return { reader, asked };
}

const graph = fc.uniqueArray(fc.tuple(fc.nat(9), fc.nat(9)), { maxLength: 40, selector: String });
const everything = { nodes: 1_000, edges: 1_000 };
const below = async (edges: [number, number][], depth: number, bounds = everything) => {
  const lineages = await walkLineages(readerOf(edges).reader, [nodeOf('agent:0')], {
    ...{ directions: ['down'], depth, bounds },
  });
  return lineages.get('agent:0')!;
};

describe('a walk', () => {
  test('keeps its bounds, says when something was cut, and only then', async () => {
    await fc.assert(
      fc.asyncProperty(
        graph,
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 1, max: 12 }),
        fc.nat(30),
        async (...of) => {
          const [edges, depth, nodeBound, edgeBound] = of;
          const whole = await below(edges, depth);
          const cut = await below(edges, depth, { nodes: nodeBound, edges: edgeBound });
          expect(whole.truncated).toBe(false);
          expect(cut.nodes.length).toBeLessThanOrEqual(nodeBound);
          expect(cut.edges.length).toBeLessThanOrEqual(edgeBound);
          expect(cut.truncated).toBe(whole.nodes.length > nodeBound || whole.edges.length > edgeBound);
          // What is kept is the beginning of the whole, and hangs together.
          expect(whole.nodes.slice(0, cut.nodes.length)).toEqual(cut.nodes);
          const kept = new Set(cut.nodes.map(({ resource }) => resource));
          expect(cut.edges.filter(({ from, to }) => !kept.has(from) || !kept.has(to))).toEqual([]);
        },
      ),
      { numRuns: 300 },
    );
  });

  test('of a long ring ends', async () => {
    const ring = Array.from({ length: 4 }, (_, n): [number, number] => [n, (n + 1) % 4]);
    const { nodes, edges, truncated } = await below(ring, 5);
    expect([nodes.length, edges.length, truncated]).toEqual([4, 4, false]);
  });

  test('of many starts asks for a level of all of them at once', async () => {
    const edges = Array.from({ length: 100 }, (_, n): [number, number] => [n, n + 1_000]);
    const { reader, asked } = readerOf(edges);
    const starts = edges.map(([from]) => nodeOf(`agent:${from}`));
    const options = { directions: ['up', 'down'] as const, depth: 2, bounds: everything };
    const lineages = await walkLineages(reader, starts, options);
    expect([...lineages.values()].map(({ nodes }) => nodes.length)).toEqual(starts.map(() => 2));
    expect(asked).toEqual({ nodes: 100, edges: 2 });
  });

  test('asks for no more nodes than it has room for, however many there are', async () => {
    const star = Array.from({ length: 5_000 }, (_, n): [number, number] => [0, n + 1]);
    const { reader, asked } = readerOf(star);
    const options = { directions: ['down'] as const, depth: 3, bounds: { nodes: 50, edges: 100 } };
    const lineage = (await walkLineages(reader, [nodeOf('agent:0')], options)).get('agent:0')!;
    expect([lineage.nodes.length, lineage.truncated]).toEqual([50, true]);
    expect(asked).toEqual({ nodes: 50, edges: 1 });
  });
});
