import type { Context } from '../context.js';
import type { Step } from './report.js';
import type { Finding } from './schemas.js';
import { settleOne } from './settle-one.js';

/** So many in one run; the next one takes more. */
const MAX_DUE = 10_000;
const STEP_ARTIFACTS = 100;

export interface DueOptions {
  /** What was due then. */
  now: Date;
  /** Id of the artifact that was looked at last. */
  after: string;
  apply: boolean;
  signal: AbortSignal;
}

/**
 * Settles what was left between two steps and is due: reservations that are over, deletes that a crash cut short.
 * One that stays due is looked at once a run.
 * @throws AcervoError `objects:unavailable`, `database:unavailable`; the signal's reason when it is aborted
 */
export async function* settleDue(ctx: Context, { now, after, apply, signal }: DueOptions): AsyncGenerator<Step> {
  const due = await ctx.db.query<string[]>('artifacts/due', { now, limit: MAX_DUE });
  const ids = due.filter((id) => id > after).toSorted();
  for (let at = 0; at < ids.length; at += STEP_ARTIFACTS) {
    const page = ids.slice(at, at + STEP_ARTIFACTS);
    const findings: Finding[] = [];
    for (const id of page) {
      signal.throwIfAborted();
      const finding = await settleOne(ctx, id, apply);
      if (finding !== undefined) findings.push(finding);
    }
    const position = { pass: 'due' as const, bucket: '', key: page.at(-1) ?? after };
    yield { position, findings, objects_seen: 0, pointers_seen: page.length, objects_digested: 0 };
  }
}
