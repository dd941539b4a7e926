import { z } from 'zod';
import { filterOfText } from '../search/filter/parse.js';
import { KINDS } from './change.js';

export const MAX_CHANGES = 1_000;
export const MAX_WAIT_SECONDS = 30;
const MAX_FILTER_CHARS = 20_000;

const kindSchema = z.enum(KINDS);
const resourceSchema = z.string().min(3).max(200).meta({ description: 'One resource, such as `knowledge:ID`.' });
const cursorSchema = z.string().max(2_000);

export const changeSchema = z
  .object({
    id: z.string(),
    resource: z.string(),
    kind: kindSchema,
    action: z.enum(['CREATE', 'UPDATE', 'DELETE']),
    status: z.enum(['SUCCESS', 'FAILURE', 'DENIED', 'EXPIRED']),
    revision: z.int(),
    agent_id: z.string().optional(),
    timestamp: z.iso.datetime(),
    columns: z.record(z.string(), z.unknown()).optional(),
    repeat: z.literal(true).optional().meta({ description: 'It may have been given before; dedupe by `id`.' }),
  })
  .meta({ id: 'Change', description: 'An invalidation: fetch the resource for its content.' });

/** The query of GET /v1/changes. */
export const changesQuerySchema = z.object({
  kinds: z
    .string()
    .transform((text) => text.split(','))
    .pipe(z.array(kindSchema).min(1).max(KINDS.length))
    .optional()
    .meta({ description: `Comma-separated, of ${KINDS.join(', ')}.` }),
  resource: resourceSchema.optional(),
  filter: z
    .string()
    .max(MAX_FILTER_CHARS)
    .transform(filterOfText)
    .optional()
    .meta({ description: 'A filter as in search, as JSON, over the columns of the changes.' }),
  columns: z.stringbool().default(false).meta({ description: 'Send the columns that filters look at.' }),
  after: cursorSchema.optional().meta({ description: 'A cursor of an earlier answer; without it: from now on.' }),
  limit: z.coerce.number().int().min(1).max(MAX_CHANGES).default(100),
  wait_seconds: z.coerce.number().int().min(0).max(MAX_WAIT_SECONDS).default(0),
});

export type ChangesQuery = z.output<typeof changesQuerySchema>;

const subscriptionSchema = z.string().regex(/^[A-Za-z0-9._-]{1,64}$/);

/** What a client may say on a socket. */
export const clientMessageSchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('authenticate'), key: z.string().min(1).max(512) }),
  z.strictObject({
    type: z.literal('subscribe'),
    subscription: subscriptionSchema,
    kinds: z.array(kindSchema).min(1).max(KINDS.length).optional(),
    resource: resourceSchema.optional(),
    filter: z.unknown().optional(),
    columns: z.boolean().default(false),
    snapshot: z.boolean().default(false),
    after: cursorSchema.optional(),
  }),
  z.strictObject({ type: z.literal('unsubscribe'), subscription: subscriptionSchema }),
  z.strictObject({ type: z.literal('ping') }),
]);

export type ClientMessage = z.output<typeof clientMessageSchema>;
export type Subscribe = Extract<ClientMessage, { type: 'subscribe' }>;
