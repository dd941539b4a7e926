import { z } from 'zod';
import { CURSOR_ERRORS, FILTER_ERRORS } from '../http/paging.js';
import { defineRoute, type Route } from '../http/route.js';
import { HEARTBEAT_SECONDS, MAX_MESSAGE_BYTES, MAX_SUBSCRIPTIONS } from './bounds.js';
import { readChanges } from './changes.js';
import { changeSchema, changesQuerySchema } from './schemas.js';
import { streamChanges } from './sse.js';

const EVENT_STREAM = 'text/event-stream';

const reading = {
  method: 'GET',
  tag: 'live',
  scope: 'changes:read',
  bodyKind: 'none',
  maxBodyBytes: 0,
  write: false,
  ownBound: true,
} as const;

export const liveRoutes: Route[] = [
  defineRoute({
    ...reading,
    path: '/v1/changes',
    operationId: 'listChanges',
    summary: 'Follow changes, by pages or as server-sent events',
    description:
      'Every committed change at least once, of the kinds that the key may read. With `Accept: text/event-stream` a stream, ' +
      'which `Last-Event-ID` resumes; else a page, for which `wait_seconds` waits. docs/live.md has the protocol.',
    query: changesQuerySchema,
    responses: {
      200: {
        description: 'A page; `cursor` leads to the next.',
        schema: z
          .object({ changes: z.array(changeSchema), cursor: z.string(), more: z.boolean() })
          .meta({ id: 'ChangePage' }),
      },
    },
    errors: [...FILTER_ERRORS, ...CURSOR_ERRORS, 'request:overloaded'],
    handler: async (ctx, { query, headers, signal }) => {
      if (!headers.get('accept')?.includes(EVENT_STREAM))
        return { status: 200, body: await readChanges(ctx, query, signal) };
      const after = headers.get('last-event-id') ?? query.after;
      const body = await streamChanges(ctx, { ...query, after });
      return { status: 200, body, headers: { 'content-type': EVENT_STREAM, 'x-accel-buffering': 'no' } };
    },
  }),
  defineRoute({
    ...reading,
    path: '/v1/live',
    operationId: 'openLive',
    summary: 'Follow changes over a WebSocket',
    description:
      'Many subscriptions on one socket, each with a filter, a snapshot if wanted, and a cursor to resume from. Browsers send ' +
      'their key as the first message. docs/live.md has the protocol.',
    responses: {
      101: { description: 'The socket is open.' },
      200: {
        description: 'Without an upgrade: this key may open a socket, and these are its bounds.',
        schema: z
          .object({ heartbeat_seconds: z.int(), max_subscriptions: z.int(), max_message_bytes: z.int() })
          .meta({ id: 'LiveBounds' }),
      },
    },
    errors: [],
    handler: async () => ({
      status: 200,
      body: {
        heartbeat_seconds: HEARTBEAT_SECONDS,
        max_subscriptions: MAX_SUBSCRIPTIONS,
        max_message_bytes: MAX_MESSAGE_BYTES,
      },
    }),
  }),
];
