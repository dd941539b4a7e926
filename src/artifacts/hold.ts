import type { Context } from '../context.js';
import { AcervoError, isAcervoError } from '../errors/error.js';
import { beginChange, type Changed, changeArtifact } from './change.js';
import { keepsLocks, lockOf } from './landing.js';
import { type ArtifactRow, readArtifact, storedVersion } from './row.js';
import type { HoldInput } from './schemas.js';
import { locked } from './states.js';

/**
 * Sets or lifts a legal hold, and sets or lengthens retention, on the version that the artifact is. The store keeps it;
 * the pointer repeats what the store says.
 * @throws AcervoError `artifact:lock_unsupported`, `artifact:held` (a retention made shorter), `artifact:not_found`,
 *   `artifact:not_stored`, `revision:mismatch`, `request:invalid` (a time that is past)
 */
export async function holdArtifact(
  ctx: Context,
  id: string,
  { legal_hold, retention }: HoldInput,
  expectedRevision?: number,
): Promise<Changed> {
  const { row, before } = await beginChange(ctx, id, expectedRevision);
  if (before !== undefined) return before;
  storedVersion(row);
  if (!keepsLocks(ctx, row.bucket)) throw new AcervoError('artifact:lock_unsupported');
  if (retention !== undefined && new Date(retention.retain_until) <= ctx.clock())
    throw new AcervoError('request:invalid', {
      faults: [{ path: 'retention.retain_until', message: 'is in the past' }],
    });
  try {
    return await changeArtifact(
      ctx,
      id,
      async (now) => {
        // Of the row that is written over: a further version that comes meanwhile is held as well.
        const object = storedVersion(now);
        if (legal_hold !== undefined) await ctx.objects.setLegalHold(object, legal_hold);
        if (retention !== undefined) await ctx.objects.setRetention(object, retention);
        return locked(now, await lockOf(ctx, now, object.version_id));
      },
      { operation: ctx.operation, expectedRevision },
    );
  } catch (error) {
    if (legal_hold !== undefined && isAcervoError(error, 'revision:mismatch')) await takeBack(ctx, row);
    throw error;
  }
}

/** If-Match refused the change after the store had been told: its version is held as the pointer says, again. */
async function takeBack(ctx: Context, row: ArtifactRow): Promise<void> {
  const now = await readArtifact(ctx, row.id);
  const { legal_hold } = now.version_id === row.version_id ? now : row;
  await ctx.objects.setLegalHold(storedVersion(row), legal_hold);
}
