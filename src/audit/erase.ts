import type { Context } from '../context.js';
import { auditDraft } from './draft.js';

/** Values dropped by one statement, and statements of one request. */
const BATCH_ROWS = 500;
const MAX_BATCHES = 100;

export interface Erased {
  /** Rows that hold nothing personal any more. */
  erased: number;
  /** False: there are more; ask again. */
  complete: boolean;
  audit_id: string | undefined;
}

/**
 * Drops what is personal in the rows of a resource: values and salts, the caller's address and user agent. Its rows and digests stay, so that the chain of seals
 * does; without the salt nobody can tell what a digest was made of. The erasure itself is recorded first, under
 * `audit:<resource>`. Changes made from then on have values again. A bound key erases only rows of its agent.
 * @throws AcervoError those of `Database.transact`
 */
export async function eraseValues(ctx: Context, resource: string): Promise<Erased> {
  const { audit_id } = await ctx.db.transact({
    query: 'audit/record',
    params: { action: 'DELETE', status: 'SUCCESS', code: undefined },
    operation: ctx.operation,
    audit: auditDraft(ctx, `audit:${resource}`),
  });
  let erased = 0;
  for (let batch = 0; batch < MAX_BATCHES; batch += 1) {
    const limit = BATCH_ROWS;
    const dropped = await ctx.db.query<number>('audit/erase', { resource, agent_id: ctx.principal.agent_id, limit });
    erased += dropped;
    if (dropped < BATCH_ROWS) return { erased, complete: true, audit_id };
  }
  return { erased, complete: false, audit_id };
}
