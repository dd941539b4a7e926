import type { Context } from '../context.js';
import { digestOf } from '../http/digest.js';
import { type ChangedHook, changeHook, columnsOf } from './change.js';
import { checkHook } from './create.js';
import { type HookColumns, type HookRow, keyWorks } from './row.js';
import type { HookPatch } from './schemas.js';

/** null takes away, undefined leaves. */
const patchedField = <Value>(current: Value | undefined, given: Value | null | undefined): Value | undefined =>
  given === undefined ? current : (given ?? undefined);

/** A hook that has been disabled stays what it was: when, and why. */
function enabling(ctx: Context, row: HookRow, enabled: boolean): Partial<HookColumns> {
  if (enabled === row.enabled) return {};
  if (enabled) return { enabled, disabled_reason: undefined, disabled_at: undefined };
  return { enabled, disabled_reason: 'requested', disabled_at: ctx.clock() };
}

/**
 * Changes a hook; what it is then is tried at once. Whoever enables one whose key has ended answers for it from then on: it
 * ends with that key. Its rights stay what they were.
 * @throws AcervoError `hook:not_found`, `revision:mismatch`, `revision:contended`, `hook:url_forbidden`, `filter:*`
 */
export function patchHook(
  ctx: Context,
  id: string,
  patch: HookPatch,
  expectedRevision: number | undefined,
): Promise<ChangedHook> {
  const { operation } = ctx;
  const decide = async (row: HookRow) => {
    const filter = row.filter === undefined ? undefined : (JSON.parse(row.filter) as Record<string, unknown>);
    const wanted = patchedField(filter, patch.filter);
    const current = columnsOf(row);
    const columns: HookColumns = {
      ...current,
      url: patch.url ?? row.url,
      description: patchedField(row.description, patch.description),
      kinds: patchedField(row.kinds, patch.kinds),
      resource: patchedField(row.resource, patch.resource),
      filter: wanted === undefined ? undefined : JSON.stringify(wanted),
      ...enabling(ctx, row, patch.enabled ?? row.enabled),
    };
    if (digestOf(columns) === digestOf(current)) return undefined;
    checkHook(ctx, columns);
    const takenOver = columns.enabled && !row.enabled && !(await keyWorks(ctx, row.key_id));
    const key_id = takenOver ? ctx.principal.key_id : row.key_id;
    return { columns: { ...columns, key_id }, beginAnew: true };
  };
  return changeHook(ctx, id, decide, { operation, expectedRevision });
}
