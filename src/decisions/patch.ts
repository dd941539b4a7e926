import { auditDraft } from '../audit/draft.js';
import type { Context } from '../context.js';
import { AcervoError, isAcervoError } from '../errors/error.js';
import { digestOf } from '../http/digest.js';
import { mergePatch } from '../knowledge/patch.js';
import { checkMetadata } from '../knowledge/prepare.js';
import { answeredBefore } from '../surreal/answered.js';
import { type DecisionColumns, recorded, writtenColumns } from './columns.js';
import { type DecisionRow, readDecision } from './row.js';
import type { PatchDecisionInput, StoredDecision } from './schemas.js';

/** Without If-Match the patch is applied to whatever is current; so often at most when others write at once. */
const MAX_TRIES = 20;

type Json = Record<string, unknown>;

/**
 * The columns after a patch; undefined when they stay as they are.
 * @throws AcervoError `knowledge:metadata_too_large`, `request:invalid`
 */
export function patchedColumns(row: DecisionRow, patch: PatchDecisionInput, now: Date): DecisionColumns | undefined {
  const { agent_id, session_id, decision_type } = row;
  const metadata = patch.metadata === null ? {} : (mergePatch(row.metadata, patch.metadata ?? {}) as Json);
  checkMetadata(metadata);
  const given = patch.outcome === undefined ? row.outcome : (patch.outcome ?? undefined);
  const outcome = given && recorded({ status: given.status, summary: given.summary }, row.outcome, now);
  if (digestOf([metadata, outcome]) === digestOf([row.metadata, row.outcome])) return undefined;
  return { agent_id, session_id, decision_type, outcome, metadata };
}

/**
 * Changes what may change of a decision: its outcome, its metadata, and what it is linked to. Nobody's change is lost: it
 * is applied to the revision that was read, else again.
 * @throws AcervoError `decision:not_found`, `revision:mismatch` (If-Match), `revision:contended`,
 *   `decision:too_many_links`, `knowledge:not_found`, `artifact:not_found`, and those of `patchedColumns`
 */
export async function patchDecision(
  ctx: Context,
  id: string,
  patch: PatchDecisionInput,
  ifMatch?: number,
): Promise<StoredDecision> {
  const before = await answeredBefore<StoredDecision>(ctx.db, ctx.operation);
  if (before !== undefined) return { ...before.answer, audit_id: before.audit_id };
  for (let tries = 0; tries < MAX_TRIES; tries += 1) {
    const row = await readDecision(ctx, id);
    if (ifMatch !== undefined && row.revision !== ifMatch) throw new AcervoError('revision:mismatch');
    try {
      return await patchOnce(ctx, row, patch);
    } catch (error) {
      if (!isAcervoError(error, 'revision:mismatch')) throw error;
    }
  }
  throw new AcervoError('revision:contended', { retryAfterSeconds: 1 });
}

async function patchOnce(ctx: Context, row: DecisionRow, patch: PatchDecisionInput): Promise<StoredDecision> {
  const { id, agent_id } = row;
  const changed = patchedColumns(row, patch, ctx.clock());
  const written = changed && writtenColumns(changed, row.reasoning);
  // A change of links alone has a row in the log as well; its part that filters need is the same as before.
  const { audit_values } = written ?? writtenColumns(row, row.reasoning);
  const { answer, audit_id } = await ctx.db.transact<StoredDecision>({
    query: 'decisions/patch',
    params: {
      id,
      expected_revision: row.revision,
      row: written?.columns,
      audit_values: [audit_values],
      evidence: [...new Set(patch.add_evidence)],
      products: [...new Set(patch.add_products)],
      bound_agent: ctx.principal.agent_id,
    },
    operation: ctx.operation,
    audit: auditDraft(ctx, `decision:${id}`, agent_id),
  });
  return { ...answer, audit_id };
}
