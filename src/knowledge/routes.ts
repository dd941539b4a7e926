import { z } from 'zod';
import { NDJSON } from '../http/body.js';
import { ETAG, etagOf, insistsOnAny, insistsOnNone, revisionFromIfMatch, revisionReply } from '../http/conditions.js';
import { CURSOR_ERRORS, FILTER_ERRORS, listQuery } from '../http/paging.js';
import { auditHeader, streamOf } from '../http/reply.js';
import { defineRoute, type Route } from '../http/route.js';
import { bulkStore } from './bulk.js';
import { deleteDocument } from './delete.js';
import { getDocument } from './get.js';
import { listDocuments } from './list.js';
import { patchDocument } from './patch.js';
import { putDocument } from './put.js';
import {
  type BulkResult,
  documentSchema,
  documentWithContentSchema,
  idSchema,
  MAX_DOCUMENT_BODY_BYTES,
  patchSchema,
  putSchema,
  storedSchema,
} from './schemas.js';

const params = z.object({ id: idSchema });

async function* linesOf(results: AsyncGenerator<BulkResult>): AsyncGenerator<string> {
  for await (const result of results) yield `${JSON.stringify(result)}\n`;
}
const MAX_BULK_BYTES = 8_000_000_000;
/**
 * Results that may wait for a client which reads only when it has sent all, as many HTTP libraries do: those of 100 000
 * lines. Beyond them what is not read holds back what is read.
 */
const MAX_WAITING_RESULTS_BYTES = 16_000_000;

const DOCUMENT_ERRORS = [
  'knowledge:content_too_large',
  'knowledge:metadata_too_large',
  'knowledge:too_many_passages',
  'knowledge:word_too_long',
  'knowledge:id_unavailable',
  'vector:wrong_dimensions',
  'vector:zero',
  'embedding:unavailable',
  'embedding:rejected',
  'auth:agent_mismatch',
  'revision:mismatch',
] as const;

const SOURCE_ERRORS = [
  'artifact:not_found',
  'artifact:not_stored',
  'extraction:unsupported',
  'extraction:failed',
  'extraction:empty',
  'extraction:too_costly',
  'objects:unavailable',
  'objects:refused',
] as const;

const putRoute = defineRoute({
  method: 'POST',
  path: '/v1/knowledge',
  operationId: 'putKnowledge',
  tag: 'knowledge',
  scope: 'knowledge:write',
  summary: 'Store or replace a document',
  description:
    'Splits the content into passages, embeds them, and commits document, passages, vectors and audit row together. ' +
    'The same content and id again changes nothing. If-Match makes it a replacement only: of the revision that it ' +
    'names, or with * of any; If-None-Match: * lets it be made only. With an artifact_id and no content, the text is taken out of that ' +
    'file: plain text, Markdown, HTML, CSV, JSON, PDF, DOCX.',
  body: putSchema,
  bodyKind: 'json',
  maxBodyBytes: MAX_DOCUMENT_BODY_BYTES,
  write: true,
  responses: {
    201: { description: 'Stored as new.', schema: storedSchema, headers: ETAG },
    200: { description: 'Replaced, or unchanged.', schema: storedSchema, headers: ETAG },
  },
  errors: [...DOCUMENT_ERRORS, ...SOURCE_ERRORS],
  handler: async (ctx, { body, headers, signal }) => {
    const expectedRevision = insistsOnNone(headers) ? 0 : revisionFromIfMatch(headers);
    const expected = { expectedRevision, mustExist: insistsOnAny(headers) };
    const stored = await putDocument(ctx, body, { ...expected, signal });
    const location = { etag: etagOf(stored.revision), location: `/v1/knowledge/${stored.id}` };
    return { status: stored.status === 'created' ? 201 : 200, body: stored, headers: location };
  },
});

const bulkLineSchema = z
  .object({
    line: z.int(),
    id: idSchema.optional(),
    status: z.enum(['stored', 'unchanged', 'failed']),
    error: z
      .object({
        code: z.string(),
        detail: z.string().optional(),
        retryable: z.boolean(),
        errors: z.array(z.object({ path: z.string(), message: z.string() })),
      })
      .optional(),
  })
  .meta({ id: 'BulkResult' });

const bulkRoute = defineRoute({
  method: 'POST',
  path: '/v1/knowledge/bulk',
  operationId: 'bulkKnowledge',
  tag: 'knowledge',
  scope: 'knowledge:write',
  summary: 'Store many documents as NDJSON',
  description:
    'One document a line, as for POST /v1/knowledge; one result a line, in order, while the body is still being sent. ' +
    'Each line commits for itself: what is answered stored is there, all else can be sent again.',
  body: putSchema,
  bodyKind: 'stream',
  maxBodyBytes: MAX_BULK_BYTES,
  write: false,
  responses: { 200: { description: 'A result a line.', schema: bulkLineSchema, contentType: NDJSON } },
  errors: ['bulk:line_too_large', 'bulk:too_many_lines'],
  handler: async (ctx, { body, signal }) => {
    const waiting = new ByteLengthQueuingStrategy({ highWaterMark: MAX_WAITING_RESULTS_BYTES });
    const results = streamOf(linesOf(bulkStore(ctx, body, signal)), waiting);
    return { status: 200, body: results, headers: { 'content-type': NDJSON } };
  },
});

const listRoute = defineRoute({
  method: 'GET',
  path: '/v1/knowledge',
  operationId: 'listKnowledge',
  tag: 'knowledge',
  scope: 'knowledge:read',
  summary: 'List documents by filter',
  query: z.object(listQuery('the columns of a document and metadata.…')),
  bodyKind: 'none',
  maxBodyBytes: 0,
  write: false,
  responses: {
    200: {
      description: 'A page, without contents; `cursor` leads to the next.',
      schema: z
        .object({ documents: z.array(documentSchema), cursor: z.string().optional() })
        .meta({ id: 'KnowledgePage' }),
    },
  },
  errors: [...FILTER_ERRORS, ...CURSOR_ERRORS],
  handler: async (ctx, { query }) => ({ status: 200, body: await listDocuments(ctx, query) }),
});

const getRoute = defineRoute({
  method: 'GET',
  path: '/v1/knowledge/{id}',
  operationId: 'getKnowledge',
  tag: 'knowledge',
  scope: 'knowledge:read',
  summary: 'Read a document with its content',
  params,
  bodyKind: 'none',
  maxBodyBytes: 0,
  write: false,
  responses: {
    200: { description: 'The document.', schema: documentWithContentSchema, headers: ETAG },
    304: { description: 'If-None-Match names the current revision.' },
  },
  errors: ['knowledge:not_found'],
  handler: async (ctx, { params: { id }, headers }) => {
    const document = await getDocument(ctx, id);
    return revisionReply(headers, document.revision, document);
  },
});

const patchRoute = defineRoute({
  method: 'PATCH',
  path: '/v1/knowledge/{id}',
  operationId: 'patchKnowledge',
  tag: 'knowledge',
  scope: 'knowledge:write',
  summary: 'Change parts of a document',
  description: 'A new title or content is split and embedded anew; anything else touches no passage.',
  params,
  body: patchSchema,
  bodyKind: 'json',
  maxBodyBytes: MAX_DOCUMENT_BODY_BYTES,
  write: true,
  responses: { 200: { description: 'The new state.', schema: storedSchema, headers: ETAG } },
  errors: [...DOCUMENT_ERRORS, 'knowledge:not_found', 'knowledge:caller_passages', 'revision:contended'],
  handler: async (ctx, { params: { id }, body, headers }) => {
    const stored = await patchDocument(ctx, id, body, revisionFromIfMatch(headers));
    return { status: 200, body: stored, headers: { etag: etagOf(stored.revision) } };
  },
});

const deleteRoute = defineRoute({
  method: 'DELETE',
  path: '/v1/knowledge/{id}',
  operationId: 'deleteKnowledge',
  tag: 'knowledge',
  scope: 'knowledge:write',
  summary: 'Delete a document with its passages and vectors',
  params,
  bodyKind: 'none',
  maxBodyBytes: 0,
  write: true,
  responses: { 204: { description: 'Deleted.' } },
  errors: ['knowledge:not_found', 'revision:mismatch'],
  handler: async (ctx, { params: { id }, headers }) => {
    const { audit_id } = await deleteDocument(ctx, id, revisionFromIfMatch(headers));
    return { status: 204, headers: auditHeader(audit_id) };
  },
});

export const knowledgeRoutes: Route[] = [putRoute, bulkRoute, listRoute, getRoute, patchRoute, deleteRoute];
