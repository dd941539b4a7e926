import type { HttpBindings } from '@hono/node-server';
import type { Context as HonoContext } from 'hono';
import type { Principal } from '../context.js';

/** What the middlewares leave on Hono's context for each other. Verbs never see it. */
export interface HttpEnv {
  /** Empty, or absent altogether, when a test calls `app.request()` without a socket. */
  Bindings: Partial<HttpBindings>;
  Variables: {
    requestId: string;
    traceId: string;
    /** The pattern of the matched route, never the path itself: paths carry ids. */
    route: string | undefined;
    principal: Principal | undefined;
    /** Ends the request's log line; called by the stream when the answer is one. */
    finish: () => void;
    streaming: boolean | undefined;
  };
}

export type HttpContext = HonoContext<HttpEnv>;
