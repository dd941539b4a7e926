import type { Lineage, LineageEdge, LineageNode } from './schemas.js';

export type Direction = 'up' | 'down';

/** How much one answer holds. */
export interface LineageBounds {
  nodes: number;
  edges: number;
}

/** `surql/queries/lineage/edges.surql` gives one edge more than this of each kind, so that a cut is noticed. */
export const LINEAGE_BOUNDS: LineageBounds = { nodes: 1_000, edges: 5_000 };

/** So many records are asked about at once. */
const BATCH = 200;

/** What a walk reads; what may not be read is left out of both answers. */
export interface LineageReader {
  /** Those that are there. */
  nodes(resources: string[]): Promise<LineageNode[]>;
  /** The edges that lead up, and down, from each of these; in the same order whenever it is asked. */
  edges(from: Record<Direction, string[]>): Promise<Record<Direction, Map<string, LineageEdge[]>>>;
}

/** The lineage of one start, as far as it is known. */
interface Found {
  nodes: Map<string, LineageNode>;
  edges: Map<string, LineageEdge>;
  truncated: boolean;
}

/** One direction from one start. */
interface Walk {
  direction: Direction;
  found: Found;
  seen: Set<string>;
  frontier: string[];
}

const keyOf = ({ kind, from, to }: LineageEdge): string => `${kind} ${from} ${to}`;

const farEnd = ({ from, to }: LineageEdge, near: string): string => (from === near ? to : from);

/**
 * The lineages of several starts, breadth first and side by side: a level of all of them costs two queries for each 200
 * records. A record is visited once per direction, so cycles end. Whoever comes first in breadth-first order is kept
 * when an answer would grow over its bounds; such a lineage is followed no further.
 */
export async function walkLineages(
  reader: LineageReader,
  starts: LineageNode[],
  { directions, depth, bounds }: { directions: readonly Direction[]; depth: number; bounds: LineageBounds },
): Promise<Map<string, Lineage>> {
  const found = new Map(
    starts.map((start): [string, Found] => [
      start.resource,
      { nodes: new Map([[start.resource, start]]), edges: new Map(), truncated: false },
    ]),
  );
  const walks = [...found].flatMap(([start, of]) =>
    directions.map((direction): Walk => ({ direction, found: of, seen: new Set([start]), frontier: [start] })),
  );
  for (let level = 0; level < depth; level += 1) {
    const steps = walks.flatMap((walk) => walk.frontier.splice(0).map((near) => ({ walk, near })));
    for (let at = 0; at < steps.length; at += BATCH) await takeSteps(reader, steps.slice(at, at + BATCH), bounds);
  }
  return new Map(
    [...found].map(([start, { nodes, edges, truncated }]) => [
      start,
      { nodes: [...nodes.values()], edges: [...edges.values()], truncated },
    ]),
  );
}

interface Step {
  walk: Walk;
  near: string;
}

async function takeSteps(reader: LineageReader, steps: Step[], bounds: LineageBounds): Promise<void> {
  const open = steps.filter(({ walk }) => !walk.found.truncated);
  const nearOf = (direction: Direction) => [
    ...new Set(open.flatMap(({ walk, near }) => (walk.direction === direction ? [near] : []))),
  ];
  if (open.length === 0) return;
  const edges = await reader.edges({ up: nearOf('up'), down: nearOf('down') });
  const edgesOf = ({ walk, near }: Step) => edges[walk.direction].get(near) ?? [];
  const nodes = await nodesFor(reader, open, edgesOf, bounds);
  for (const step of open) for (const edge of edgesOf(step)) take(step, edge, nodes, bounds);
}

/** The far ends that these steps have room for, and one more of each lineage, which shows that it was cut. */
async function nodesFor(
  reader: LineageReader,
  steps: Step[],
  edgesOf: (step: Step) => LineageEdge[],
  bounds: LineageBounds,
): Promise<Map<string, LineageNode>> {
  const wanted = new Map<Found, Set<string>>();
  for (const step of steps) {
    const { found } = step.walk;
    const own = wanted.get(found) ?? new Set();
    wanted.set(found, own);
    for (const edge of edgesOf(step)) {
      const far = farEnd(edge, step.near);
      if (!found.nodes.has(far) && found.nodes.size + own.size <= bounds.nodes) own.add(far);
    }
  }
  const resources = [...new Set([...wanted.values()].flatMap((own) => [...own]))];
  const read = resources.length === 0 ? [] : await reader.nodes(resources);
  return new Map(read.map((node) => [node.resource, node]));
}

/** Adds an edge and what lies at its far end, or notes that there was no room. */
function take({ walk, near }: Step, edge: LineageEdge, nodes: Map<string, LineageNode>, bounds: LineageBounds): void {
  const { found, seen, frontier } = walk;
  const far = farEnd(edge, near);
  const node = found.nodes.get(far) ?? nodes.get(far);
  if (node === undefined) return;
  const isNewNode = !found.nodes.has(far);
  const isNewEdge = !found.edges.has(keyOf(edge));
  if ((isNewNode && found.nodes.size >= bounds.nodes) || (isNewEdge && found.edges.size >= bounds.edges)) {
    found.truncated = true;
    return;
  }
  found.nodes.set(far, node);
  found.edges.set(keyOf(edge), edge);
  if (seen.has(far)) return;
  seen.add(far);
  frontier.push(far);
}
