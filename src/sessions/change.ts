import { v7 as uuidv7 } from 'uuid';
import { auditDraft } from '../audit/draft.js';
import type { Context, RequestOperation } from '../context.js';
import { digestOf } from '../http/digest.js';
import { salted } from '../knowledge/prepare.js';
import { answeredBefore, keepUnchanged } from '../surreal/answered.js';
import { writeOver } from '../surreal/write-over.js';
import { readSession, type SessionColumns, type SessionRow, type SessionTimes } from './row.js';
import type { Next } from './states.js';

export interface ChangedSession {
  session: SessionRow;
  /** Undefined when nothing changed. */
  audit_id: string | undefined;
}

export interface ChangeOptions {
  /** The client's; without it the change has one of its own. */
  operation?: RequestOperation;
  /** From If-Match. */
  expectedRevision?: number | undefined;
}

/**
 * Changes a session: reads it, lets `decide` say what it becomes, and writes that if nobody else came between; else
 * decides anew, so that nobody's change is lost. `decide` returns undefined when nothing is to change.
 * @throws AcervoError `session:not_found`, `revision:mismatch` (If-Match), `revision:contended`, what `decide` throws,
 *   and those of `Database.transact`
 */
export async function changeSession(
  ctx: Context,
  id: string,
  decide: (row: SessionRow) => Next | undefined | Promise<Next | undefined>,
  { operation, expectedRevision }: ChangeOptions = {},
): Promise<ChangedSession> {
  const read = () => readSession(ctx, id);
  const steps = {
    answered: async () => {
      const before = await answeredBefore(ctx.db, operation);
      return before && { session: await read(), audit_id: before.audit_id };
    },
    read,
    decide,
    write: async (row: SessionRow, next: Next | undefined): Promise<ChangedSession> => {
      if (next !== undefined) return writeSession(ctx, id, next, { revision: row.revision, operation });
      await keepUnchanged(ctx.db, operation, { id, audit: auditDraft(ctx, `session:${id}`, row.agent_id) });
      return { session: row, audit_id: undefined };
    },
  };
  return writeOver(steps, expectedRevision);
}

/**
 * Writes a session over the revision that it was decided from; 0: a new one.
 * @throws AcervoError `revision:mismatch`, `session:id_unavailable`, and those of `Database.transact`
 */
export async function writeSession(
  ctx: Context,
  id: string,
  next: Next,
  { revision, operation }: { revision: number; operation?: RequestOperation | undefined },
): Promise<ChangedSession> {
  const { row, audit_values } = sessionRow(next.row);
  const { answer, audit_id, replayed } = await ctx.db.transact<SessionTimes>({
    query: 'sessions/put',
    params: {
      id,
      row,
      audit_values: [audit_values],
      expected_revision: revision,
      vectors: next.vectors,
      attach: next.attach ?? [],
      detach: next.detach ?? [],
    },
    operation: operation ?? { id: uuidv7(), request_digest: '' },
    audit: auditDraft(ctx, `session:${id}`, next.row.agent_id),
  });
  // A replay answers with the id of the first run, which may have been made anew for this one.
  return { session: replayed ? await readSession(ctx, answer.id) : { ...next.row, ...answer }, audit_id };
}

/** The row that `sessions/put` takes, and the part of its audit row that may be erased. */
export function sessionRow(columns: SessionColumns): {
  row: Record<string, unknown>;
  audit_values: { salt: string; columns: Record<string, unknown> };
} {
  const { salt, state_digest } = salted(digestOf(columns));
  const { user, agent_id, status, metadata } = columns;
  return { row: { ...columns, state_digest }, audit_values: { salt, columns: { user, agent_id, status, metadata } } };
}
