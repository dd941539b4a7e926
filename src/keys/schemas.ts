import { z } from 'zod';
import { agentIdSchema, idSchema } from '../knowledge/schemas.js';
import { ALL_SCOPES, type Scope, scopesOf } from './scopes.js';

/** Ten years. */
const MAX_LIFE_SECONDS = 315_360_000;
const MAX_GRACE_SECONDS = 86_400;
export const MAX_KEY_BODY_BYTES = 16_384;

const scopeSchema = z.enum(ALL_SCOPES as [Scope, ...Scope[]]);
const timeSchema = z.iso.datetime();

export const createSchema = z
  .strictObject({
    name: z.string().trim().min(1).max(100).meta({ description: 'For people.', example: 'ingest of the wiki' }),
    scopes: z
      .array(scopeSchema)
      .min(1)
      .max(ALL_SCOPES.length)
      .refine((scopes) => new Set(scopes).size === scopes.length, 'names a scope twice')
      .meta({ description: 'Only scopes that the asking key has itself.' }),
    agent_id: agentIdSchema.optional().meta({ description: 'Binds the key: it sees only what belongs to this agent.' }),
    expires_at: z.iso.datetime({ offset: true }).optional(),
    expires_in_seconds: z.int().min(1).max(MAX_LIFE_SECONDS).optional(),
  })
  .refine((input) => input.expires_at === undefined || input.expires_in_seconds === undefined, {
    path: ['expires_in_seconds'],
    message: 'is given together with expires_at',
  })
  .meta({ id: 'KeyInput' });

export type CreateInput = z.output<typeof createSchema>;

export const rotateSchema = z
  .strictObject({
    grace_seconds: z
      .int()
      .min(0)
      .max(MAX_GRACE_SECONDS)
      .default(0)
      .meta({ description: 'How long the old token still works.' }),
  })
  .meta({ id: 'KeyRotation' });

export type RotateInput = z.output<typeof rotateSchema>;

export const keySchema = z
  .object({
    id: idSchema,
    name: z.string(),
    prefix: z.string().meta({ description: 'How the token begins.', example: 'acv_5f0c1d2e' }),
    scopes: z.array(scopeSchema),
    agent_id: z.string().optional(),
    created_at: timeSchema,
    expires_at: timeSchema.optional(),
    revoked_at: timeSchema.optional(),
    last_used_at: timeSchema.optional().meta({ description: 'To the minute.' }),
    rotated_to: idSchema.optional().meta({ description: 'The key that took the place of this one.' }),
  })
  .meta({ id: 'Key' });

export type Key = z.output<typeof keySchema>;

export const keyWithTokenSchema = keySchema
  .extend({ token: z.string().meta({ description: 'Shown this once; only its hash is stored.' }) })
  .meta({ id: 'KeyWithToken' });

export type KeyWithToken = z.output<typeof keyWithTokenSchema>;

export const keyPageSchema = z
  .object({ keys: z.array(keySchema), cursor: z.string().optional() })
  .meta({ id: 'KeyPage' });

export type KeyPage = z.output<typeof keyPageSchema>;

/** A row as the queries select it: never with the hash. */
export type KeyRow = Omit<Key, 'scopes'> & { scopes: string[] };

/** What clients see of a row. */
export function publicKey(row: KeyRow): Key {
  return { ...row, scopes: scopesOf(row.scopes) };
}
