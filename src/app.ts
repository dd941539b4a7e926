import { Hono } from 'hono';
import type { Services } from './context.js';
import { accessLog } from './http/access-log.js';
import type { Gate } from './http/authenticate.js';
import { endpoints } from './http/endpoint.js';
import type { HttpEnv } from './http/env.js';
import { otherMethods, problemAnswer, unknownRoute } from './http/problem-answer.js';
import { requestId } from './http/request-id.js';
import type { Route } from './http/route.js';
import { securityHeaders } from './http/security-headers.js';
import { traceContext } from './http/trace-context.js';
import { ROUTES } from './routes.js';

/** The whole HTTP surface over given services; no I/O happens here. */
export function createApp(services: Services, gate: Gate, routes: readonly Route[] = ROUTES): Hono<HttpEnv> {
  const app = new Hono<HttpEnv>();
  app.use(requestId(), traceContext(), securityHeaders(), accessLog(services));
  app.onError(problemAnswer(services.log));
  app.notFound(unknownRoute());

  const endpoint = endpoints(services, gate);
  const methods = new Map<string, string[]>();
  for (const route of routes) {
    app.on(route.method, honoPath(route.path), endpoint(route));
    methods.set(route.path, [...(methods.get(route.path) ?? []), route.method]);
  }
  // After all routes: a path that two patterns match is refused only when neither takes the method.
  for (const [path, taken] of methods) app.all(honoPath(path), otherMethods(path, taken));
  return app;
}

/** `/v1/knowledge/{id}` as Hono writes it. */
function honoPath(path: string): string {
  return path.replaceAll(/\{(\w+)\}/g, ':$1');
}
