import { z } from 'zod';
import { ERROR_CODES, type ErrorCode } from '../errors/codes.js';
import { SCOPES } from '../keys/scopes.js';
import { VERSION } from '../version.js';
import { NDJSON } from './body.js';
import { type Components, schemaWriter } from './openapi-schemas.js';
import { needsKey, type Route, TAGS } from './route.js';

const problemSchema = z
  .object({
    type: z.string().describe('Where this error is documented.'),
    title: z.string(),
    status: z.int(),
    code: z.enum(Object.keys(ERROR_CODES) as [ErrorCode, ...ErrorCode[]]),
    detail: z.string().optional(),
    request_id: z.string(),
    retryable: z.boolean().describe('Can the same request, sent again later, succeed?'),
    errors: z.array(z.object({ path: z.string(), message: z.string() })),
  })
  .meta({ id: 'Problem', description: 'RFC 9457 problem document.' });

const BODY_TYPES = { json: 'application/json', stream: NDJSON, bytes: '*/*' } as const;

/** The codes that a route has because of its kind; its own come on top. Authentication asks the database. */
function errorsOf(route: Route): ErrorCode[] {
  const codes: ErrorCode[] = ['request:invalid', 'request:malformed_utf8', 'request:forbidden_key'];
  if (needsKey(route))
    codes.push(
      'auth:missing',
      'auth:invalid',
      'auth:scope_missing',
      'request:rate_limited',
      'request:overloaded',
      'database:unavailable',
    );
  if (route.bodyKind === 'json' || route.bodyKind === 'none') codes.push('request:timeout');
  if (route.bodyKind !== 'none') codes.push('request:too_large');
  if (route.bodyKind === 'json' || route.bodyKind === 'stream')
    codes.push('request:malformed_json', 'request:unsupported_media_type');
  if (route.write) codes.push('idempotency:key_reused', 'idempotency:in_flight');
  return [...new Set([...codes, ...route.errors, 'internal:unexpected' as const])];
}

function errorResponses(route: Route, problem: object): Record<string, object> {
  const byStatus = new Map<number, ErrorCode[]>();
  for (const code of errorsOf(route)) {
    const { status } = ERROR_CODES[code];
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  return Object.fromEntries(
    [...byStatus].map(([status, codes]) => [
      String(status),
      {
        description: codes.map((code) => `\`${code}\`: ${ERROR_CODES[code].title}`).join('\n'),
        content: { 'application/problem+json': { schema: problem } },
      },
    ]),
  );
}

function parametersOf(route: Route, write: (schema: z.ZodType) => Components): object[] {
  const fieldsOf = (schema: z.ZodObject | undefined, place: 'path' | 'query') =>
    Object.entries(schema?.shape ?? {}).map(([name, field]) => {
      const { description, ...written } = write(field as z.ZodType);
      // What may be left out is what the schema accepts as undefined; a path parameter never is.
      const required = place === 'path' || !(field as z.ZodType).safeParse(undefined).success;
      return { name, in: place, required, ...(description === undefined ? {} : { description }), schema: written };
    });
  const idempotencyKey = {
    name: 'Idempotency-Key',
    in: 'header',
    required: false,
    description: 'Applies this write at most once: sent again with the same key, it gets the stored answer.',
    schema: { type: 'string', pattern: '^[\\x21-\\x7e]{1,255}$' },
  };
  return [
    ...fieldsOf(route.params, 'path'),
    ...fieldsOf(route.query, 'query'),
    ...(route.write ? [idempotencyKey] : []),
  ];
}

function responsesOf(route: Route, write: (schema: z.ZodType) => Components): Record<string, object> {
  return Object.fromEntries(
    Object.entries(route.responses).map(([status, { description, schema, contentType, headers }]) => [
      status,
      {
        description,
        ...(headers && {
          headers: Object.fromEntries(
            Object.entries(headers).map(([name, text]) => [name, { description: text, schema: { type: 'string' } }]),
          ),
        }),
        ...((schema || contentType) && {
          content: {
            [contentType ?? 'application/json']: { schema: schema ? write(schema) : { type: 'string' } },
          },
        }),
      },
    ]),
  );
}

/**
 * The OpenAPI 3.1 document of a table of routes. Each operation carries its scope as `x-acervo-scope` (`public` for
 * none, `own` where a route checks another credential than a key), so that a client, or a test, can walk routes × keys.
 * @throws Error when two different schemas carry the same id
 */
export function openApiDocument(routes: readonly Route[]): object {
  const schemas = schemaWriter();
  const problem = schemas.write(problemSchema, 'Problem');
  const paths: Record<string, Record<string, object>> = {};
  for (const route of routes) {
    const write = (schema: z.ZodType) => schemas.write(schema, route.operationId);
    paths[route.path] = {
      ...paths[route.path],
      [route.method.toLowerCase()]: {
        operationId: route.operationId,
        tags: [route.tag],
        summary: route.summary,
        ...(route.description === undefined ? {} : { description: route.description }),
        security: needsKey(route) ? [{ key: [] }] : [],
        'x-acervo-scope': route.scope,
        parameters: parametersOf(route, write),
        ...(route.bodyKind !== 'none' && {
          requestBody: {
            required: true,
            content: { [BODY_TYPES[route.bodyKind]]: { schema: route.body ? write(route.body) : {} } },
          },
        }),
        responses: { ...responsesOf(route, write), ...errorResponses(route, problem) },
      },
    };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Acervo',
      version: VERSION,
      description: 'One memory for AI agents: knowledge, decisions, sessions, files and their history.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    tags: [...new Set(routes.map((route) => route.tag))].map((name) => ({ name, description: TAGS[name] })),
    paths,
    components: {
      securitySchemes: {
        key: {
          type: 'http',
          scheme: 'bearer',
          description: `A key with the scope that the operation names in x-acervo-scope. ${Object.entries(SCOPES)
            .map(([scope, text]) => `\`${scope}\`: ${text}`)
            .join(' ')}`,
        },
      },
      schemas: schemas.components,
    },
  };
}
