import { z } from 'zod';
import { idSchema } from '../knowledge/schemas.js';
import { KINDS } from '../live/change.js';

export const MAX_HOOK_BODY_BYTES = 65_536;
const MAX_URL_CHARS = 2_000;
/** Of a filter as JSON. */
const MAX_FILTER_CHARS = 20_000;
/** A week. */
const MAX_GRACE_SECONDS = 604_800;
export const ATTEMPTS_KEPT = 200;
export const ATTEMPTS_KEPT_SECONDS = 604_800;

const timeSchema = z.iso.datetime();
const urlSchema = z.string().min(1).max(MAX_URL_CHARS).meta({
  description: 'Where events are sent by POST: https, and a public address unless ACERVO_HOOKS_ALLOW_PRIVATE is on.',
  example: 'https://example.com/acervo',
});
const descriptionSchema = z.string().trim().max(1_000).meta({ description: 'For people.' });
const kindsSchema = z
  .array(z.enum(KINDS))
  .min(1)
  .max(KINDS.length)
  .refine((kinds) => new Set(kinds).size === kinds.length, 'names a kind twice')
  .meta({ description: 'Of which kinds; without it of all that the key may read.' });
const resourceSchema = z.string().min(3).max(200).meta({ description: 'One resource, such as `knowledge:ID`.' });
const filterSchema = z
  .record(z.string(), z.unknown())
  .refine((filter) => JSON.stringify(filter).length <= MAX_FILTER_CHARS, `has at most ${MAX_FILTER_CHARS} characters`)
  .meta({ description: 'A filter as for GET /v1/changes.' });
const cursorSchema = z.string().max(2_000).meta({ description: 'A cursor of changes; docs/live.md.' });

export const createHookSchema = z
  .strictObject({
    url: urlSchema,
    description: descriptionSchema.optional(),
    kinds: kindsSchema.optional(),
    resource: resourceSchema.optional(),
    filter: filterSchema.optional(),
    cursor: cursorSchema.optional().meta({ description: 'Deliver what comes after it; without it from now on.' }),
    enabled: z.boolean().default(true),
  })
  .meta({ id: 'HookInput' });

export type CreateHookInput = z.output<typeof createHookSchema>;

export const patchHookSchema = z
  .strictObject({
    url: urlSchema.optional(),
    description: descriptionSchema.nullable().optional(),
    kinds: kindsSchema.nullable().optional(),
    resource: resourceSchema.nullable().optional(),
    filter: filterSchema.nullable().optional(),
    enabled: z.boolean().optional(),
  })
  .meta({ id: 'HookPatch', description: 'null takes a field away. What is patched is tried again at once.' });

export type HookPatch = z.output<typeof patchHookSchema>;

export const rotateHookSchema = z
  .strictObject({
    grace_seconds: z
      .int()
      .min(0)
      .max(MAX_GRACE_SECONDS)
      .default(86_400)
      .meta({ description: 'How long deliveries are signed with the old secret as well.' }),
  })
  .meta({ id: 'HookRotation' });

export const replaySchema = z
  .strictObject({ cursor: cursorSchema.optional(), since: z.iso.datetime({ offset: true }).optional() })
  .refine(({ cursor, since }) => (cursor === undefined) !== (since === undefined), {
    path: ['since'],
    message: 'is given, or cursor is, and not both',
  })
  .meta({ id: 'HookReplay' });

export type ReplayInput = z.output<typeof replaySchema>;

const disabledReasonSchema = z.enum(['requested', 'key_ended', 'gone', 'failing']).meta({
  description: 'By PATCH; its key was revoked or has expired; the receiver answered 410; too many failures in a row.',
});

export type DisabledReason = z.output<typeof disabledReasonSchema>;

export const hookSchema = z
  .object({
    id: idSchema,
    url: z.string(),
    description: z.string().optional(),
    kinds: z.array(z.enum(KINDS)).optional(),
    resource: z.string().optional(),
    filter: z.record(z.string(), z.unknown()).optional(),
    enabled: z.boolean(),
    key_id: z.string().meta({ description: 'The key that it ends with.' }),
    agent_id: z.string().optional().meta({ description: 'The agent whose changes alone it brings.' }),
    previous_secret_until: timeSchema.optional().meta({ description: 'Two signatures are sent until then.' }),
    status: z.object({
      state: z.enum(['enabled', 'disabled']),
      disabled_reason: disabledReasonSchema.optional(),
      disabled_at: timeSchema.optional(),
      last_success_at: timeSchema.optional(),
      last_failure_at: timeSchema.optional(),
      consecutive_failures: z.int(),
      next_attempt_at: timeSchema.optional(),
      lag_seconds: z.int().meta({ description: 'How old the oldest change is that is known to wait.' }),
    }),
    created_at: timeSchema,
    updated_at: timeSchema,
    revision: z.int(),
  })
  .meta({ id: 'Hook' });

export type Hook = z.output<typeof hookSchema>;

export const hookWithSecretSchema = hookSchema
  .extend({ secret: z.string().meta({ description: 'Shown in this answer alone. `whsec_` and base64.' }) })
  .meta({ id: 'HookWithSecret' });

export type HookWithSecret = z.output<typeof hookWithSecretSchema>;

const errorSchema = z
  .enum(['status', 'redirect', 'timeout', 'address_forbidden', 'name', 'tls', 'connection'])
  .meta({ description: 'Why it was not taken.' });

const outcome = {
  delivered: z.boolean(),
  status_code: z.int().optional(),
  error: errorSchema.optional(),
  duration_ms: z.int(),
};

export const attemptSchema = z
  .object({
    number: z.int().meta({ description: 'Counted for each hook.' }),
    event_id: z.string(),
    event_type: z.string(),
    attempted_at: timeSchema,
    ...outcome,
  })
  .meta({ id: 'HookAttempt' });

export type AttemptRow = z.output<typeof attemptSchema>;

export const testResultSchema = z.object({ event_id: z.string(), ...outcome }).meta({ id: 'HookTest' });
