import { z } from 'zod';
import { defineRoute, type Route } from '../http/route.js';
import { idSchema } from '../knowledge/schemas.js';
import { listEvents } from './list.js';
import { replayEvent } from './replay.js';
import { eventPageSchema, eventSchema, listSchema } from './schemas.js';
import { receiveLetter } from './webhook.js';

const facts = { tag: 'objects', write: false } as const;
const managing = { ...facts, scope: 'objects:manage', bodyKind: 'none', maxBodyBytes: 0 } as const;

const webhookRoute = defineRoute({
  ...facts,
  method: 'POST',
  path: '/api/minio-webhook',
  operationId: 'receiveBucketEvents',
  scope: 'own',
  // Longer ones are not refused but cut: what is refused here is sent again for ever.
  bodyKind: 'bytes',
  maxBodyBytes: Number.MAX_SAFE_INTEGER,
  summary: 'Where the object store tells what has happened',
  description:
    'Takes what MinIO and AWS S3 send, with the token of MINIO_WEBHOOK_TOKEN as Authorization: Bearer instead of a key. ' +
    'Answered when the events are on disk; they are applied afterwards. What cannot be read becomes a dead letter and is ' +
    'answered 204 as well.',
  responses: { 204: { description: 'Stored.' } },
  errors: ['auth:missing', 'auth:invalid', 'database:conflict'],
  handler: async (ctx, { headers, body }) => {
    await receiveLetter(ctx, headers, body);
    return { status: 204 };
  },
});

const listRoute = defineRoute({
  ...managing,
  method: 'GET',
  path: '/v1/bucket-events',
  operationId: 'listBucketEvents',
  summary: 'List events of the object store, newest first',
  description:
    'Those of one status: the dead letters, unless another is named. Forgotten after 30 days, dead ones after 90.',
  query: listSchema,
  responses: { 200: { description: 'A page; `cursor` leads to the next.', schema: eventPageSchema } },
  errors: ['cursor:invalid', 'cursor:expired'],
  handler: async (ctx, { query }) => ({ status: 200, body: await listEvents(ctx, query) }),
});

const replayRoute = defineRoute({
  ...managing,
  method: 'POST',
  path: '/v1/bucket-events/{id}/replay',
  operationId: 'replayBucketEvent',
  summary: 'Take a dead letter up again',
  params: z.object({ id: idSchema }),
  responses: { 200: { description: 'The event, which is pending now.', schema: eventSchema } },
  errors: ['event:not_found', 'event:not_dead', 'database:conflict'],
  handler: async (ctx, { params: { id } }) => ({ status: 200, body: await replayEvent(ctx, id) }),
});

export const bucketEventRoutes: Route[] = [webhookRoute, listRoute, replayRoute];
