import type { Context } from '../context.js';
import { requireScopes } from '../keys/require-scopes.js';
import { lineageReader } from './read.js';
import type { Kind, Lineage, LineageNode } from './schemas.js';
import { type LineageBounds, walkLineages } from './walk.js';

/** What an answer holds of each hit: a page has up to 100 of them. */
const HIT_BOUNDS: LineageBounds = { nodes: 50, edges: 100 };

/** A found document, with the columns that a node of its kind shows. */
type Hit = Pick<LineageNode, 'id'> & Partial<Omit<LineageNode, 'id' | 'kind' | 'resource'>>;

/** A hit needs no query: the search has read it, whatever scopes the key has beside that of the search. */
function nodeOf(kind: Kind, { id, title, decision_type, outcome, agent_id, created_at = '' }: Hit): LineageNode {
  return { resource: `${kind}:${id}`, kind, id, title, decision_type, outcome, agent_id, created_at };
}

/**
 * The hits with their lineages, up and down, in a few queries for all of them together.
 * @throws AcervoError `auth:scope_missing` when the key lacks `lineage:read`
 */
export async function withLineages<Found extends Hit>(
  ctx: Context,
  kind: Kind,
  hits: Found[],
  depth: number,
): Promise<(Found & { lineage: Lineage })[]> {
  requireScopes(ctx, ['lineage:read']);
  const starts = hits.map((hit) => nodeOf(kind, hit));
  const options = { directions: ['up', 'down'] as const, depth, bounds: HIT_BOUNDS };
  const lineages = await walkLineages(lineageReader(ctx), starts, options);
  const none = { nodes: [], edges: [], truncated: false };
  return hits.map((hit) => ({ ...hit, lineage: lineages.get(`${kind}:${hit.id}`) ?? none }));
}
