import { auditDraft } from '../audit/draft.js';
import type { Context } from '../context.js';
import { digestOf } from '../http/digest.js';
import { patchedMetadata } from '../knowledge/patch.js';
import { answeredBefore } from '../surreal/answered.js';
import { writeOver } from '../surreal/write-over.js';
import { type DecisionColumns, recorded, writtenColumns } from './columns.js';
import { requireLinkScopes } from './links.js';
import { type DecisionRow, readDecision } from './row.js';
import type { PatchDecisionInput, StoredDecision } from './schemas.js';

/**
 * The columns after a patch; undefined when they stay as they are.
 * @throws AcervoError `knowledge:metadata_too_large`, `request:invalid`
 */
export function patchedColumns(row: DecisionRow, patch: PatchDecisionInput, now: Date): DecisionColumns | undefined {
  const { agent_id, session_id, decision_type } = row;
  const metadata = patchedMetadata(row, patch.metadata);
  const given = patch.outcome === undefined ? row.outcome : (patch.outcome ?? undefined);
  const outcome = given && recorded({ status: given.status, summary: given.summary }, row.outcome, now);
  if (digestOf([metadata, outcome]) === digestOf([row.metadata, row.outcome])) return undefined;
  return { agent_id, session_id, decision_type, outcome, metadata };
}

/**
 * Changes what may change of a decision: its outcome, its metadata, and what it is linked to. Nobody's change is lost: it
 * is applied to the revision that was read, else again.
 * @throws AcervoError `decision:not_found`, `revision:mismatch` (If-Match), `revision:contended`,
 *   `decision:too_many_links`, `knowledge:not_found`, `artifact:not_found`, `auth:scope_missing` (of links), and those of
 *   `patchedColumns`
 */
export async function patchDecision(
  ctx: Context,
  id: string,
  patch: PatchDecisionInput,
  ifMatch?: number,
): Promise<StoredDecision> {
  requireLinkScopes(ctx, { evidence: patch.add_evidence, products: patch.add_products });
  const steps = {
    answered: async () => {
      const before = await answeredBefore<StoredDecision>(ctx.db, ctx.operation);
      return before && { ...before.answer, audit_id: before.audit_id };
    },
    read: () => readDecision(ctx, id),
    decide: (row: DecisionRow) => patchedColumns(row, patch, ctx.clock()),
    write: (row: DecisionRow, changed: DecisionColumns | undefined) => writePatch(ctx, row, patch, changed),
  };
  return writeOver(steps, ifMatch);
}

async function writePatch(
  ctx: Context,
  row: DecisionRow,
  patch: PatchDecisionInput,
  changed: DecisionColumns | undefined,
): Promise<StoredDecision> {
  const { id, agent_id } = row;
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
