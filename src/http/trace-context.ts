import { randomBytes } from 'node:crypto';
import type { MiddlewareHandler } from 'hono';
import type { HttpEnv } from './env.js';

const TRACEPARENT = /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})(-.*)?$/;

/**
 * Joins the caller's trace, or starts one: keeps the trace id and the sampled flag, makes a span id of its own and
 * sends `traceparent` back. Source: W3C Trace Context, section 3.2 (an invalid header is ignored, not refused).
 */
export function traceContext(): MiddlewareHandler<HttpEnv> {
  return async function traceContext(c, next) {
    const [, version, given, flags, rest] = TRACEPARENT.exec(c.req.header('traceparent') ?? '') ?? [];
    // Version 00 ends after the flags; later versions may append fields.
    const valid = given !== undefined && flags !== undefined && !(version === '00' && rest !== undefined);
    const traceId = valid ? given : randomBytes(16).toString('hex');
    const sampled = valid ? Number.parseInt(flags, 16) & 1 : 0;
    c.set('traceId', traceId);
    c.header('traceparent', `00-${traceId}-${randomBytes(8).toString('hex')}-0${sampled}`);
    await next();
  };
}
