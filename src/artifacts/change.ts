import { v7 as uuidv7 } from 'uuid';
import { auditDraft } from '../audit/draft.js';
import type { Context, RequestOperation } from '../context.js';
import { digestOf } from '../http/digest.js';
import { salted } from '../knowledge/prepare.js';
import { answeredBefore, keepUnchanged } from '../surreal/answered.js';
import { requireRevision, writeOver } from '../surreal/write-over.js';
import { type ArtifactColumns, type ArtifactRow, readArtifact } from './row.js';
import type { Next } from './states.js';

export interface Changed {
  artifact: ArtifactRow;
  /** Undefined when nothing changed. */
  audit_id: string | undefined;
}

export interface ChangeOptions {
  /** The client's, on the last step of a request; steps before it have one of their own. */
  operation?: RequestOperation | undefined;
  /** From If-Match. */
  expectedRevision?: number | undefined;
}

/**
 * Changes a pointer: reads it, lets `decide` say what it becomes, and writes that if nobody else came between; else
 * decides anew. `decide` returns undefined when nothing is to change; what it does itself it may do several times.
 * @throws AcervoError `artifact:not_found`, `revision:mismatch` (If-Match), `revision:contended`, what `decide` throws,
 *   and those of `Database.transact`
 */
export async function changeArtifact(
  ctx: Context,
  id: string,
  decide: (row: ArtifactRow) => Next | undefined | Promise<Next | undefined>,
  { operation, expectedRevision }: ChangeOptions = {},
): Promise<Changed> {
  const read = () => readArtifact(ctx, id);
  const steps = {
    answered: async () => {
      const before = await answeredBefore(ctx.db, operation);
      return before && { artifact: await read(), audit_id: before.audit_id };
    },
    read,
    decide,
    write: (row: ArtifactRow, next: Next | undefined): Promise<Changed> =>
      next === undefined
        ? unchanged(ctx, row, operation)
        : writeArtifact(ctx, id, next, { revision: row.revision, operation }),
  };
  return writeOver(steps, expectedRevision);
}

/** The answer to a request that found nothing to change; it is kept: sent again later, it might find something. */
export async function unchanged(
  ctx: Context,
  row: ArtifactRow,
  operation: RequestOperation | undefined,
): Promise<Changed> {
  const { id, agent_id } = row;
  await keepUnchanged(ctx.db, operation, { id, audit: auditDraft(ctx, `artifact:${id}`, agent_id) });
  return { artifact: row, audit_id: undefined };
}

/**
 * The start of a request that takes several steps: the pointer, and, for a retry, what it was answered then.
 * @param expectedRevision from If-Match
 * @throws AcervoError `artifact:not_found`, `revision:mismatch`, `idempotency:key_reused`
 */
export async function beginChange(
  ctx: Context,
  id: string,
  expectedRevision?: number,
): Promise<{ row: ArtifactRow; before: Changed | undefined }> {
  const row = await readArtifact(ctx, id);
  const before = await answeredBefore(ctx.db, ctx.operation);
  if (before !== undefined) return { row, before: { artifact: row, audit_id: before.audit_id } };
  requireRevision(row, expectedRevision);
  return { row, before: undefined };
}

/**
 * Writes a pointer over the revision that it was decided from; 0: a new one.
 * @throws AcervoError `revision:mismatch`, `artifact:id_unavailable`, `artifact:key_taken`, `session:not_found`
 */
export async function writeArtifact(
  ctx: Context,
  id: string,
  next: Next,
  { revision, operation }: { revision: number; operation?: RequestOperation | undefined },
): Promise<Changed> {
  const { audit_values, ...params } = artifactParams(ctx, id, next, revision);
  const committed = await ctx.db.transact<{ id: string }>({
    query: 'artifacts/put',
    params: { ...params, audit_values: [audit_values] },
    operation: operation ?? { id: uuidv7(), request_digest: '' },
    audit: auditDraft(ctx, `artifact:${id}`, next.row.agent_id),
  });
  return { artifact: await readArtifact(ctx, committed.answer.id), audit_id: committed.audit_id };
}

/** What `artifacts/put` takes, and the part of its audit row that may be erased. */
export function artifactParams(ctx: Context, id: string, next: Next, expected_revision: number) {
  const { salt, state_digest } = salted(digestOf(next.row));
  const { version, gone = [], action, status } = next;
  const row = { ...withDates(next.row), state_digest };
  const audit_values = { salt, columns: filterColumns(next.row) };
  const bound_agent = ctx.principal.agent_id;
  return { id, row, expected_revision, version, gone, action, status, bound_agent, audit_values };
}

/** The columns that the schema has as times. */
function withDates(row: ArtifactColumns): Record<string, unknown> {
  const { settle_after, stored_at, ...rest } = row;
  const dateOf = (text: string | undefined) => (text === undefined ? undefined : new Date(text));
  return { ...rest, settle_after: dateOf(settle_after), stored_at: dateOf(stored_at) };
}

function filterColumns({
  bucket,
  name,
  user,
  status,
  agent_id,
  session_id,
  content_type,
  size_bytes,
  metadata,
}: ArtifactColumns) {
  return { bucket, name, user, status, agent_id, session_id, content_type, size_bytes, metadata };
}
