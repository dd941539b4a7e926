import { z } from 'zod';
import { AcervoError } from '../errors/error.js';
import { NDJSON } from '../http/body.js';
import { auditHeader } from '../http/reply.js';
import { defineRoute, type Route } from '../http/route.js';
import { eraseValues } from './erase.js';
import { type ExportFormat, exportAudit } from './export.js';
import { getAudit, listAudit } from './list.js';
import {
  auditEntrySchema,
  auditIdSchema,
  auditRowSchema,
  erasedSchema,
  eraseSchema,
  listQuery,
  seriesQuery,
  seriesSchema,
} from './schemas.js';
import { auditSeries } from './series.js';

const DEFAULT_LIMIT = 50;
const CSV = 'text/csv; charset=utf-8; header=present';

const reading = {
  method: 'GET',
  tag: 'audit',
  scope: 'audit:read',
  bodyKind: 'none',
  maxBodyBytes: 0,
  write: false,
} as const;

function formatOf(asked: ExportFormat | 'json' | undefined, headers: Headers): ExportFormat | 'json' {
  const accept = headers.get('accept') ?? '';
  if (asked !== undefined) return asked;
  return accept.includes('text/csv') ? 'csv' : accept.includes(NDJSON) ? 'ndjson' : 'json';
}

function refusePaging(query: { limit?: number | undefined; cursor?: string | undefined }): void {
  const faults = (['limit', 'cursor'] as const)
    .filter((name) => query[name] !== undefined)
    .map((name) => ({ path: `query.${name}`, message: 'is for pages of JSON; a stream has all rows' }));
  if (faults.length > 0) throw new AcervoError('request:invalid', { faults });
}

const listRoute = defineRoute({
  ...reading,
  path: '/v1/audit',
  operationId: 'listAudit',
  summary: 'Who did what, when, and how it ended',
  description:
    'Pages of JSON; or, with `Accept: text/csv` or `application/x-ndjson` or with `format`, all rows as a stream. A ' +
    'page can be shorter than `limit`, even empty, and still have a cursor. A bound key sees the rows of its agent.',
  query: listQuery,
  responses: {
    200: {
      description: 'A page.',
      schema: z.object({ rows: z.array(auditRowSchema), cursor: z.string().optional() }),
    },
  },
  errors: ['cursor:invalid', 'cursor:expired'],
  handler: async (ctx, { query, headers }) => {
    const { format: asked, limit = DEFAULT_LIMIT, cursor, ...filter } = query;
    const format = formatOf(asked, headers);
    if (format === 'json') return { status: 200, body: await listAudit(ctx, { ...filter, limit, cursor }) };
    refusePaging(query);
    return {
      status: 200,
      body: exportAudit(ctx, filter, format),
      headers: {
        'content-type': format === 'csv' ? CSV : NDJSON,
        'content-disposition': `attachment; filename="audit.${format}"`,
      },
    };
  },
});

const seriesRoute = defineRoute({
  ...reading,
  path: '/v1/audit/series',
  operationId: 'auditSeries',
  summary: 'How much of what, over time',
  description: 'Only buckets with rows have a point. `from` and `to` are widened to the borders of buckets in UTC.',
  query: seriesQuery,
  responses: { 200: { description: 'At most 20 000 points.', schema: seriesSchema } },
  errors: [],
  handler: async (ctx, { query }) => ({ status: 200, body: await auditSeries(ctx, query) }),
});

const getRoute = defineRoute({
  ...reading,
  path: '/v1/audit/{id}',
  operationId: 'getAudit',
  summary: 'One row, with the values before and after',
  params: z.object({ id: auditIdSchema }),
  responses: { 200: { description: 'The row.', schema: auditEntrySchema } },
  errors: ['audit:not_found'],
  handler: async (ctx, { params: { id } }) => ({ status: 200, body: await getAudit(ctx, id) }),
});

const eraseRoute = defineRoute({
  method: 'POST',
  path: '/v1/audit/erase',
  operationId: 'eraseAuditValues',
  tag: 'audit',
  scope: 'audit:erase',
  summary: 'Drop the values that the log keeps of a resource',
  description: 'For personal data. Rows and digests stay; without the salts nobody can tell what they were made of.',
  bodyKind: 'json',
  maxBodyBytes: 1_000,
  write: true,
  body: eraseSchema,
  responses: { 200: { description: 'What was done.', schema: erasedSchema } },
  errors: [],
  handler: async (ctx, { body: { resource } }) => {
    const { audit_id, ...erased } = await eraseValues(ctx, resource);
    return { status: 200, body: erased, headers: auditHeader(audit_id) };
  },
});

/** Fixed paths before `{id}`, which would take them. */
export const auditRoutes: Route[] = [listRoute, seriesRoute, eraseRoute, getRoute];
