import type { Handler } from 'hono';
import { v7 as uuidv7 } from 'uuid';
import type { Context, Principal, Services } from '../context.js';
import { AcervoError, isAcervoError } from '../errors/error.js';
import { requireScopes } from '../keys/require-scopes.js';
import { authentication, type Gate, recordDenied } from './authenticate.js';
import { REQUEST_TIMEOUT_MS, withDeadline } from './deadline.js';
import type { HttpContext, HttpEnv } from './env.js';
import { oneAtATime, operationOf } from './idempotency.js';
import { inFlightBound, MAX_IN_FLIGHT, MAX_OF_A_KEY } from './in-flight.js';
import { readInput } from './input.js';
import { createRateLimit } from './rate-limit.js';
import { discard, send } from './reply.js';
import { needsKey, type Reply, type Route } from './route.js';

const NOBODY: Principal = {
  key_id: 'anonymous',
  scopes: new Set(),
  agent_id: undefined,
  address: undefined,
  user_agent: undefined,
};

/**
 * Binds routes to Hono. A request passes, in this order: the bound on requests in flight, authentication, rate limit,
 * scope, input, idempotency, handler; all of it under one deadline, which a streamed body or answer outlives.
 * Public routes are neither counted nor limited: a probe must be answered by a busy node too.
 */
export function endpoints(services: Services, gate: Gate): (route: Route) => Handler<HttpEnv> {
  const rateLimit = createRateLimit(services.config.rateLimitPerMinute, services.metrics);
  const authenticate = authentication(gate.authenticator, rateLimit, services.metrics);
  const ofNode = inFlightBound(MAX_IN_FLIGHT);
  const ofKey = inFlightBound(MAX_OF_A_KEY);
  const alone = oneAtATime();

  const contextOf = (c: HttpContext, principal: Principal): Context => ({
    ...services,
    principal,
    requestId: c.get('requestId'),
    operation: { id: uuidv7(), request_digest: '' },
    log: services.log.child({ request_id: c.get('requestId'), trace_id: c.get('traceId'), key_id: principal.key_id }),
  });

  async function admitted(c: HttpContext, route: Route): Promise<Context> {
    if (!needsKey(route)) return contextOf(c, NOBODY);
    const principal = await authenticate(c);
    c.set('principal', principal);
    await rateLimit.countRequest(c, principal.key_id);
    return contextOf(c, principal);
  }

  async function handled(c: HttpContext, route: Route, ctx: Context, expiry: AbortSignal | undefined): Promise<Reply> {
    const { signal: left } = c.req.raw;
    const signal = expiry === undefined ? left : AbortSignal.any([left, expiry]);
    const { input, fingerprint } = await readInput(c, route, signal);
    if (!route.write) return route.handler(ctx, input);
    const operation = operationOf(c.req.header('idempotency-key') ?? null, ctx.principal.key_id, fingerprint);
    return alone(operation, () => route.handler({ ...ctx, operation }, input));
  }

  async function answer(c: HttpContext, route: Route, expiry: AbortSignal | undefined): Promise<Reply> {
    const ctx = await admitted(c, route);
    if (!needsKey(route)) return handled(c, route, ctx, expiry);
    const work = () => answerToKey(c, route, ctx, expiry);
    return route.ownBound ? work() : ofKey(ctx.principal.key_id, work);
  }

  /** What comes of a request with a key is recorded, also when it comes after the deadline. */
  async function answerToKey(
    c: HttpContext,
    route: Route,
    ctx: Context,
    expiry: AbortSignal | undefined,
  ): Promise<Reply> {
    try {
      if (route.scope !== 'public' && route.scope !== 'own') requireScopes(ctx, [route.scope]);
      const reply = await handled(c, route, ctx, expiry);
      if (reply.status === 200 || reply.status === 206) gate.onRead?.(ctx, route, c.req.param('id'));
      return reply;
    } catch (error) {
      // Also of a scope that a handler needs beside the route's.
      if (isAcervoError(error, 'auth:scope_missing')) await recordDenied(gate, ctx, route);
      else await gate.onFailed?.(ctx, route, c.req.param('id'), error);
      throw error;
    }
  }

  async function afterDeadline(outcome: PromiseSettledResult<Reply>, requestId: string): Promise<void> {
    try {
      if (outcome.status === 'rejected') throw outcome.reason;
      await discard(outcome.value);
    } catch (error) {
      services.log.warn({ err: error, request_id: requestId }, 'failed after its deadline');
    }
  }

  return (route) =>
    async function endpoint(c) {
      c.set('route', route.path);
      const work = (expiry?: AbortSignal) =>
        route.scope === 'public' || route.ownBound
          ? answer(c, route, expiry)
          : ofNode('node', () => answer(c, route, expiry));
      try {
        const reply =
          route.bodyKind === 'stream' || route.bodyKind === 'bytes'
            ? await work()
            : await withDeadline(REQUEST_TIMEOUT_MS, work, (late) => afterDeadline(late, c.get('requestId')));
        return await send(c, reply);
      } catch (error) {
        // Hono's error handler takes only real errors.
        throw error instanceof Error ? error : new AcervoError('internal:unexpected', { cause: error });
      }
    };
}
