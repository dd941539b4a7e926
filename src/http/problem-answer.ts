import type { ErrorHandler, Handler, NotFoundHandler } from 'hono';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import type { Logger } from 'pino';
import { AcervoError } from '../errors/error.js';
import { toProblem } from '../errors/problem.js';
import type { HttpContext, HttpEnv } from './env.js';

function answer(c: HttpContext, error: unknown): Response {
  const problem = toProblem(error, c.get('requestId'));
  const { code, status } = problem;
  if (status === 401)
    c.header('www-authenticate', `Bearer realm="acervo"${code === 'auth:invalid' ? ', error="invalid_token"' : ''}`);
  if (status === 429 || status === 503) {
    const seconds = error instanceof AcervoError ? error.retryAfterSeconds : undefined;
    c.header('retry-after', String(Math.max(1, Math.ceil(seconds ?? 1))));
  }
  c.header('content-type', 'application/problem+json');
  return c.body(JSON.stringify(problem), status as ContentfulStatusCode);
}

/** Every error's answer: a problem document (RFC 9457). What we did not throw on purpose is logged whole, shown not. */
export function problemAnswer(log: Logger): ErrorHandler<HttpEnv> {
  return function problemAnswer(error, c) {
    const known = error instanceof AcervoError && error.code !== 'internal:unexpected';
    const facts = { err: error, request_id: c.get('requestId'), trace_id: c.get('traceId') };
    if (!known) log.error(facts, 'unexpected error');
    else if (error.status >= 500) log.warn(facts, 'request failed');
    return answer(c, error);
  };
}

export function unknownRoute(): NotFoundHandler<HttpEnv> {
  return function unknownRoute(c) {
    return answer(c, new AcervoError('request:not_found'));
  };
}

/** For the methods that a known path does not take: 405, and 204 for OPTIONS; both say what it does take. */
export function otherMethods(path: string, methods: readonly string[]): Handler<HttpEnv> {
  const allow = [...methods, ...(methods.includes('GET') ? ['HEAD'] : []), 'OPTIONS'].join(', ');
  return function otherMethods(c) {
    c.set('route', path);
    c.header('allow', allow);
    if (c.req.method === 'OPTIONS') return c.body(null, 204);
    return answer(c, new AcervoError('request:method_not_allowed', { detail: `Allowed: ${allow}.` }));
  };
}
