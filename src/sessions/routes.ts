import { z } from 'zod';
import { artifactSchema } from '../artifacts/schemas.js';
import { ETAG, etagOf, revisionFromIfMatch, revisionReply } from '../http/conditions.js';
import { CURSOR_ERRORS, FILTER_ERRORS, listQuery, pageQuery } from '../http/paging.js';
import { auditHeader } from '../http/reply.js';
import { defineRoute, type Reply, type Route } from '../http/route.js';
import { idSchema } from '../knowledge/schemas.js';
import { attachArtifacts, detachArtifact, listSessionArtifacts } from './artifacts.js';
import type { ChangedSession } from './change.js';
import { createSession } from './create.js';
import { deleteSession } from './delete.js';
import { listSessions } from './list.js';
import { patchSession } from './patch.js';
import { publicSession, readSession } from './row.js';
import {
  attachSchema,
  createSessionSchema,
  patchSessionSchema,
  putVectorsSchema,
  searchSessionsSchema,
  sessionHitsSchema,
  sessionSchema,
  sessionStatusSchema,
  sessionSummarySchema,
} from './schemas.js';
import { searchSessions } from './search.js';
import { putVectors } from './vectors.js';

const params = z.object({ id: idSchema });
/** 256 KB of state as JSON with escapes, or 16 vectors. */
const MAX_JSON_BYTES = 2_000_000;

const shared = { tag: 'sessions', maxBodyBytes: MAX_JSON_BYTES } as const;
const reading = { ...shared, scope: 'sessions:read', write: false, maxBodyBytes: 0, bodyKind: 'none' } as const;
const writing = { ...shared, scope: 'sessions:write', write: true } as const;
const withoutBody = { bodyKind: 'none', maxBodyBytes: 0 } as const;
const now200 = { 200: { description: 'The session as it is now.', schema: sessionSchema, headers: ETAG } };
const CHANGE_ERRORS = ['session:not_found', 'revision:mismatch', 'revision:contended'] as const;
const VECTOR_ERRORS = [
  'vector:wrong_dimensions',
  'vector:zero',
  'embedding:vector_required',
  'embedding:unavailable',
  'embedding:rejected',
] as const;

/** The session as it is now, and the row of the audit log. */
function changedReply({ session, audit_id }: ChangedSession): Reply {
  const headers = { etag: etagOf(session.revision), ...auditHeader(audit_id) };
  return { status: 200, body: publicSession(session), headers };
}

const createRoute = defineRoute({
  ...writing,
  method: 'POST',
  path: '/v1/sessions',
  operationId: 'createSession',
  summary: 'Begin a session',
  description: 'It is active. A session in which nothing happens for ACERVO_SESSION_IDLE_SECONDS is abandoned.',
  body: createSessionSchema,
  bodyKind: 'json',
  responses: { 201: { description: 'Begun.', schema: sessionSchema, headers: ETAG } },
  errors: [
    'session:id_unavailable',
    'session:state_too_large',
    'knowledge:metadata_too_large',
    'auth:agent_mismatch',
    'revision:mismatch',
  ],
  handler: async (ctx, { body }) => {
    const reply = changedReply(await createSession(ctx, body));
    const { id } = reply.body as { id: string };
    return { ...reply, status: 201, headers: { ...reply.headers, location: `/v1/sessions/${id}` } };
  },
});

const listRoute = defineRoute({
  ...reading,
  method: 'GET',
  path: '/v1/sessions',
  operationId: 'listSessions',
  summary: 'List sessions by user, agent, status, date, state',
  query: z.object({
    ...listQuery('the columns of a session, metadata.… and state.…'),
    user: z.string().min(1).max(200).optional(),
    agent_id: idSchema.optional(),
    status: sessionStatusSchema.optional(),
  }),
  responses: {
    200: {
      description: 'A page, without the states; `cursor` leads to the next.',
      schema: z
        .object({ sessions: z.array(sessionSummarySchema), cursor: z.string().optional() })
        .meta({ id: 'SessionPage' }),
    },
  },
  errors: [...FILTER_ERRORS, ...CURSOR_ERRORS],
  handler: async (ctx, { query }) => ({ status: 200, body: await listSessions(ctx, query) }),
});

const searchRoute = defineRoute({
  ...reading,
  ...shared,
  method: 'POST',
  path: '/v1/sessions/search',
  operationId: 'searchSessions',
  summary: 'Find sessions by their vectors',
  description: 'By the cosine of the best vector of each; never shorter than `limit` while more sessions match.',
  body: searchSessionsSchema,
  bodyKind: 'json',
  responses: { 200: { description: 'Sessions without their states, best first.', schema: sessionHitsSchema } },
  errors: ['search:nothing_to_search', ...VECTOR_ERRORS, ...FILTER_ERRORS],
  handler: async (ctx, { body, signal }) => ({ status: 200, body: { hits: await searchSessions(ctx, body, signal) } }),
});

const getRoute = defineRoute({
  ...reading,
  method: 'GET',
  path: '/v1/sessions/{id}',
  operationId: 'getSession',
  summary: 'Read a session with its state',
  params,
  responses: { ...now200, 304: { description: 'If-None-Match names the current revision.' } },
  errors: ['session:not_found'],
  handler: async (ctx, { params: { id }, headers }) => {
    const session = await readSession(ctx, id);
    return revisionReply(headers, session.revision, publicSession(session));
  },
});

const patchRoute = defineRoute({
  ...writing,
  method: 'PATCH',
  path: '/v1/sessions/{id}',
  operationId: 'patchSession',
  summary: 'Change state, status or metadata of a session',
  description:
    'Without If-Match the patch is applied to what is current, so that patches of several writers all come through. ' +
    'active can become paused, completed, failed, abandoned; paused can become active, failed, abandoned; what is ' +
    'finished stays so, and its state with it.',
  params,
  body: patchSessionSchema,
  bodyKind: 'json',
  responses: now200,
  errors: [
    ...CHANGE_ERRORS,
    'session:illegal_transition',
    'session:finished',
    'session:state_too_large',
    'knowledge:metadata_too_large',
  ],
  handler: async (ctx, { params: { id }, body, headers }) =>
    changedReply(await patchSession(ctx, id, body, revisionFromIfMatch(headers))),
});

const deleteRoute = defineRoute({
  ...writing,
  ...withoutBody,
  method: 'DELETE',
  path: '/v1/sessions/{id}',
  operationId: 'deleteSession',
  summary: 'Delete a session with its vectors',
  description: 'Its artifacts stay.',
  params,
  responses: { 204: { description: 'Deleted.' } },
  errors: ['session:not_found', 'revision:mismatch'],
  handler: async (ctx, { params: { id }, headers }) => {
    const { audit_id } = await deleteSession(ctx, id, revisionFromIfMatch(headers));
    return { status: 204, headers: auditHeader(audit_id) };
  },
});

const attachRoute = defineRoute({
  ...writing,
  method: 'POST',
  path: '/v1/sessions/{id}/artifacts',
  operationId: 'attachSessionArtifacts',
  summary: 'Say that a session produced artifacts',
  description: 'All or none; those that it has already change nothing. Needs artifacts:read too.',
  params,
  body: attachSchema,
  bodyKind: 'json',
  responses: now200,
  errors: [...CHANGE_ERRORS, 'artifact:not_found'],
  handler: async (ctx, { params: { id }, body, headers }) =>
    changedReply(await attachArtifacts(ctx, id, body.artifact_ids, revisionFromIfMatch(headers))),
});

const artifactsRoute = defineRoute({
  ...reading,
  method: 'GET',
  path: '/v1/sessions/{id}/artifacts',
  operationId: 'listSessionArtifacts',
  summary: 'List the artifacts of a session',
  description: 'Those that the key may read. Needs artifacts:read too.',
  params,
  query: z.object(pageQuery),
  responses: {
    200: {
      description: 'A page in the order of their ids; `cursor` leads to the next.',
      schema: z
        .object({ artifacts: z.array(artifactSchema), cursor: z.string().optional() })
        .meta({ id: 'SessionArtifacts' }),
    },
  },
  errors: ['session:not_found', ...CURSOR_ERRORS],
  handler: async (ctx, { params: { id }, query }) => ({
    status: 200,
    body: await listSessionArtifacts(ctx, id, query),
  }),
});

const detachRoute = defineRoute({
  ...writing,
  ...withoutBody,
  method: 'DELETE',
  path: '/v1/sessions/{id}/artifacts/{artifact_id}',
  operationId: 'detachSessionArtifact',
  summary: 'Take an artifact from a session',
  description: 'The artifact itself stays. Needs artifacts:read too.',
  params: params.extend({ artifact_id: idSchema }),
  responses: { 204: { description: 'Taken.', headers: ETAG } },
  errors: [...CHANGE_ERRORS, 'artifact:not_found'],
  handler: async (ctx, { params: { id, artifact_id }, headers }) => {
    const { headers: told } = changedReply(await detachArtifact(ctx, id, artifact_id, revisionFromIfMatch(headers)));
    return { status: 204, ...(told === undefined ? {} : { headers: told }) };
  },
});

const vectorsRoute = defineRoute({
  ...writing,
  method: 'PUT',
  path: '/v1/sessions/{id}/vectors',
  operationId: 'putSessionVectors',
  summary: 'Replace the vectors that a session is found by',
  description: 'Up to 16, each under a name of its own; texts are embedded here and not kept. All or none.',
  params,
  body: putVectorsSchema,
  bodyKind: 'json',
  responses: now200,
  errors: [...CHANGE_ERRORS, ...VECTOR_ERRORS],
  handler: async (ctx, { params: { id }, body, headers, signal }) =>
    changedReply(await putVectors(ctx, id, body.vectors, { expectedRevision: revisionFromIfMatch(headers), signal })),
});

export const sessionRoutes: Route[] = [
  createRoute,
  listRoute,
  searchRoute,
  getRoute,
  patchRoute,
  deleteRoute,
  attachRoute,
  artifactsRoute,
  detachRoute,
  vectorsRoute,
];
