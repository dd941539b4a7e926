import type { z } from 'zod';
import type { Context } from '../context.js';
import type { ErrorCode } from '../errors/codes.js';
import type { Scope } from '../keys/scopes.js';

/** The parts of the API, as OpenAPI groups them. */
export const TAGS = {
  knowledge: 'Documents: store, read, change, delete.',
  search: 'Search by words, by meaning, or both.',
  artifacts: 'Files: upload, download, versions, delete, hold.',
  decisions: 'What agents decided, why, and what came of it.',
  lineage: 'What led to what.',
  sessions: 'The runs of agents: their state, their files, what they were about.',
  live: 'Changes as they are committed, without a gap.',
  hooks: 'The same changes, sent to you by signed POST requests.',
  objects: 'The object store: its events, and whether it agrees with the database.',
  audit: 'Who did what: rows, series, exports, erasure.',
  keys: 'Keys and what they may do.',
  health: 'Is it alive, ready, well?',
  docs: 'This API, described by itself.',
} as const;

/** `stream`: NDJSON; `bytes`: any content type; both are read by the handler while they come. */
export type BodyKind = 'json' | 'stream' | 'bytes' | 'none';

/** An answer. An object becomes JSON; text, bytes and streams go out as they are, with their own `content-type`. */
export interface Reply {
  status: number;
  body?: object | string;
  headers?: Record<string, string>;
}

/** What a handler reads, already checked. `body` is the parsed JSON, or the bounded byte stream of a stream route. */
export interface RouteInput<Params = unknown, Query = unknown, Body = unknown> {
  params: Params;
  query: Query;
  body: Body;
  headers: Headers;
  raw: Request;
  /** Aborted when the client leaves or the request's deadline passes. */
  signal: AbortSignal;
}

export interface ResponseFacts {
  description: string;
  schema?: z.ZodType;
  /** Default `application/json`. */
  contentType?: string;
  /** Header name → description. */
  headers?: Record<string, string>;
}

/** Does a request need a key for this route? */
export const needsKey = ({ scope }: Pick<Route, 'scope'>): boolean => scope !== 'public' && scope !== 'own';

/** A route as data: the router, the key matrix test and OpenAPI all read the same table of these. */
export interface Route {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** OpenAPI style: `/v1/knowledge/{id}`. */
  path: string;
  /** A name for generated clients, such as `getKnowledge`. */
  operationId: string;
  /** `own`: no key opens it; it checks a credential of its own (a signed URL, the webhook's token). */
  scope: Scope | 'public' | 'own';
  summary: string;
  description?: string;
  tag: keyof typeof TAGS;
  params?: z.ZodObject;
  query?: z.ZodObject;
  /** For `json` the body's schema; for `stream` the schema of one line, which the handler applies itself. */
  body?: z.ZodType;
  bodyKind: BodyKind;
  maxBodyBytes: number;
  /** True: its answers may last, and are bounded by it instead of by the bound on requests in flight. */
  ownBound?: boolean;
  /** True: `Idempotency-Key` is honoured. */
  write: boolean;
  responses: Record<number, ResponseFacts>;
  /** The codes of this route's own; those that every route of its kind has are added by OpenAPI. */
  errors: readonly ErrorCode[];
  handler(ctx: Context, input: RouteInput): Promise<Reply>;
}

type BodyOf<Kind extends BodyKind, Schema extends z.ZodType> = Kind extends 'json'
  ? z.output<Schema>
  : Kind extends 'stream' | 'bytes'
    ? ReadableStream<Uint8Array>
    : undefined;

type TypedRoute<P extends z.ZodObject, Q extends z.ZodObject, B extends z.ZodType, K extends BodyKind> = Omit<
  Route,
  'params' | 'query' | 'body' | 'bodyKind' | 'handler'
> & {
  params?: P;
  query?: Q;
  body?: B;
  bodyKind: K;
  handler(ctx: Context, input: RouteInput<z.output<P>, z.output<Q>, BodyOf<K, B>>): Promise<Reply>;
};

type NoFields = z.ZodObject<Record<never, never>>;

/**
 * Declares a route; the handler's input is typed from its schemas.
 * @throws Error at start when the path's parameters and `params` differ, or a JSON route has no body schema
 */
export function defineRoute<
  K extends BodyKind,
  P extends z.ZodObject = NoFields,
  Q extends z.ZodObject = NoFields,
  B extends z.ZodType = z.ZodUndefined,
>(route: TypedRoute<P, Q, B, K>): Route {
  const inPath = [...route.path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]);
  const declared = Object.keys(route.params?.shape ?? {});
  if (inPath.join() !== declared.join()) throw new Error(`${route.path}: its parameters and its params schema differ`);
  if ((route.bodyKind === 'json') !== (route.body !== undefined) && route.bodyKind !== 'stream')
    throw new Error(`${route.path}: a JSON route has a body schema, a route without a body has none`);
  return route;
}
