import type { Context } from '../../context.js';
import { AcervoError } from '../../errors/error.js';
import { streamOf } from '../../http/reply.js';
import type { Database } from '../../surreal/database.js';
import { newestSeal, packedLeavesOf, sealsBetween } from './chain.js';
import type { Seal } from './seal.js';

const CURSOR_KIND = 'audit-seals';
const EXPORT_SEALS = 20;

/** @throws AcervoError `audit:not_sealed` before the first seal */
export async function latestSeal(ctx: Context): Promise<Seal> {
  const seal = await newestSeal(ctx.db);
  if (seal === undefined) throw new AcervoError('audit:not_sealed');
  return seal;
}

/**
 * A page of seals, newest first.
 * @throws AcervoError `cursor:*`, `database:unavailable`
 */
export async function listSeals(
  ctx: Context,
  { limit, cursor }: { limit: number; cursor?: string | undefined },
): Promise<{ seals: Seal[]; cursor?: string }> {
  const before = cursor === undefined ? undefined : Number(ctx.cursors.verify(CURSOR_KIND, cursor).before);
  const last = before === undefined ? ((await newestSeal(ctx.db))?.number ?? 0) : before - 1;
  const first = Math.max(1, last - limit + 1);
  const seals = (await sealsBetween(ctx.db, first, last)).reverse();
  return first <= 1 ? { seals } : { seals, cursor: ctx.cursors.sign(CURSOR_KIND, { before: first }) };
}

async function* lines(db: Database): AsyncGenerator<string> {
  const newest = (await newestSeal(db))?.number ?? 0;
  for (let from = 1; from <= newest; from += EXPORT_SEALS) {
    const seals = await sealsBetween(db, from, Math.min(newest, from + EXPORT_SEALS - 1));
    const packed = await packedLeavesOf(
      db,
      seals.map(({ number }) => number),
    );
    for (const seal of seals)
      yield `${JSON.stringify({ ...seal, leaves: packed.get(seal.number)?.toString('base64') })}\n`;
  }
}

/** All seals with their leaves, oldest first, as NDJSON: what `npm run audit:verify -- --file` reads. */
export function exportSeals(ctx: Context): ReadableStream<Uint8Array> {
  return streamOf(lines(ctx.db));
}
