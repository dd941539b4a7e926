import { z } from 'zod';
import { ETAG, etagOf, revisionFromIfMatch } from '../http/conditions.js';
import { CURSOR_ERRORS, FILTER_ERRORS, listQuery } from '../http/paging.js';
import { auditHeader } from '../http/reply.js';
import { defineRoute, type Reply, type Route } from '../http/route.js';
import { idSchema } from '../knowledge/schemas.js';
import { search } from '../search/search.js';
import { DECISIONS } from './corpus.js';
import { createDecision } from './create.js';
import { deleteDecision } from './delete.js';
import { listDecisions } from './list.js';
import { patchDecision } from './patch.js';
import { getDecision } from './row.js';
import {
  createDecisionSchema,
  decisionDetailSchema,
  decisionHitsSchema,
  decisionPageSchema,
  patchDecisionSchema,
  type StoredDecision,
  searchDecisionsSchema,
  storedDecisionSchema,
} from './schemas.js';

const params = z.object({ id: idSchema });
const MAX_JSON_BYTES = 1_000_000;

const reading = { tag: 'decisions', scope: 'decisions:read', write: false } as const;
const writing = { tag: 'decisions', scope: 'decisions:write', write: true } as const;
const withoutBody = { bodyKind: 'none', maxBodyBytes: 0 } as const;
const withJson = { bodyKind: 'json', maxBodyBytes: MAX_JSON_BYTES } as const;

function storedReply(status: number, stored: StoredDecision): Reply {
  return { status, body: stored, headers: { etag: etagOf(stored.revision) } };
}

const createRoute = defineRoute({
  ...writing,
  ...withJson,
  method: 'POST',
  path: '/v1/decisions',
  operationId: 'createDecision',
  summary: 'Record a decision',
  description:
    'What was decided and why, the documents that it stands on (`evidence`) and the artifacts that came of it ' +
    '(`products`), all or nothing. Its outcome can be recorded later.',
  body: createDecisionSchema,
  responses: { 201: { description: 'Recorded.', schema: storedDecisionSchema, headers: ETAG } },
  errors: [
    'decision:id_unavailable',
    'knowledge:not_found',
    'artifact:not_found',
    'session:not_found',
    'knowledge:metadata_too_large',
    'vector:wrong_dimensions',
    'vector:zero',
    'auth:agent_mismatch',
  ],
  handler: async (ctx, { body, signal }) => {
    const reply = storedReply(201, await createDecision(ctx, body, signal));
    return { ...reply, headers: { ...reply.headers, location: `/v1/decisions/${(reply.body as StoredDecision).id}` } };
  },
});

const listRoute = defineRoute({
  ...reading,
  ...withoutBody,
  method: 'GET',
  path: '/v1/decisions',
  operationId: 'listDecisions',
  summary: 'List decisions by filter',
  query: z.object(listQuery('the columns of a decision and metadata.…')),
  responses: {
    200: { description: 'A page, without reasonings; `cursor` leads to the next.', schema: decisionPageSchema },
  },
  errors: [...FILTER_ERRORS, ...CURSOR_ERRORS],
  handler: async (ctx, { query }) => ({ status: 200, body: await listDecisions(ctx, query) }),
});

const searchRoute = defineRoute({
  ...reading,
  ...withJson,
  method: 'POST',
  path: '/v1/decisions/search',
  operationId: 'searchDecisions',
  summary: 'Find decisions by the words of their reasoning, by meaning, or both',
  description: 'As POST /v1/search, over decisions.',
  body: searchDecisionsSchema,
  responses: { 200: { description: 'Decisions with their best passages, best first.', schema: decisionHitsSchema } },
  errors: [
    ...FILTER_ERRORS,
    ...CURSOR_ERRORS,
    'vector:wrong_dimensions',
    'vector:zero',
    'search:nothing_to_search',
    'embedding:vector_required',
    'embedding:unavailable',
  ],
  handler: async (ctx, { body, signal }) => ({ status: 200, body: await search(ctx, DECISIONS, body, signal) }),
});

const getRoute = defineRoute({
  ...reading,
  ...withoutBody,
  method: 'GET',
  path: '/v1/decisions/{id}',
  operationId: 'getDecision',
  summary: 'Read a decision with its reasoning, evidence and products',
  params,
  responses: { 200: { description: 'The decision.', schema: decisionDetailSchema, headers: ETAG } },
  errors: ['decision:not_found'],
  handler: async (ctx, { params: { id } }) => {
    const decision = await getDecision(ctx, id);
    // Never 304: evidence goes with its documents, and the revision does not tell.
    return { status: 200, body: decision, headers: { etag: etagOf(decision.revision) } };
  },
});

const patchRoute = defineRoute({
  ...writing,
  ...withJson,
  method: 'PATCH',
  path: '/v1/decisions/{id}',
  operationId: 'patchDecision',
  summary: 'Record the outcome of a decision, or link more to it',
  description: 'Type and reasoning never change: a decision is history.',
  params,
  body: patchDecisionSchema,
  responses: { 200: { description: 'The new state.', schema: storedDecisionSchema, headers: ETAG } },
  errors: [
    'decision:not_found',
    'decision:too_many_links',
    'knowledge:not_found',
    'artifact:not_found',
    'knowledge:metadata_too_large',
    'revision:mismatch',
    'revision:contended',
  ],
  handler: async (ctx, { params: { id }, body, headers }) =>
    storedReply(200, await patchDecision(ctx, id, body, revisionFromIfMatch(headers))),
});

const deleteRoute = defineRoute({
  ...writing,
  ...withoutBody,
  method: 'DELETE',
  path: '/v1/decisions/{id}',
  operationId: 'deleteDecision',
  summary: 'Delete a decision with its passages, vectors and edges',
  params,
  responses: { 204: { description: 'Deleted.' } },
  errors: ['decision:not_found', 'revision:mismatch'],
  handler: async (ctx, { params: { id }, headers }) => {
    const { audit_id } = await deleteDecision(ctx, id, revisionFromIfMatch(headers));
    return { status: 204, headers: auditHeader(audit_id) };
  },
});

export const decisionRoutes: Route[] = [createRoute, listRoute, searchRoute, getRoute, patchRoute, deleteRoute];
