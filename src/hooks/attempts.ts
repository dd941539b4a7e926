import type { Context } from '../context.js';
import { readHook } from './row.js';
import { ATTEMPTS_KEPT_SECONDS, type AttemptRow } from './schemas.js';

/**
 * The last attempts to deliver, newest first: at most 200, of the last seven days.
 * @throws AcervoError `hook:not_found`
 */
export async function listAttempts(ctx: Context, id: string, limit: number): Promise<AttemptRow[]> {
  await readHook(ctx, id);
  const since = ctx.clock().getTime() - ATTEMPTS_KEPT_SECONDS * 1000;
  const rows = await ctx.db.query<AttemptRow[]>('hooks/attempts', { id });
  return rows
    .filter(({ attempted_at }) => Date.parse(attempted_at) >= since)
    .sort((a, b) => b.number - a.number)
    .slice(0, limit);
}
