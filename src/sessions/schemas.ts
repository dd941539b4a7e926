import { z } from 'zod';
import { agentIdSchema, idSchema } from '../knowledge/schemas.js';
import { sessionFilterSchema } from '../search/filter/schema.js';

export const MAX_VECTORS = 16;
export const MAX_ATTACHED = 100;

const objectSchema = z.record(z.string().min(1).max(128), z.unknown());

const stateSchema = z
  .record(z.string(), z.unknown())
  .meta({ description: 'Any JSON object of up to 256 KB and 32 levels; filterable as state.<path>.' });

const metadataSchema = objectSchema.meta({
  description: 'Any JSON object of up to 16 KB and 8 levels; filterable as metadata.<path>.',
});

const userSchema = z
  .string()
  .max(200)
  .regex(/^[^\p{Cc}\p{Cs}\uFEFF]+$/u, 'must be 1 to 200 characters without control characters')
  .meta({ description: 'For whom the agent works.', example: 'ana' });

export const sessionStatusSchema = z.enum(['active', 'paused', 'completed', 'failed', 'abandoned']).meta({
  description: 'active may be paused; paused, resumed. completed, failed and abandoned are final.',
});

export const createSessionSchema = z
  .strictObject({
    id: idSchema.optional(),
    user: userSchema.optional(),
    agent_id: agentIdSchema.optional(),
    state: stateSchema.optional(),
    metadata: metadataSchema.optional(),
  })
  .meta({ id: 'SessionInput' });

export type CreateSessionInput = z.output<typeof createSessionSchema>;

const mergePatchOf = <S extends z.ZodType>(schema: S) =>
  schema.nullable().optional().meta({ description: 'A JSON merge patch (RFC 7396): null removes a key.' });

export const patchSessionSchema = z
  .strictObject({
    state: mergePatchOf(stateSchema),
    status: sessionStatusSchema.optional(),
    metadata: mergePatchOf(metadataSchema),
  })
  .meta({ id: 'SessionPatch' });

export const sessionSummarySchema = z
  .object({
    id: idSchema,
    user: z.string().optional(),
    agent_id: z.string().optional(),
    status: sessionStatusSchema,
    metadata: z.record(z.string(), z.unknown()),
    vector_names: z.array(z.string()),
    embedding_space: z.string().optional().meta({ description: 'Of its vectors; only those of the active are found.' }),
    created_at: z.iso.datetime(),
    updated_at: z.iso.datetime(),
    last_active_at: z.iso.datetime().meta({
      description:
        'The last change but the one that abandoned it, or when something was last made in it while it was open.',
    }),
    ended_at: z.iso.datetime().optional(),
    revision: z.int(),
  })
  .meta({ id: 'SessionSummary' });

export type SessionSummary = z.output<typeof sessionSummarySchema>;

export const sessionSchema = sessionSummarySchema
  .extend({ state: z.record(z.string(), z.unknown()) })
  .meta({ id: 'Session' });

export type Session = z.output<typeof sessionSchema>;

export const attachSchema = z
  .strictObject({ artifact_ids: z.array(idSchema).min(1).max(MAX_ATTACHED) })
  .meta({ id: 'SessionArtifactsInput' });

const vectorSchema = z
  .array(z.number())
  .min(1)
  .max(4096)
  .meta({ description: 'float[dimensions] of the active space; it is stored at unit length.' });

const vectorInputSchema = z.strictObject({
  name: z
    .string()
    .regex(/^[A-Za-z0-9._-]{1,64}$/, 'must be 1 to 64 of A-Z a-z 0-9 . _ -')
    .meta({ description: 'What of the state it stands for.', example: 'goal' }),
  vector: vectorSchema.optional(),
  text: z.string().min(1).max(10_000).optional().meta({ description: 'Embedded here, in place of a vector.' }),
});

export type VectorInput = z.output<typeof vectorInputSchema>;

export const putVectorsSchema = z
  .strictObject({ vectors: z.array(vectorInputSchema).max(MAX_VECTORS) })
  .meta({ id: 'SessionVectorsInput' });

export const searchSessionsSchema = z
  .strictObject({
    query: z.string().min(1).max(10_000).optional().meta({ description: 'Embedded here, in place of a vector.' }),
    vector: vectorSchema.optional(),
    filter: sessionFilterSchema.optional(),
    limit: z.int().min(1).max(100).default(10),
  })
  .meta({ id: 'SessionSearchInput' });

export type SearchSessionsInput = z.output<typeof searchSessionsSchema>;

export const sessionHitsSchema = z
  .object({
    hits: z.array(
      sessionSummarySchema.extend({
        score: z.number().meta({ description: 'Cosine of its best vector.' }),
        vector_name: z.string().meta({ description: 'The name of that vector.' }),
      }),
    ),
  })
  .meta({ id: 'SessionHits' });

export type SessionHit = z.output<typeof sessionHitsSchema>['hits'][number];
