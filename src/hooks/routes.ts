import { z } from 'zod';
import type { Context } from '../context.js';
import { ETAG, etagOf, revisionFromIfMatch } from '../http/conditions.js';
import { CURSOR_ERRORS, FILTER_ERRORS } from '../http/paging.js';
import { auditHeader } from '../http/reply.js';
import { defineRoute, type Reply, type Route } from '../http/route.js';
import { idSchema } from '../knowledge/schemas.js';
import { listAttempts } from './attempts.js';
import type { ChangedHook } from './change.js';
import { createHook } from './create.js';
import { deleteHook } from './delete.js';
import { patchHook } from './patch.js';
import { replayHook } from './replay.js';
import { rotateHook } from './rotate.js';
import { publicHook, readHook, readHooks } from './row.js';
import {
  ATTEMPTS_KEPT,
  attemptSchema,
  createHookSchema,
  hookSchema,
  hookWithSecretSchema,
  MAX_HOOK_BODY_BYTES,
  patchHookSchema,
  replaySchema,
  rotateHookSchema,
  testResultSchema,
} from './schemas.js';
import { installationSecret, secretText } from './secret.js';
import { testHook } from './test.js';

const params = z.object({ id: idSchema });
const reading = { tag: 'hooks', scope: 'hooks:read', bodyKind: 'none', maxBodyBytes: 0, write: false } as const;
const shared = { tag: 'hooks', scope: 'hooks:write', write: true } as const;
const writing = { ...shared, bodyKind: 'json', maxBodyBytes: MAX_HOOK_BODY_BYTES } as const;
const CHANGE_ERRORS = ['hook:not_found', 'revision:mismatch', 'revision:contended'] as const;
const INTEREST_ERRORS = ['hook:url_forbidden', ...FILTER_ERRORS] as const;

/** The hook as it is now, and the row of the audit log. */
function changedReply(ctx: Context, { hook, audit_id }: ChangedHook): Required<Reply> {
  const headers = { etag: etagOf(hook.row.revision), ...auditHeader(audit_id) };
  return { status: 200, body: publicHook(hook, ctx.clock()), headers };
}

/** The same with the secret: after it was made, and at no other time. */
async function secretReply(ctx: Context, status: number, changed: ChangedHook): Promise<Reply> {
  const { body, headers } = changedReply(ctx, changed);
  const { row } = changed.hook;
  const secret = secretText(await installationSecret(ctx.control), row);
  return { status, body: { ...(body as object), secret }, headers: { ...headers, location: `/v1/hooks/${row.id}` } };
}

const createRoute = defineRoute({
  ...writing,
  method: 'POST',
  path: '/v1/hooks',
  operationId: 'createHook',
  summary: 'Have changes sent to a URL',
  description:
    'Each change that the hook wants and this key may know of is sent by POST, signed as Standard Webhooks; docs/hooks.md ' +
    'has what is promised. The hook acts with the rights of this key and ends with it.',
  body: createHookSchema,
  responses: { 201: { description: 'The hook and its secret.', schema: hookWithSecretSchema, headers: ETAG } },
  errors: [...INTEREST_ERRORS, ...CURSOR_ERRORS, 'hook:too_many', 'revision:mismatch'],
  handler: async (ctx, { body }) => secretReply(ctx, 201, await createHook(ctx, body)),
});

const listRoute = defineRoute({
  ...reading,
  method: 'GET',
  path: '/v1/hooks',
  operationId: 'listHooks',
  summary: 'List the hooks that this key may see',
  responses: {
    200: {
      description: 'All of them; ACERVO_HOOKS_MAX bounds their number.',
      schema: z.object({ hooks: z.array(hookSchema) }).meta({ id: 'HookList' }),
    },
  },
  errors: [],
  handler: async (ctx) => {
    const now = ctx.clock();
    return { status: 200, body: { hooks: (await readHooks(ctx)).map((hook) => publicHook(hook, now)) } };
  },
});

const getRoute = defineRoute({
  ...reading,
  method: 'GET',
  path: '/v1/hooks/{id}',
  operationId: 'getHook',
  summary: 'Describe a hook, and how it is doing',
  params,
  responses: { 200: { description: 'The hook, without its secret.', schema: hookSchema, headers: ETAG } },
  errors: ['hook:not_found'],
  handler: async (ctx, { params: { id } }) => changedReply(ctx, { hook: await readHook(ctx, id), audit_id: undefined }),
});

const patchRoute = defineRoute({
  ...writing,
  method: 'PATCH',
  path: '/v1/hooks/{id}',
  operationId: 'patchHook',
  summary: 'Change, disable or enable a hook',
  description: 'A hook that is enabled again goes on where it stopped; replay moves it elsewhere.',
  params,
  body: patchHookSchema,
  responses: { 200: { description: 'The hook as it is now.', schema: hookSchema, headers: ETAG } },
  errors: [...CHANGE_ERRORS, ...INTEREST_ERRORS],
  handler: async (ctx, { params: { id }, body, headers }) =>
    changedReply(ctx, await patchHook(ctx, id, body, revisionFromIfMatch(headers))),
});

const deleteRoute = defineRoute({
  ...shared,
  bodyKind: 'none',
  maxBodyBytes: 0,
  method: 'DELETE',
  path: '/v1/hooks/{id}',
  operationId: 'deleteHook',
  summary: 'Delete a hook',
  params,
  responses: { 204: { description: 'Deleted; within 2 s nothing more is sent.' } },
  errors: ['hook:not_found', 'revision:mismatch'],
  handler: async (ctx, { params: { id }, headers }) => {
    const { audit_id } = await deleteHook(ctx, id, revisionFromIfMatch(headers));
    return { status: 204, headers: auditHeader(audit_id) };
  },
});

const rotateRoute = defineRoute({
  ...writing,
  method: 'POST',
  path: '/v1/hooks/{id}/rotate',
  operationId: 'rotateHook',
  summary: 'Give a hook a new secret',
  description: 'Until the grace ends deliveries carry two signatures, of the new secret and of the old one.',
  params,
  body: rotateHookSchema,
  responses: { 200: { description: 'The hook and its new secret.', schema: hookWithSecretSchema, headers: ETAG } },
  errors: CHANGE_ERRORS,
  handler: async (ctx, { params: { id }, body, headers }) =>
    secretReply(ctx, 200, await rotateHook(ctx, id, body, revisionFromIfMatch(headers))),
});

const replayRoute = defineRoute({
  ...writing,
  method: 'POST',
  path: '/v1/hooks/{id}/replay',
  operationId: 'replayHook',
  summary: 'Deliver from another place in the log',
  description:
    'Back, and what has been delivered comes again under the same ids; or on, and what lies between does not come.',
  params,
  body: replaySchema,
  responses: { 200: { description: 'The hook as it is now.', schema: hookSchema, headers: ETAG } },
  errors: [...CHANGE_ERRORS, ...CURSOR_ERRORS],
  handler: async (ctx, { params: { id }, body, headers }) =>
    changedReply(ctx, await replayHook(ctx, id, body, revisionFromIfMatch(headers))),
});

const testRoute = defineRoute({
  ...shared,
  // A retry is to be sent again.
  write: false,
  bodyKind: 'none',
  maxBodyBytes: 0,
  method: 'POST',
  path: '/v1/hooks/{id}/test',
  operationId: 'testHook',
  summary: 'Send a signed test event now',
  description: 'Once, of the type `hook.test`, whether the hook is enabled or not.',
  params,
  responses: { 200: { description: 'What came of it.', schema: testResultSchema } },
  errors: ['hook:not_found'],
  handler: async (ctx, { params: { id }, signal }) => ({ status: 200, body: await testHook(ctx, id, signal) }),
});

const attemptsRoute = defineRoute({
  ...reading,
  method: 'GET',
  path: '/v1/hooks/{id}/attempts',
  operationId: 'listHookAttempts',
  summary: 'List the last deliveries of a hook, newest first',
  params,
  query: z.object({ limit: z.coerce.number().int().min(1).max(ATTEMPTS_KEPT).default(50) }),
  responses: {
    200: {
      description: `Of the last ${ATTEMPTS_KEPT}, and of the last seven days.`,
      schema: z.object({ attempts: z.array(attemptSchema) }).meta({ id: 'HookAttempts' }),
    },
  },
  errors: ['hook:not_found'],
  handler: async (ctx, { params: { id }, query }) => ({
    status: 200,
    body: { attempts: await listAttempts(ctx, id, query.limit) },
  }),
});

export const hookRoutes: Route[] = [
  createRoute,
  listRoute,
  getRoute,
  patchRoute,
  deleteRoute,
  rotateRoute,
  replayRoute,
  testRoute,
  attemptsRoute,
];
