import { auditDraft } from '../audit/draft.js';
import { actionOf } from '../audit/failures.js';
import { refusalBound } from '../audit/failures-bound.js';
import type { Gate } from '../http/authenticate.js';

/** So many denials of a key are recorded in a minute. */
export const MAX_RECORDED = 10;

/**
 * Writes an audit row for each known key that lacked a route's scope, at most 10 a minute and key; of the rest the log
 * tells how many.
 * @throws AcervoError `database:*` from the returned function
 */
export function createDenialRecorder(): NonNullable<Gate['onDenied']> {
  const letsThrough = refusalBound(MAX_RECORDED, 'denials');
  return async function recordDenied(ctx, route) {
    if (!letsThrough(ctx)) return;
    await ctx.db.transact({
      query: 'audit/record',
      params: { action: actionOf(route), status: 'DENIED', code: 'auth:scope_missing' },
      operation: ctx.operation,
      audit: auditDraft(ctx, `route:${route.method} ${route.path}`),
    });
  };
}
