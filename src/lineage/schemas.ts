import { z } from 'zod';

export const KINDS = ['knowledge', 'artifact', 'decision', 'session', 'agent'] as const;
export type Kind = (typeof KINDS)[number];

/** The deepest that a lineage is followed, in edges. */
export const MAX_DEPTH = 5;
/** The same for the hits of a search. */
export const MAX_HIT_DEPTH = 2;

/** `kind:ID`; ids are those of `idSchema`. */
export const resourceSchema = z
  .string()
  .regex(
    new RegExp(`^(?:${KINDS.join('|')}):(?!\\.{1,2}$)[A-Za-z0-9._-]{1,128}$`),
    `must be one of ${KINDS.join(', ')}, a colon, and an id`,
  )
  .meta({ description: 'What to start from.', example: 'artifact:report-2026-q1' });

export const nodeSchema = z
  .object({
    resource: z.string().meta({ description: 'kind:ID' }),
    kind: z.enum(KINDS),
    id: z.string(),
    title: z.string().optional().meta({ description: 'Of knowledge.' }),
    name: z.string().optional().meta({ description: 'Of an artifact.' }),
    decision_type: z.string().optional(),
    outcome: z.unknown().optional().meta({ description: 'Of a decision, once it is known.' }),
    status: z.string().optional().meta({ description: 'Of an artifact or a session.' }),
    agent_id: z.string().optional(),
    created_at: z.iso.datetime(),
  })
  .meta({ id: 'LineageNode' });

export type LineageNode = z.output<typeof nodeSchema>;

export const RELATIONS = ['decides', 'produces', 'supports', 'derived_from'] as const;
export type Relation = (typeof RELATIONS)[number];

export const edgeSchema = z
  .object({
    kind: z.enum(RELATIONS),
    from: z
      .string()
      .meta({ description: 'kind:ID, as the relation is read: `from` decides, produces, supports … `to`.' }),
    to: z.string(),
  })
  .meta({ id: 'LineageEdge' });

export type LineageEdge = z.output<typeof edgeSchema>;

export const lineageSchema = z
  .object({
    nodes: z.array(nodeSchema).meta({ description: 'Nearest first; the first is the start.' }),
    edges: z.array(edgeSchema),
    truncated: z.boolean().meta({ description: 'True when there was more than an answer holds.' }),
  })
  .meta({ id: 'Lineage' });

export type Lineage = z.output<typeof lineageSchema>;

export const lineageQuerySchema = z.object({
  direction: z.enum(['up', 'down', 'both']).default('both').meta({
    description:
      'up: what led to it. down: what came of it. both: the two together (not what else came of what led to it).',
  }),
  depth: z.coerce.number().int().min(1).max(MAX_DEPTH).default(2).meta({ description: 'How many edges away.' }),
  format: z
    .enum(['json', 'prov', 'mermaid'])
    .optional()
    .meta({
      description:
        'json, W3C PROV-JSON, or a Mermaid flowchart. Without it `Accept` decides: application/json, ' +
        'application/prov+json, text/vnd.mermaid.',
    }),
});
