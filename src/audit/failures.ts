import { setTimeout as sleep } from 'node:timers/promises';
import { v7 as uuidv7 } from 'uuid';
import type { Context } from '../context.js';
import { AcervoError, isAcervoError } from '../errors/error.js';
import type { Gate } from '../http/authenticate.js';
import type { Route } from '../http/route.js';
import type { AuditAction } from '../surreal/database.js';
import { auditDraft } from './draft.js';
import { refusalBound } from './failures-bound.js';

/** So many failed writes of a key are recorded in a minute, apart from its denials. */
export const MAX_FAILURES = 60;
/** An answer waits no longer for its row; the row may still come. */
const MAX_WAIT_MS = 500;
/** Rows under way at a time: with a database that hangs they must not pile up. */
const MAX_UNDER_WAY = 64;
const ID = /^[A-Za-z0-9._-]{1,128}$/;

const ACTIONS: Record<Route['method'], AuditAction> = {
  GET: 'READ',
  POST: 'CREATE',
  PUT: 'UPDATE',
  PATCH: 'UPDATE',
  DELETE: 'DELETE',
};

/** Paths name kinds in the plural; resources in the singular. */
const KINDS: Record<string, string> = {
  artifacts: 'artifact',
  decisions: 'decision',
  sessions: 'session',
  keys: 'key',
  executions: 'execution',
  hooks: 'hook',
};

/** What a request does by its method; a POST to something there is, such as `…/{id}/complete`, changes it. */
export function actionOf({ method, path }: Pick<Route, 'method' | 'path'>): AuditAction {
  if (path.endsWith('/search')) return 'READ';
  return method === 'POST' && path.includes('{id}/') ? 'UPDATE' : ACTIONS[method];
}

/** What a request is about, as far as its path tells: `knowledge:ID`, or `knowledge`. */
export function resourceOf({ path }: Pick<Route, 'path'>, id: string | undefined): string {
  const segment = /^\/v1\/([a-z-]+)/.exec(path)?.[1] ?? 'route';
  const kind = KINDS[segment] ?? segment;
  return id !== undefined && ID.test(id) ? `${kind}:${id}` : kind;
}

/** Refusals that only tell to come back. */
const NOT_RECORDED = ['request:rate_limited', 'request:overloaded'] as const;

function isRecorded(route: Route, error: unknown): boolean {
  if (!route.write && route.bodyKind !== 'bytes' && route.bodyKind !== 'stream') return false;
  return !NOT_RECORDED.some((code) => isAcervoError(error, code));
}

/**
 * Writes an audit row of status FAILURE for each refused write of a known key, in a transaction of its own, at most 60
 * a minute and key. The answer waits for it half a second at most; a row that cannot be written is logged, and the
 * refusal stands as it is.
 */
export function createFailureRecorder(): NonNullable<Gate['onFailed']> {
  const letsThrough = refusalBound(MAX_FAILURES, 'failures');
  let underWay = 0;

  async function record(ctx: Context, route: Route, id: string | undefined, error: unknown): Promise<void> {
    const code = error instanceof AcervoError ? error.code : 'internal:unexpected';
    underWay += 1;
    try {
      await ctx.db.transact({
        query: 'audit/record',
        params: { action: actionOf(route), status: 'FAILURE', code },
        // Not the request's own: sent again with its Idempotency-Key, it must be able to succeed.
        operation: { id: uuidv7(), request_digest: '' },
        audit: auditDraft(ctx, resourceOf(route, id)),
      });
    } catch (fault) {
      ctx.metrics.auditRowsDropped.inc({ kind: 'failure' });
      ctx.log.error({ err: fault, code }, 'a failed write could not be recorded');
    } finally {
      underWay -= 1;
    }
  }

  return async function recordFailed(ctx, route, id, error) {
    if (!isRecorded(route, error)) return;
    if (!letsThrough(ctx) || underWay >= MAX_UNDER_WAY) {
      ctx.metrics.auditRowsDropped.inc({ kind: 'failure' });
      return;
    }
    const patience = new AbortController();
    const waited = sleep(MAX_WAIT_MS, undefined, { signal: patience.signal, ref: false }).catch(() => undefined);
    await Promise.race([record(ctx, route, id, error), waited]);
    patience.abort();
  };
}
