import type { Context } from '../context.js';

const WINDOW_MS = 60_000;
/** Keys watched at a time; beyond it all counts begin anew. */
const MAX_KEYS = 10_000;

interface Count {
  startedMs: number;
  refusals: number;
}

/** 1, 10, 100, …: how often a flood is worth a line. */
const isPowerOfTen = (n: number): boolean => /^10*$/.test(String(n));

/**
 * A door that lets `max` refusals of a key and minute through to the audit log: a loop of refused requests must not
 * fill the database. Of the rest the process's log tells how many.
 * @param what in the plural, for the log: `denials`
 */
export function refusalBound(max: number, what: string): (ctx: Context) => boolean {
  const counts = new Map<string, Count>();

  /** Which refusal of its key and minute this one is. */
  function ordinalOf(keyId: string, nowMs: number): number {
    const known = counts.get(keyId);
    if (known === undefined && counts.size >= MAX_KEYS) counts.clear();
    const running = known !== undefined && nowMs >= known.startedMs && nowMs < known.startedMs + WINDOW_MS;
    const count = running ? known : { startedMs: nowMs, refusals: 0 };
    count.refusals += 1;
    counts.set(keyId, count);
    return count.refusals;
  }

  return function letsThrough(ctx) {
    const dropped = ordinalOf(ctx.principal.key_id, ctx.clock().getTime()) - max;
    if (isPowerOfTen(dropped)) ctx.log.warn({ dropped }, `${what} of this key are not recorded for now`);
    return dropped <= 0;
  };
}
