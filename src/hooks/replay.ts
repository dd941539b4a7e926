import { later, nanosOf, timeOf } from '../audit/time.js';
import type { Context } from '../context.js';
import { AcervoError } from '../errors/error.js';
import { type Position, readPosition } from '../live/position.js';
import { type ChangedHook, changeHook, columnsOf } from './change.js';
import type { ReplayInput } from './schemas.js';

/** @throws AcervoError `cursor:*`, `request:invalid` */
function positionOf({ cursors, clock }: Context, { cursor, since }: ReplayInput): Position {
  if (cursor !== undefined) return readPosition(cursors, cursor);
  // To the nanosecond, as changes tell their times: what is copied from one of them gives that one again.
  const nanos = nanosOf(since ?? '');
  const edge = timeOf(later(0n, nanos));
  if (nanos <= BigInt(clock().getTime() + 1) * 1_000_000n) return { edge, rows: 0, mark: 0 };
  throw new AcervoError('request:invalid', { faults: [{ path: 'since', message: 'is in the future' }] });
}

/**
 * Moves a hook to another place in the log: what comes after it is delivered, again or for the first time.
 * @throws AcervoError `hook:not_found`, `revision:mismatch`, `revision:contended`, `cursor:*`, `request:invalid`
 */
export function replayHook(
  ctx: Context,
  id: string,
  input: ReplayInput,
  expectedRevision: number | undefined,
): Promise<ChangedHook> {
  const { operation } = ctx;
  const position = positionOf(ctx, input);
  return changeHook(ctx, id, (row) => ({ columns: columnsOf(row), position, beginAnew: true }), {
    operation,
    expectedRevision,
  });
}
