import type { Context } from '../context.js';
import { AcervoError } from '../errors/error.js';
import { lineageReader } from './read.js';
import type { Lineage } from './schemas.js';
import { type Direction, LINEAGE_BOUNDS, walkLineages } from './walk.js';

/** What is asked of the lineage of one resource; `depth` in edges. */
export interface LineageQuestion {
  direction: Direction | 'both';
  depth: number;
}

/**
 * What led to a resource, and what came of it. Causes lie above their effects: an agent or session above its
 * decisions, an agent, session or decision above the artifacts that it produces, knowledge above the decisions that it supports, and an
 * artifact above the knowledge that is derived from it.
 * @throws AcervoError `lineage:not_found` when there is no such resource, or none that this key may read
 */
export async function lineageOf(
  ctx: Context,
  resource: string,
  { direction, depth }: LineageQuestion,
): Promise<Lineage> {
  const reader = lineageReader(ctx);
  const [start] = await reader.nodes([resource]);
  if (start === undefined) throw new AcervoError('lineage:not_found');
  const directions: Direction[] = direction === 'both' ? ['up', 'down'] : [direction];
  const lineages = await walkLineages(reader, [start], { directions, depth, bounds: LINEAGE_BOUNDS });
  return lineages.get(resource) ?? { nodes: [start], edges: [], truncated: false };
}
