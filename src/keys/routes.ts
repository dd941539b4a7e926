import { z } from 'zod';
import { CURSOR_ERRORS, pageQuery } from '../http/paging.js';
import { defineRoute, type Route } from '../http/route.js';
import { idSchema } from '../knowledge/schemas.js';
import { createKey } from './create.js';
import { getKey } from './get.js';
import { listKeys } from './list.js';
import { revokeKey } from './revoke.js';
import { rotateKey } from './rotate.js';
import {
  createSchema,
  keyPageSchema,
  keySchema,
  keyWithTokenSchema,
  MAX_KEY_BODY_BYTES,
  rotateSchema,
} from './schemas.js';

const params = z.object({ id: idSchema });
const managing = { tag: 'keys', scope: 'keys:manage' } as const;
const bodiless = { ...managing, bodyKind: 'none', maxBodyBytes: 0, write: false } as const;
const writing = { ...managing, bodyKind: 'json', maxBodyBytes: MAX_KEY_BODY_BYTES, write: true } as const;
const LOCATION = { location: 'Where the key is described.' };

const createRoute = defineRoute({
  ...writing,
  method: 'POST',
  path: '/v1/keys',
  operationId: 'createKey',
  summary: 'Make a key',
  description:
    'The token is shown in this answer and never again. Sent again under the same Idempotency-Key the request makes ' +
    'no second key and answers `key:exists`; a token that was lost is replaced by rotating its key.',
  body: createSchema,
  responses: { 201: { description: 'The key and its token.', schema: keyWithTokenSchema, headers: LOCATION } },
  errors: ['auth:agent_mismatch', 'key:exists', 'database:conflict'],
  handler: async (ctx, { body }) => {
    const key = await createKey(ctx, body);
    return { status: 201, body: key, headers: { location: `/v1/keys/${key.id}` } };
  },
});

const listRoute = defineRoute({
  ...bodiless,
  method: 'GET',
  path: '/v1/keys',
  operationId: 'listKeys',
  summary: 'List keys, newest first',
  description: 'A key that is bound to an agent sees the keys of that agent.',
  query: z.object({
    include_revoked: z.enum(['true', 'false']).default('false'),
    ...pageQuery,
  }),
  responses: { 200: { description: 'A page; `cursor` leads to the next.', schema: keyPageSchema } },
  errors: CURSOR_ERRORS,
  handler: async (ctx, { query }) => ({
    status: 200,
    body: await listKeys(ctx, { ...query, include_revoked: query.include_revoked === 'true' }),
  }),
});

const getRoute = defineRoute({
  ...bodiless,
  method: 'GET',
  path: '/v1/keys/{id}',
  operationId: 'getKey',
  summary: 'Describe a key',
  params,
  responses: { 200: { description: 'The key, without its token.', schema: keySchema } },
  errors: ['key:not_found'],
  handler: async (ctx, { params: { id } }) => ({ status: 200, body: await getKey(ctx, id) }),
});

const rotateRoute = defineRoute({
  ...writing,
  method: 'POST',
  path: '/v1/keys/{id}/rotate',
  operationId: 'rotateKey',
  summary: 'Put a new key in the place of one',
  description:
    'The new key has the same name, scopes, agent and expiry. Give a grace when the answer must not be lost: until ' +
    'it ends the old token works too.',
  params,
  body: rotateSchema,
  responses: { 201: { description: 'The new key and its token.', schema: keyWithTokenSchema, headers: LOCATION } },
  errors: ['key:not_found', 'key:ended', 'key:configured', 'key:exists', 'database:conflict'],
  handler: async (ctx, { params: { id }, body }) => {
    const key = await rotateKey(ctx, id, body);
    return { status: 201, body: key, headers: { location: `/v1/keys/${key.id}` } };
  },
});

const revokeRoute = defineRoute({
  ...bodiless,
  method: 'DELETE',
  path: '/v1/keys/{id}',
  operationId: 'revokeKey',
  summary: 'Revoke a key',
  description: 'Effective at once on this node, within 5 seconds on others. Revoking it again changes nothing.',
  params,
  responses: { 204: { description: 'It does not work any more.' } },
  errors: ['key:not_found', 'key:last_admin', 'key:configured', 'database:conflict'],
  handler: async (ctx, { params: { id } }) => {
    await revokeKey(ctx, id);
    return { status: 204 };
  },
});

export const keyRoutes: Route[] = [createRoute, listRoute, getRoute, rotateRoute, revokeRoute];
