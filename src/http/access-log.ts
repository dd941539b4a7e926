import type { MiddlewareHandler } from 'hono';
import type { Services } from '../context.js';
import type { HttpEnv } from './env.js';

/**
 * One log line and one observation a request, written when its answer has gone out (for a stream: at its end). It
 * names the route's pattern and who asked, and never a header, a path, a query value, a body or a secret.
 */
export function accessLog({ log, metrics }: Pick<Services, 'log' | 'metrics'>): MiddlewareHandler<HttpEnv> {
  return async function accessLog(c, next) {
    const startedMs = performance.now();
    c.set('finish', () => {
      const durationMs = performance.now() - startedMs;
      const route = c.get('route') ?? 'unmatched';
      const principal = c.get('principal');
      const labels = { method: c.req.method, route, status: String(c.res.status) };
      metrics.httpRequests.inc(labels);
      metrics.httpDuration.observe(labels, durationMs / 1000);
      log.info(
        {
          method: c.req.method,
          route,
          status: c.res.status,
          duration_ms: Math.round(durationMs * 100) / 100,
          request_id: c.get('requestId'),
          trace_id: c.get('traceId'),
          key_id: principal?.key_id,
          agent_id: principal?.agent_id,
        },
        'request',
      );
    });
    await next();
    if (c.get('streaming') !== true) c.get('finish')();
  };
}
