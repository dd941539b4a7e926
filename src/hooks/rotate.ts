import type { Context } from '../context.js';
import { type ChangedHook, changeHook, columnsOf } from './change.js';

/**
 * Gives a hook a new secret. Until the grace is over deliveries are signed with the one before as well.
 * @throws AcervoError `hook:not_found`, `revision:mismatch`, `revision:contended`
 */
export function rotateHook(
  ctx: Context,
  id: string,
  { grace_seconds }: { grace_seconds: number },
  expectedRevision: number | undefined,
): Promise<ChangedHook> {
  const { operation } = ctx;
  const previous_secret_until = new Date(ctx.clock().getTime() + grace_seconds * 1000);
  return changeHook(
    ctx,
    id,
    (row) => ({
      columns: { ...columnsOf(row), secret_generation: row.secret_generation + 1, previous_secret_until },
      beginAnew: false,
    }),
    { operation, expectedRevision },
  );
}
