import { setTimeout as sleep } from 'node:timers/promises';
import type { Context } from '../context.js';
import { HEARTBEAT_SECONDS, PATIENCE_MS } from './bounds.js';
import { type Change, textOf } from './change.js';
import { EventStream } from './event-stream.js';
import type { Batch } from './feed.js';
import { type Follower, follow } from './follow.js';
import { type Interest, readInterest, wants } from './interest.js';
import { readPosition } from './position.js';
import type { ChangesQuery } from './schemas.js';

/** Follows changes for one reader of an event stream. */
class SseFollower implements Follower {
  readonly stream: EventStream;
  readonly #ended = new AbortController();
  readonly #ctx: Context;
  readonly #interest: Interest;
  readonly #columns: boolean;
  #cursor: string;
  #toldCursor: string;

  constructor(ctx: Context, interest: Interest, { columns, cursor }: { columns: boolean; cursor: string }) {
    this.#ctx = ctx;
    this.#interest = interest;
    this.#columns = columns;
    this.#cursor = cursor;
    this.#toldCursor = cursor;
    this.stream = new EventStream(() => this.end());
    this.stream.write({ event: 'ready', id: cursor, data: '{}' });
  }

  get signal(): AbortSignal {
    return this.#ended.signal;
  }

  take({ changes, before, after }: Batch): void {
    const wanted = changes.filter((change) => wants(this.#interest, this.#ctx.principal, change));
    for (const [index, change] of wanted.entries()) {
      if (this.stream.full) this.overflow();
      if (this.signal.aborted) return;
      this.#tell(change, index === wanted.length - 1 ? after : before);
    }
    if (!this.signal.aborted) this.#cursor = after;
  }

  #tell(change: Change, cursor: string): void {
    this.stream.write({ event: 'change', id: cursor, data: textOf(change, this.#columns) });
    this.#cursor = cursor;
    this.#toldCursor = cursor;
    this.#ctx.metrics.liveChanges.inc();
  }

  async room(): Promise<void> {
    const patience = new AbortController();
    const late = sleep(PATIENCE_MS, 'late', { signal: patience.signal }).catch(() => 'in time');
    const outcome = await Promise.race([this.stream.room(), late]);
    patience.abort();
    if (outcome === 'late') this.overflow();
  }

  overflow(): void {
    this.#ctx.metrics.liveOverflows.inc();
    this.end('overflow');
  }

  caughtUp(cursor: string): void {
    this.#cursor = cursor;
  }

  beat(): void {
    if (this.stream.full) return;
    const moved = this.#cursor !== this.#toldCursor;
    this.#toldCursor = this.#cursor;
    this.stream.write(moved ? { event: 'cursor', id: this.#cursor, data: '{}' } : { comment: 'heartbeat' });
  }

  /** @param why what is said last */
  end(why?: 'overflow' | 'revoked' | 'closing'): void {
    if (this.signal.aborted) return;
    const cursor = this.#cursor;
    if (why === 'revoked') this.stream.write({ event: why, data: '{}' });
    else if (why !== undefined) this.stream.write({ event: why, id: cursor, data: JSON.stringify({ cursor }) });
    this.#ended.abort();
    this.stream.end();
  }
}

/**
 * A stream of server-sent events of what is asked for. It ends when the reader leaves or is too slow, the key ends, or the
 * node stops.
 * @throws AcervoError `filter:*`, `cursor:*`, `request:overloaded`, `database:unavailable`
 */
export async function streamChanges(ctx: Context, query: ChangesQuery): Promise<ReadableStream<Uint8Array>> {
  const interest = readInterest(query);
  const cursor = query.after ?? (await ctx.live.tail.cursor());
  const position = readPosition(ctx.cursors, cursor);
  const leavePlace = ctx.live.enter();
  const follower = new SseFollower(ctx, interest, { columns: query.columns, cursor });
  const heart = setInterval(() => follower.beat(), HEARTBEAT_SECONDS * 1000);
  const unwatch = ctx.live.keys.watch(ctx.principal.key_id, () => follower.end('revoked'));
  const close = () => follower.end('closing');
  ctx.live.stopping.addEventListener('abort', close);
  follower.signal.addEventListener('abort', () => {
    clearInterval(heart);
    unwatch();
    ctx.live.stopping.removeEventListener('abort', close);
    leavePlace();
  });
  follow(ctx, ctx.live.tail, position, follower).catch((error: unknown) => {
    ctx.log.warn({ err: error }, 'a stream of changes has failed');
    follower.end('closing');
  });
  return follower.stream.body;
}
