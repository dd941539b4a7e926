import type { MiddlewareHandler } from 'hono';
import type { HttpEnv } from './env.js';

/**
 * Defaults for every answer; a reply may set its own `cache-control` and `content-security-policy` (the docs page).
 * Nothing is embedded, sniffed, cached or referred to. There is no CORS: browsers of other origins are not clients.
 */
export function securityHeaders(): MiddlewareHandler<HttpEnv> {
  return async function securityHeaders(c, next) {
    c.header('x-content-type-options', 'nosniff');
    c.header('cache-control', 'no-store');
    c.header('referrer-policy', 'no-referrer');
    c.header('content-security-policy', "default-src 'none'; frame-ancestors 'none'");
    await next();
  };
}
