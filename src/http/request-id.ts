import type { MiddlewareHandler } from 'hono';
import { v7 as uuidv7 } from 'uuid';
import type { HttpEnv } from './env.js';

const ACCEPTED = /^[A-Za-z0-9._-]{1,128}$/;

/** Names the request: the client's `x-request-id` when it is harmless, else a UUIDv7. Always sent back. */
export function requestId(): MiddlewareHandler<HttpEnv> {
  return async function requestId(c, next) {
    const given = c.req.header('x-request-id');
    const id = given !== undefined && ACCEPTED.test(given) ? given : uuidv7();
    c.set('requestId', id);
    c.header('x-request-id', id);
    await next();
  };
}
