import { z } from 'zod';
import { artifactWithUploadSchema, reserveSchema } from '../artifacts/schemas.js';
import { createDecisionSchema, storedDecisionSchema } from '../decisions/schemas.js';
import { putSchema, storedSchema } from '../knowledge/schemas.js';
import { createSessionSchema, patchSessionSchema, sessionSchema } from '../sessions/schemas.js';

const sessionPart = createSessionSchema
  .extend(patchSessionSchema.shape)
  .meta({ id: 'ExecutionSession', description: 'Begun when there is none of this id; else its state is patched.' });

const artifactPart = reserveSchema
  .omit({ session_id: true, agent_id: true, user: true })
  .meta({ id: 'ExecutionArtifact', description: 'Reserved; it belongs to the session, and to its agent and user.' });

const knowledgePart = putSchema
  .omit({ agent_id: true, artifact_id: true, require_embedding: true })
  .extend({ description: putSchema.shape.content.meta({ description: 'Another name for content.' }) })
  .refine(({ content, description, passages }) => content ?? description ?? passages, {
    path: ['content'],
    message: 'is needed: there is no file yet that text could be taken from',
  })
  .refine(({ content, description }) => content === undefined || description === undefined, {
    path: ['description'],
    message: 'is another name for content: give one of the two',
  })
  .meta({ id: 'ExecutionKnowledge', description: 'What is known of the artifact; derived from it.' });

const decisionPart = createDecisionSchema
  .omit({ agent_id: true, session_id: true })
  .meta({ id: 'ExecutionDecision', description: 'The artifact becomes one of its products.' });

export const executionSchema = z
  .strictObject({
    session: sessionPart,
    artifact: artifactPart.optional(),
    knowledge: knowledgePart.optional(),
    decision: decisionPart.optional(),
  })
  .meta({ id: 'ExecutionInput' });

export type ExecutionInput = z.output<typeof executionSchema>;

export const executedSchema = z
  .object({
    session: sessionSchema,
    artifact: artifactWithUploadSchema.optional(),
    knowledge: storedSchema.optional(),
    decision: storedDecisionSchema.optional(),
  })
  .meta({ id: 'Executed' });
