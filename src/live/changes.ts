import type { Context } from '../context.js';
import { AcervoError } from '../errors/error.js';
import type { Change } from './change.js';
import { Feed } from './feed.js';
import { type Interest, readInterest, wants } from './interest.js';
import { readPosition } from './position.js';
import { type ChangesQuery, MAX_CHANGES } from './schemas.js';

/** Rows of the log that one request looks at before it answers with what it has. */
const MAX_ROWS = 20_000;

export interface ChangesPage {
  changes: Change[];
  cursor: string;
  /** Is there more at once? */
  more: boolean;
}

/**
 * A page of changes after a cursor; without one, those from now on. With `wait_seconds` it waits for the first.
 * @throws AcervoError `auth:invalid` when the key ends meanwhile, `filter:*`, `cursor:*`, `request:overloaded`, `database:unavailable`
 */
export async function readChanges(ctx: Context, query: ChangesQuery, signal: AbortSignal): Promise<ChangesPage> {
  const interest = readInterest(query);
  const leavePlace = ctx.live.enter();
  try {
    return await pageOrWait(ctx, interest, query, signal);
  } finally {
    leavePlace();
  }
}

async function pageOrWait(
  ctx: Context,
  interest: Interest,
  query: ChangesQuery,
  signal: AbortSignal,
): Promise<ChangesPage> {
  const cursor = query.after ?? (await ctx.live.tail.cursor());
  const feed = await Feed.from(ctx.db, ctx.cursors, readPosition(ctx.cursors, cursor));
  const wanted = (change: Change) => wants(interest, ctx.principal, change);
  const shown = ({ columns, ...change }: Change): Change => (query.columns ? { ...change, columns } : change);

  /** Reads on until there are enough changes, the log's end is reached, or enough of it has been looked at. */
  async function page(): Promise<ChangesPage> {
    const changes: Change[] = [];
    for (let rows = 0; rows < MAX_ROWS && changes.length < query.limit; rows += MAX_CHANGES) {
      // Never more rows than there is room for changes: what was read is what the cursor says was given.
      const batch = await feed.next(query.limit - changes.length);
      if (batch === undefined) return { changes, cursor: feed.cursor, more: false };
      changes.push(...batch.changes.filter(wanted).map(shown));
      if (batch.end) return { changes, cursor: feed.cursor, more: false };
    }
    return { changes, cursor: feed.cursor, more: true };
  }

  const first = await page();
  if (first.changes.length > 0 || first.more || query.wait_seconds === 0) return first;
  const revoked = new AbortController();
  const unwatch = ctx.live.keys.watch(ctx.principal.key_id, () => revoked.abort());
  const signals = [signal, ctx.live.stopping, revoked.signal];
  try {
    const found = await untilOver(signals, query.wait_seconds * 1000, (over) => waitFor(ctx, over, wanted, page));
    if (revoked.signal.aborted) throw new AcervoError('auth:invalid');
    return found;
  } finally {
    unwatch();
  }
}

/**
 * Runs `work` with a signal that aborts with one of these or after a time. Not by AbortSignal.any: what that hangs on the
 * node's own signal, which lives as long as the process, stays there.
 */
async function untilOver<Result>(
  signals: readonly AbortSignal[],
  timeoutMs: number,
  work: (over: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const over = new AbortController();
  const end = () => over.abort();
  const timer = setTimeout(end, timeoutMs);
  for (const signal of signals) signal.addEventListener('abort', end);
  if (signals.some(({ aborted }) => aborted)) end();
  try {
    return await work(over.signal);
  } finally {
    clearTimeout(timer);
    for (const signal of signals) signal.removeEventListener('abort', end);
  }
}

/** Reads again whenever the tail has found what is wanted, until there is a change or the time is over. */
async function waitFor(
  ctx: Context,
  over: AbortSignal,
  wanted: (change: Change) => boolean,
  page: () => Promise<ChangesPage>,
): Promise<ChangesPage> {
  let stir = () => {};
  let stirred = false;
  const { leave } = await ctx.live.tail.listen(({ changes }) => {
    if (!changes.some(wanted)) return;
    stirred = true;
    stir();
  });
  over.addEventListener('abort', () => stir(), { once: true });
  try {
    // What came between the first page and the tail.
    let found = await page();
    while (found.changes.length === 0 && !found.more && !over.aborted) {
      if (!stirred)
        await new Promise<void>((resolve) => {
          stir = resolve;
        });
      stirred = false;
      found = await page();
    }
    return found;
  } finally {
    leave();
  }
}
