import { v7 as uuidv7 } from 'uuid';
import { auditDraft } from '../audit/draft.js';
import type { Context, RequestOperation } from '../context.js';
import { digestOf } from '../http/digest.js';
import { salted } from '../knowledge/prepare.js';
import type { Position } from '../live/position.js';
import { answeredBefore, keepUnchanged } from '../surreal/answered.js';
import { writeOver } from '../surreal/write-over.js';
import { type HookColumns, type HookRow, type HookWithState, readHook } from './row.js';

/** What a hook becomes. */
export interface NextHook {
  columns: HookColumns;
  /** Deliver from there on; without it from where it is. */
  position?: Position;
  /** Forget its failures, and try at once. */
  beginAnew: boolean;
}

export interface ChangedHook {
  hook: HookWithState;
  /** Undefined when nothing changed. */
  audit_id: string | undefined;
}

/** A hook, and the revision that it was read at. */
interface ReadHook {
  revision: number;
  hook: HookWithState;
}

/** What a change may say of a hook, without what the query adds. */
export function columnsOf(row: HookRow): HookColumns {
  const { id: _id, created_at: _created, updated_at: _updated, revision: _revision, ...columns } = row;
  return columns;
}

/**
 * Changes a hook: reads it, lets `decide` say what it becomes, and writes that if nobody else came between; else decides
 * anew. `decide` returns undefined when nothing is to change.
 * @param options.operation the client's; without it the change has one of its own
 * @throws AcervoError `hook:not_found`, `revision:mismatch` (If-Match), `revision:contended`, what `decide` throws, and
 *   those of `Database.transact`
 */
export async function changeHook(
  ctx: Context,
  id: string,
  decide: (row: HookRow) => NextHook | undefined | Promise<NextHook | undefined>,
  { operation, expectedRevision }: { operation?: RequestOperation; expectedRevision?: number | undefined } = {},
): Promise<ChangedHook> {
  const steps = {
    answered: async () => {
      const before = await answeredBefore(ctx.db, operation);
      return before && { hook: await readHook(ctx, id), audit_id: before.audit_id };
    },
    read: async (): Promise<ReadHook> => {
      const hook = await readHook(ctx, id);
      return { revision: hook.row.revision, hook };
    },
    decide: ({ hook }: ReadHook) => decide(hook.row),
    write: async ({ revision, hook }: ReadHook, next: NextHook | undefined): Promise<ChangedHook> => {
      if (next !== undefined) return writeHook(ctx, id, next, { revision, operation });
      await keepUnchanged(ctx.db, operation, { id, audit: auditDraft(ctx, `hook:${id}`, hook.row.agent_id) });
      return { hook, audit_id: undefined };
    },
  };
  return writeOver(steps, expectedRevision);
}

/** What the audit log may be asked for; not the whole URL, which may hold a credential of the receiver's. */
function auditColumns({ url, kinds, resource, enabled, disabled_reason }: HookColumns): Record<string, unknown> {
  return { origin: new URL(url).origin, kinds, resource, enabled, disabled_reason };
}

/**
 * Writes a hook over the revision that it was decided from; 0: a new one.
 * @throws AcervoError `revision:mismatch`, `hook:too_many`, and those of `Database.transact`
 */
export async function writeHook(
  ctx: Context,
  id: string,
  { columns, position, beginAnew }: NextHook,
  { revision, operation }: { revision: number; operation?: RequestOperation | undefined },
): Promise<ChangedHook> {
  const { salt, state_digest } = salted(digestOf(columns));
  const { answer, audit_id } = await ctx.db.transact<{ id: string }>({
    query: 'hooks/put',
    params: {
      id,
      row: { ...columns, state_digest },
      expected_revision: revision,
      position,
      begin_anew: beginAnew,
      max_hooks: ctx.config.hooks.max,
      audit_values: [{ salt, columns: auditColumns(columns) }],
    },
    operation: operation ?? { id: uuidv7(), request_digest: '' },
    audit: auditDraft(ctx, `hook:${id}`, columns.agent_id),
  });
  // A replay answers with the id of the first run.
  return { hook: await readHook(ctx, answer.id), audit_id };
}
