import { z } from 'zod';
import { agentIdSchema } from '../knowledge/schemas.js';
import { partsOfAuditId } from './id.js';
import { BUCKETS, GROUPINGS } from './series.js';

const time = z.iso.datetime({ offset: true });
const text = z
  .string()
  .min(1)
  .max(200)
  .regex(/^[^\p{Cc}\p{Cs}]+$/u, 'must have no control characters');

const actionSchema = z.enum(['CREATE', 'READ', 'UPDATE', 'DELETE']);
const statusSchema = z.enum(['SUCCESS', 'FAILURE', 'DENIED', 'EXPIRED']);

export const auditIdSchema = z
  .string()
  .regex(
    /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/,
    'must be an id of the audit log, as in acervo-audit-id',
  )
  .refine((id) => !Number.isNaN(Date.parse(partsOfAuditId(id)[0])), 'names no time');

export const auditRowSchema = z
  .object({
    id: z.string(),
    timestamp: z.iso.datetime(),
    action: actionSchema,
    status: statusSchema,
    resource: z.string().meta({ example: 'artifact:quarterly-report' }),
    revision: z.int().optional(),
    agent_id: z.string().optional(),
    key_id: z.string().optional(),
    request_id: z.string().optional(),
    address: z.string().optional(),
    user_agent: z.string().optional(),
    code: z.string().optional().meta({ description: 'Why it failed, or was denied.' }),
    old_digest: z.string().optional().meta({ description: 'Salted digest of the state before.' }),
    new_digest: z.string().optional().meta({ description: 'Salted digest of the state after.' }),
  })
  .meta({ id: 'AuditRow' });

const values = z.record(z.string(), z.unknown()).optional();

export const auditEntrySchema = auditRowSchema
  .extend({
    old: values.meta({ description: 'Columns before the change, unless erased or not kept.' }),
    new: values.meta({ description: 'Columns after the change, unless erased or not kept.' }),
  })
  .meta({ id: 'AuditEntry' });

export const listQuery = z.object({
  from: time.optional().meta({ description: 'From this time on.' }),
  to: time.optional().meta({ description: 'Before this time.' }),
  agent_id: agentIdSchema.optional(),
  key_id: text.optional(),
  user: text
    .optional()
    .meta({ description: 'Of whom the values say it; rows whose values were erased are not found.' }),
  action: actionSchema.optional(),
  status: statusSchema.optional(),
  resource: text.optional().meta({ description: '`artifact:ID` for one, `artifact` for all of a kind.' }),
  order: z.enum(['asc', 'desc']).default('desc').meta({ description: 'desc: newest first.' }),
  limit: z.coerce.number().int().min(1).max(500).optional().meta({ description: 'Of a page; default 50.' }),
  cursor: z.string().max(2000).optional(),
  format: z.enum(['json', 'csv', 'ndjson']).optional().meta({
    description: 'csv and ndjson: all rows as a stream, without limit and cursor. Default: by Accept, else json.',
  }),
});

export const seriesQuery = z.object({
  bucket: z.enum(BUCKETS).default('1h'),
  by: z.enum(GROUPINGS).default('none'),
  field: z.enum(['size_bytes']).optional().meta({ description: 'Also its sum and average.' }),
  from: time,
  to: time.optional().meta({ description: 'Default: now.' }),
  agent_id: agentIdSchema.optional(),
  action: actionSchema.optional(),
  status: statusSchema.optional(),
  resource_kind: text.optional().meta({ example: 'artifact' }),
});

export const seriesSchema = z
  .object({
    bucket: z.enum(BUCKETS),
    from: z.iso.datetime(),
    to: z.iso.datetime(),
    by: z.enum(GROUPINGS),
    source: z.enum(['rollup', 'raw', 'both']).meta({ description: 'What has been read; all of them are complete.' }),
    points: z.array(
      z.object({
        bucket_start: z.iso.datetime(),
        key: z.string().optional().meta({ description: 'What `by` names.' }),
        count: z.int(),
        sum: z.number().optional(),
        average: z.number().optional().meta({ description: 'Over the rows that have the field.' }),
      }),
    ),
  })
  .meta({ id: 'AuditSeries' });

export const eraseSchema = z
  .strictObject({ resource: text.regex(/^[a-z_-]+:\S+$/, 'must be of one resource, such as knowledge:ID') })
  .meta({ id: 'AuditErasure' });

export const erasedSchema = z
  .object({
    erased: z.int().meta({ description: 'Rows whose values and salt are gone.' }),
    complete: z.boolean().meta({ description: 'false: there are more; ask again.' }),
  })
  .meta({ id: 'AuditErased' });
