import { auditDraft } from '../audit/draft.js';
import type { Gate } from '../http/authenticate.js';
import type { Route } from '../http/route.js';
import type { AuditAction } from '../surreal/database.js';

/** So many denials of a key are recorded in a minute: a loop of refused requests must not fill the database. */
export const MAX_RECORDED = 10;
const WINDOW_MS = 60_000;
/** Keys watched at a time; beyond it all counts begin anew. */
const MAX_KEYS = 10_000;

interface Count {
  startedMs: number;
  denials: number;
}

const ACTIONS: Record<Route['method'], AuditAction> = {
  GET: 'READ',
  POST: 'CREATE',
  PUT: 'UPDATE',
  PATCH: 'UPDATE',
  DELETE: 'DELETE',
};

function actionOf({ method, path }: Pick<Route, 'method' | 'path'>): AuditAction {
  return path.endsWith('/search') ? 'READ' : ACTIONS[method];
}

/** 1, 10, 100, …: how often a flood is worth a line. */
const isPowerOfTen = (n: number): boolean => /^10*$/.test(String(n));

/**
 * Writes an audit row for each known key that lacked a route's scope, at most 10 a minute and key; of the rest the log
 * tells how many.
 * @throws AcervoError `database:*` from the returned function
 */
export function createDenialRecorder(): NonNullable<Gate['onDenied']> {
  const counts = new Map<string, Count>();

  /** Which denial of its key and minute this one is. */
  function ordinalOf(keyId: string, nowMs: number): number {
    const known = counts.get(keyId);
    if (known === undefined && counts.size >= MAX_KEYS) counts.clear();
    const running = known !== undefined && nowMs >= known.startedMs && nowMs < known.startedMs + WINDOW_MS;
    const count = running ? known : { startedMs: nowMs, denials: 0 };
    count.denials += 1;
    counts.set(keyId, count);
    return count.denials;
  }

  return async function recordDenied(ctx, route) {
    const dropped = ordinalOf(ctx.principal.key_id, ctx.clock().getTime()) - MAX_RECORDED;
    if (dropped > 0) {
      if (isPowerOfTen(dropped)) ctx.log.warn({ dropped }, 'denials of this key are not recorded for now');
      return;
    }
    await ctx.db.transact({
      query: 'audit/record',
      params: { action: actionOf(route), status: 'DENIED', code: 'auth:scope_missing' },
      operation: ctx.operation,
      audit: auditDraft(ctx, `route:${route.method} ${route.path}`),
    });
  };
}
