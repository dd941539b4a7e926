import type { Change } from '../live/change.js';
import type { Batch } from '../live/feed.js';
import type { Follower } from '../live/follow.js';
import type { Position } from '../live/position.js';
import { eventOf, type HookEvent } from './event.js';

/** Events that wait for one receiver; with more the log is left, and read again when these are delivered. */
const MAX_WAITING_EVENTS = 1_000;
const LOW_WAITING_EVENTS = 200;
/** Rows of the log that one batch of a backlog is made of. */
const BATCH_ROWS = 100;

/** What comes of one reading of the log for one hook. */
export interface EventBatch {
  events: HookEvent[];
  /** When all of them are delivered, everything up to here has been. */
  position: Position;
}

/** What a hook's reader takes from the log, until it holds too much. */
export class Inlet implements Follower {
  readonly maxRows = BATCH_ROWS;
  readonly #ended = new AbortController();
  readonly #wants: (change: Change) => boolean;
  readonly #positionOf: (cursor: string) => Position;
  readonly #batches: EventBatch[] = [];
  #waiting = 0;
  #taker = () => {};
  #givers: (() => void)[] = [];
  #failure: { error: unknown } | undefined;

  constructor(wants: (change: Change) => boolean, positionOf: (cursor: string) => Position) {
    this.#wants = wants;
    this.#positionOf = positionOf;
  }

  get signal(): AbortSignal {
    return this.#ended.signal;
  }

  /** When the oldest change was made that waits here. */
  get waitingSince(): Date | undefined {
    const [first] = this.#batches.flatMap(({ events }) => events.slice(0, 1));
    return first === undefined ? undefined : new Date(first.timestamp);
  }

  take({ changes, after }: Batch): void {
    if (this.signal.aborted) return;
    const events = changes.filter(this.#wants).map(eventOf);
    const position = this.#positionOf(after);
    const last = this.#batches.at(-1);
    // Nothing of interest: what waits leads a little further.
    if (events.length === 0 && last !== undefined) last.position = position;
    else this.#batches.push({ events, position });
    this.#waiting += events.length;
    if (this.#waiting > MAX_WAITING_EVENTS) this.end();
    this.#taker();
  }

  async room(): Promise<void> {
    if (this.#waiting <= LOW_WAITING_EVENTS || this.signal.aborted) return;
    await new Promise<void>((resolve) => this.#givers.push(resolve));
  }

  caughtUp(): void {}

  /** The next batch; undefined when no more comes of this reading. @throws what the reading failed with */
  async next(): Promise<EventBatch | undefined> {
    while (this.#batches.length === 0 && !this.signal.aborted)
      await new Promise<void>((resolve) => {
        this.#taker = resolve;
      });
    const batch = this.#batches.shift();
    if (batch === undefined && this.#failure !== undefined) throw this.#failure.error;
    this.#waiting -= batch?.events.length ?? 0;
    if (this.#waiting <= LOW_WAITING_EVENTS) this.#release();
    return batch;
  }

  #release(): void {
    for (const resolve of this.#givers.splice(0)) resolve();
  }

  fail(error: unknown): void {
    this.#failure = { error };
    this.end();
  }

  /** Leaves the log; what has been taken can still be had. */
  end(): void {
    this.#ended.abort();
    this.#taker();
    this.#release();
  }
}
