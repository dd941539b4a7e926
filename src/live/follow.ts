import type { Services } from '../context.js';
import { isAcervoError } from '../errors/error.js';
import { type Batch, Feed } from './feed.js';
import type { Position } from './position.js';
import type { Tail } from './tail.js';

/** Batches that gather while the last of the backlog is read: far more than that takes. */
const MAX_WAITING = 10_000;
const RETRY_MS = 500;

export interface Follower {
  /** So many rows of a backlog at most come in one batch, up to 1 000; as many without it. */
  readonly maxRows?: number;
  /** Takes a batch at once, or ends itself. */
  take(batch: Batch): void;
  /** Resolves when it can take more; rejects when it has ended. */
  room(): Promise<void>;
  /** All that there was has been taken: from here on batches come as they are committed. */
  caughtUp(cursor: string): void;
  signal: AbortSignal;
}

/**
 * Gives a follower everything after a position, then everything new, with nothing left out between. Its backlog is read by
 * a reader of its own, at the follower's pace; the end of the log comes from the shared tail. The two overlap: the tail is
 * joined first, then the backlog is read to its end once more.
 * @returns when the follower is live; the tail is left when its signal aborts
 * @throws AcervoError `database:unavailable` before the first batch; what `room` rejects with
 */
export async function follow(
  { db, cursors }: Pick<Services, 'db' | 'cursors'>,
  tail: Tail,
  position: Position,
  follower: Follower,
): Promise<void> {
  const feed = await Feed.from(db, cursors, position);
  await readToEnd(feed, follower);
  /** What the backlog has given may be new to the tail. */
  let overlap: Feed | undefined = feed;
  const waiting: Batch[] = [];
  let live = false;
  let dropped = false;
  const { leave } = await tail.listen((batch) => {
    if (live) return follower.take(without(overlap, batch));
    // What is dropped has been committed: the backlog, read once more, has it.
    dropped ||= waiting.length >= MAX_WAITING;
    if (dropped) waiting.length = 0;
    else waiting.push(batch);
  });
  follower.signal.addEventListener('abort', leave, { once: true });
  if (follower.signal.aborted) return leave();
  do {
    dropped = false;
    await readToEnd(feed, follower);
  } while (dropped);
  let { cursor } = feed;
  for (const batch of waiting) {
    follower.take({ ...without(feed, batch), before: cursor });
    cursor = batch.after;
  }
  live = true;
  follower.caughtUp(cursor);
  // From its next whole reading on, the tail has given all that the backlog had.
  await tail.cursor().then(
    () => {
      overlap = undefined;
    },
    () => undefined,
  );
}

function without(feed: Feed | undefined, batch: Batch): Batch {
  return feed === undefined ? batch : { ...batch, changes: batch.changes.filter(({ id }) => !feed.hasGiven(id)) };
}

async function readToEnd(feed: Feed, follower: Follower): Promise<void> {
  while (!follower.signal.aborted) {
    const batch = await nextOf(feed, follower);
    if (batch === undefined) return;
    await follower.room();
    follower.take(batch);
    if (batch.end) return;
  }
}

/** The database may go away in the middle of a backlog: it is waited for. */
async function nextOf(feed: Feed, { signal, maxRows }: Follower): Promise<Batch | undefined> {
  while (!signal.aborted)
    try {
      return await feed.next(maxRows);
    } catch (error) {
      if (!isAcervoError(error, 'database:unavailable')) throw error;
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  return undefined;
}
