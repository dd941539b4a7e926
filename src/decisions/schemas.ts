import { z } from 'zod';
import { agentIdSchema, embeddingStatusSchema, idSchema, storedSchema } from '../knowledge/schemas.js';
import { decisionFilterSchema } from '../search/filter/schema.js';
import { matchFields, planSchema, searchSchema } from '../search/schemas.js';

export const MAX_REASONING_BYTES = 100_000;
/** Of evidence, and of products; the same number stands in surql/schema/decisions.surql. */
export const MAX_LINKS = 100;

export const decisionTypeSchema = z.enum(['analysis', 'action', 'escalation']).meta({
  description: 'analysis: what it concluded; action: what it did; escalation: what it left to somebody else.',
});

const outcomeFields = {
  status: z.enum(['success', 'failure', 'partial', 'unknown']),
  summary: z.string().max(10_000).optional().meta({ description: 'What came of it, in words.' }),
};

const outcomeInputSchema = z.strictObject(outcomeFields).meta({ description: 'What came of it, once it is known.' });

export type OutcomeInput = z.output<typeof outcomeInputSchema>;

const metadataSchema = z
  .record(z.string().min(1).max(128), z.unknown())
  .meta({ description: 'Any JSON object of up to 16 KB and 8 levels; filterable as metadata.<path>.' });

const evidenceSchema = z
  .array(idSchema)
  .max(MAX_LINKS)
  .meta({ description: 'Ids of the documents that it stands on; all must exist. Needs knowledge:read.' });

const productsSchema = z
  .array(idSchema)
  .max(MAX_LINKS)
  .meta({ description: 'Ids of the artifacts that came of it; all must exist. Needs artifacts:read.' });

export const createDecisionSchema = z
  .strictObject({
    id: idSchema.optional(),
    agent_id: agentIdSchema
      .optional()
      .meta({ description: 'Who decided; needed unless the key is bound to an agent.' }),
    session_id: idSchema.optional().meta({ description: 'The run in which it was decided; must exist.' }),
    decision_type: decisionTypeSchema,
    reasoning: z
      .string()
      .min(1)
      .refine((text) => Buffer.byteLength(text) <= MAX_REASONING_BYTES, `has at most ${MAX_REASONING_BYTES} bytes`)
      .meta({ description: 'What was decided, and why: up to 100 KB, searched by words and by meaning.' }),
    outcome: outcomeInputSchema.optional(),
    metadata: metadataSchema.optional(),
    vector: z
      .array(z.number())
      .min(1)
      .max(4096)
      .optional()
      .meta({ description: 'float[dimensions] of the active space; stands for the whole reasoning.' }),
    evidence: evidenceSchema.optional(),
    products: productsSchema.optional(),
  })
  .meta({ id: 'DecisionInput' });

export type CreateDecisionInput = z.output<typeof createDecisionSchema>;

const IMMUTABLE = 'never changes: a decision is history; record another one';

export const patchDecisionSchema = z
  .strictObject({
    outcome: outcomeInputSchema.nullable().optional().meta({ description: 'Takes the place of the one before.' }),
    metadata: metadataSchema
      .nullable()
      .optional()
      .meta({ description: 'A JSON merge patch (RFC 7396): null removes a key.' }),
    add_evidence: evidenceSchema.optional(),
    add_products: productsSchema.optional(),
    reasoning: z
      .never(IMMUTABLE)
      .optional()
      .meta({ description: `Refused: it ${IMMUTABLE}.` }),
    decision_type: z
      .never(IMMUTABLE)
      .optional()
      .meta({ description: `Refused: it ${IMMUTABLE}.` }),
  })
  .meta({ id: 'DecisionPatch' });

export type PatchDecisionInput = z.output<typeof patchDecisionSchema>;

export const storedDecisionSchema = storedSchema.clone().meta({ id: 'DecisionStored' });

export type StoredDecision = z.output<typeof storedDecisionSchema>;

export const decisionSchema = z
  .object({
    id: idSchema,
    agent_id: z.string(),
    session_id: z.string().optional(),
    decision_type: decisionTypeSchema,
    outcome: z
      .object({ ...outcomeFields, recorded_at: z.iso.datetime() })
      .optional()
      .meta({ description: 'Missing until it is recorded.' }),
    metadata: z.record(z.string(), z.unknown()),
    created_at: z.iso.datetime(),
    updated_at: z.iso.datetime(),
    revision: z.int(),
    passage_count: z.int(),
    size_bytes: z.int().meta({ description: 'Of the reasoning.' }),
    embedding_status: embeddingStatusSchema,
    embedding_error: z.string().optional(),
  })
  .meta({ id: 'Decision' });

export type Decision = z.output<typeof decisionSchema>;

export const decisionDetailSchema = decisionSchema
  .extend({
    reasoning: z.string(),
    evidence: z
      .array(idSchema)
      .meta({ description: 'Of the documents that it stands on, those that the key may read.' }),
    products: z.array(idSchema).meta({ description: 'Of the artifacts that came of it, those that the key may read.' }),
  })
  .meta({ id: 'DecisionDetail' });

export type DecisionDetail = z.output<typeof decisionDetailSchema>;

export const decisionPageSchema = z
  .object({ decisions: z.array(decisionSchema), cursor: z.string().optional() })
  .meta({ id: 'DecisionPage' });

export const searchDecisionsSchema = searchSchema
  .extend({ filter: decisionFilterSchema.optional() })
  .meta({ id: 'DecisionSearchInput' });

export const decisionHitsSchema = z
  .object({
    hits: z.array(decisionSchema.extend(matchFields).meta({ id: 'DecisionHit' })),
    cursor: z.string().optional(),
    plan: planSchema,
  })
  .meta({ id: 'DecisionSearchAnswer' });
