import { pino } from 'pino';
import { z } from 'zod';
import { createApp } from '../../../src/app.js';
import { readConfig } from '../../../src/config.js';
import type { Services } from '../../../src/context.js';
import { createMetrics } from '../../../src/health/metrics.js';
import type { Gate, KeyHolder } from '../../../src/http/authenticate.js';
import { defineRoute, type Route } from '../../../src/http/route.js';
import type { Database } from '../../../src/surreal/database.js';
import { NO_WARM_INDEX } from '../../../src/warm-index/port.js';
import { createAnalyzer } from '../../../src/warm-index/text/analyzer.js';

export const ALL_KEY = 'acv_everything-0123456789';
export const READ_KEY = 'acv_read-only-0123456789';
const KEYS = new Map<string, KeyHolder>([
  [ALL_KEY, { key_id: 'k-all', scopes: ['knowledge:read', 'knowledge:write', 'health:read'], agent_id: 'agent-1' }],
  [READ_KEY, { key_id: 'k-read', scopes: ['knowledge:read'] }],
]);
export const bearer = (key: string = ALL_KEY) => ({ authorization: `Bearer ${key}` });

function fakeDatabase(isReady: () => Promise<boolean>): Database {
  const untouched = () => Promise.reject(new Error('no test here talks to a database'));
  return {
    engine: { kind: 'embedded', version: '3.3.5', vectorIndex: 'hnsw' },
    query: untouched,
    run: untouched,
    transact: untouched,
    isReady,
  };
}

export interface FakeOptions {
  ready?: () => Promise<boolean>;
  controlReady?: () => Promise<boolean>;
  rateLimitPerMinute?: number;
}

/** Services over nothing; `lines` collects the log. */
export function fakeServices(options: FakeOptions = {}): Services & { lines: Record<string, unknown>[] } {
  const lines: Record<string, unknown>[] = [];
  const ready = options.ready ?? (async () => true);
  return {
    lines,
    config: { ...readConfig({}), rateLimitPerMinute: options.rateLimitPerMinute ?? 0 },
    db: fakeDatabase(ready),
    control: fakeDatabase(options.controlReady ?? ready),
    embedder: {
      available: true,
      space: { slug: 'hashing_512', provider: 'hashing', model: 'ngrams', dimensions: 512, distance: 'cosine' },
      embed: async () => [],
    },
    cursors: {} as Services['cursors'],
    live: {} as Services['live'],
    warmIndex: NO_WARM_INDEX,
    legTrust: new Map(),
    analyzer: createAnalyzer('english'),
    metrics: createMetrics({ requests: 7, failures: 1, retries: 2, texts: 30, tokens: 400 }),
    log: pino({ level: 'trace' }, { write: (line: string) => void lines.push(JSON.parse(line)) }),
    clock: () => new Date('2026-01-02T03:04:05Z'),
    objects: { list: async () => ({ objects: [], cursor: null }) } as unknown as Services['objects'],
    extractor: {} as Services['extractor'],
    lifecycle: [],
    bucketEvents: { record: async () => undefined, wake: () => undefined, onWake: () => undefined },
    openSignedUrl: undefined,
    passFaultPoint: () => undefined,
  };
}

export const gate: Gate = { authenticator: { authenticate: async (token) => KEYS.get(token) } };

export function fakeApp(routes?: readonly Route[], options: FakeOptions & { gate?: Gate } = {}) {
  const services = fakeServices(options);
  return { app: createApp(services, options.gate ?? gate, routes), services, lines: services.lines };
}

const responses = { 200: { description: 'The input, sent back.', schema: z.looseObject({}) } };
const facts = { tag: 'knowledge', summary: 'A thing', responses, errors: [] } as const;

export const readThing = defineRoute({
  ...facts,
  method: 'GET',
  path: '/v1/things/{id}',
  operationId: 'getThing',
  scope: 'knowledge:read',
  params: z.object({ id: z.string().regex(/^[a-z]{1,8}$/) }),
  query: z.object({ limit: z.coerce.number().int().max(100).default(10) }),
  bodyKind: 'none',
  maxBodyBytes: 0,
  write: false,
  handler: async (_ctx, { params, query }) => ({ status: 200, body: { id: params.id, limit: query.limit } }),
});

export const writeThing = defineRoute({
  ...facts,
  method: 'POST',
  path: '/v1/things',
  operationId: 'createThing',
  scope: 'knowledge:write',
  body: z.strictObject({
    name: z.string().max(20),
    tags: z.array(z.string()).optional(),
    extra: z.unknown().optional(),
  }),
  bodyKind: 'json',
  maxBodyBytes: 2_000_000,
  write: true,
  handler: async (ctx, { body }) => ({ status: 200, body: { name: body.name, operation: ctx.operation } }),
});

export const streamThings = defineRoute({
  ...facts,
  method: 'POST',
  path: '/v1/things/bulk',
  operationId: 'createThings',
  scope: 'knowledge:write',
  body: z.strictObject({ name: z.string() }),
  bodyKind: 'stream',
  maxBodyBytes: 100,
  write: true,
  handler: async (_ctx, { body }) => {
    let bytes = 0;
    for await (const chunk of body) bytes += chunk.byteLength;
    return { status: 200, body: { bytes } };
  },
});

export const THINGS = [readThing, writeThing, streamThings];

/** POSTs raw bytes or text to `/v1/things`. */
export function postThing(
  app: ReturnType<typeof fakeApp>['app'],
  body: string | Uint8Array | ReadableStream,
  headers: Record<string, string> = {},
): Promise<Response> {
  return Promise.resolve(
    app.request('/v1/things', {
      method: 'POST',
      headers: { ...bearer(), 'content-type': 'application/json', ...headers },
      body,
      ...(body instanceof ReadableStream ? { duplex: 'half' } : {}),
    } as RequestInit),
  );
}

export async function codeOf(response: Response): Promise<string> {
  return ((await response.json()) as { code: string }).code;
}

/** A promise and the function that settles it. */
export function deferred<Value = void>() {
  let resolve: (value: Value) => void = () => {};
  const promise = new Promise<Value>((given) => {
    resolve = given;
  });
  return { promise, resolve: (value: Value) => resolve(value) };
}
