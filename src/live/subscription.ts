import type { Context } from '../context.js';
import { type AcervoError, isAcervoError } from '../errors/error.js';
import { textOf } from './change.js';
import type { Batch } from './feed.js';
import { type Follower, follow } from './follow.js';
import { type Interest, readInterest, wants } from './interest.js';
import { SUBSCRIPTION, type SubscriptionEvent, type SubscriptionSays, type SubscriptionState } from './machine.js';
import type { Outbox } from './outbox.js';
import { readPosition } from './position.js';
import type { Subscribe } from './schemas.js';
import { snapshot } from './snapshot.js';

/** One subscription of a socket: its state, and what it says as docs/live.md has it. */
export class Subscription implements Follower {
  readonly name: string;
  readonly #ctx: Context;
  readonly #outbox: Outbox;
  readonly #asked: Subscribe;
  readonly #interest: Interest;
  readonly #ended = new AbortController();
  #state: SubscriptionState = 'none';
  #cursor: string | undefined;

  /** @throws AcervoError `filter:*`, `cursor:*`, `request:invalid` */
  constructor(ctx: Context, outbox: Outbox, asked: Subscribe) {
    this.name = asked.subscription;
    this.#ctx = ctx;
    this.#outbox = outbox;
    this.#asked = asked;
    this.#interest = readInterest(asked);
    if (asked.after !== undefined) readPosition(ctx.cursors, asked.after);
  }

  get signal(): AbortSignal {
    return this.#ended.signal;
  }

  get isLive(): boolean {
    return this.#state === 'live';
  }

  /** The cursor that a heartbeat tells of: of what this one has been given. */
  get cursor(): string | undefined {
    return this.#cursor;
  }

  /** Steps on, and says what the table has; nothing when the event cannot happen in this state. */
  #step(event: SubscriptionEvent, facts: Record<string, unknown> = {}): SubscriptionSays {
    const [next, says] = SUBSCRIPTION[event][this.#state] ?? [this.#state, undefined];
    this.#state = next;
    if (says !== undefined) this.#outbox.send(JSON.stringify({ type: says, subscription: this.name, ...facts }));
    if ((next === 'none' || next === 'overflowed') && event !== 'subscribe') this.#ended.abort();
    return says;
  }

  /** Runs until it is live or has ended. Never rejects. */
  async run(): Promise<void> {
    try {
      const { after } = this.#asked;
      this.#cursor = after ?? (await this.#ctx.live.tail.cursor());
      const from = this.#cursor;
      if (this.signal.aborted) return;
      this.#step(this.#asked.snapshot ? 'subscribe_snapshot' : 'subscribe', { cursor: from });
      if (this.#asked.snapshot) await this.#snapshot(from);
      await follow(this.#ctx, this.#ctx.live.tail, readPosition(this.#ctx.cursors, from), this);
    } catch (error) {
      this.#fail(error);
    }
  }

  /** The cursor was taken before: what commits while the rows are read comes afterwards. */
  async #snapshot(cursor: string): Promise<void> {
    for await (const { kind, items } of snapshot(this.#ctx, this.#interest)) {
      await this.room();
      if (this.signal.aborted) return;
      this.#step('page', { kind, items });
    }
    this.#step('scanned', { cursor });
  }

  take({ changes, before, after }: Batch): void {
    const wanted = changes.filter((change) => wants(this.#interest, this.#ctx.principal, change));
    for (const [index, change] of wanted.entries()) {
      if (this.#outbox.full) this.#overflow();
      if (this.signal.aborted) return;
      const [next, says] = SUBSCRIPTION.change[this.#state] ?? [this.#state, undefined];
      this.#state = next;
      if (says === undefined) return;
      this.#cursor = index === wanted.length - 1 ? after : before;
      const facts = `"type":"${says}","subscription":"${this.name}","cursor":"${this.#cursor}"`;
      this.#outbox.send(`{${facts},"change":${textOf(change, this.#asked.columns)}}`);
      this.#ctx.metrics.liveChanges.inc();
    }
    if (!this.signal.aborted) this.#cursor = after;
  }

  async room(): Promise<void> {
    try {
      await this.#outbox.room();
    } catch {
      this.#overflow();
    }
  }

  #overflow(): void {
    this.#ctx.metrics.liveOverflows.inc();
    // What a snapshot has not sent cannot be resumed by a cursor of changes.
    this.#step('full', this.#state === 'snapshot' ? {} : { cursor: this.#cursor });
  }

  caughtUp(cursor: string): void {
    this.#cursor = cursor;
    this.#step('caught_up', { cursor });
  }

  unsubscribe(): void {
    this.#step('unsubscribe');
  }

  /** Ends it without a word: the socket is gone. */
  end(): void {
    this.#state = 'none';
    this.#ended.abort();
  }

  #fail(error: unknown): void {
    if (this.signal.aborted) return;
    if (!isAcervoError(error)) this.#ctx.log.error({ err: error }, 'a subscription has failed');
    this.#step('failed', errorFacts(error));
  }
}

/** What a client is told of an error; of one that was not meant for it, nothing. */
export function errorFacts(error: unknown): { code: string; message: string } {
  if (!isAcervoError(error)) return { code: 'internal:unexpected', message: 'Something went wrong here.' };
  const { code, message, detail, faults } = error as AcervoError;
  const said = [detail ?? message, ...(faults ?? []).map((fault) => `${fault.path} ${fault.message}`)];
  return { code, message: said.join(' ') };
}
