import { setTimeout as sleep } from 'node:timers/promises';
import type { Services } from '../context.js';
import type { Change } from '../live/change.js';
import { follow } from '../live/follow.js';
import { readInterest, wants } from '../live/interest.js';
import { readPosition } from '../live/position.js';
import { disableHook } from './disable.js';
import type { HookEvent } from './event.js';
import { failed, MAX_PAUSE_MS, succeeded } from './health.js';
import { type EventBatch, Inlet } from './inlet.js';
import { type Failure, sendInLanes } from './lanes.js';
import { Progress } from './progress.js';
import { type HookRow, type HookState, interestOf, keyWorks } from './row.js';
import type { DisabledReason } from './schemas.js';
import { signingSecrets } from './secret.js';
import type { Attempt, Sender } from './sender.js';

/** Deliveries of one hook that are under way side by side, each about another resource. */
const CONCURRENCY = 8;
const RETRY_MS = 1_000;

export interface PumpOptions {
  row: HookRow;
  state: HookState;
  sender: Sender;
  /** The secret of the installation. */
  installation: Buffer;
}

/**
 * Delivers the changes that one hook wants, in the order of the log for each resource, until it is stopped or disables
 * the hook. After a failure nothing but the event that failed is sent, again and again with growing pauses, until it is
 * taken: a receiver that is away gets one request a pause, and none of its events is left out.
 */
export class Pump {
  readonly revision: number;
  /** Resolves when nothing is under way any more. Never rejects. */
  readonly done: Promise<void>;
  readonly #services: Services;
  readonly #options: PumpOptions;
  readonly #progress: Progress;
  readonly #ended = new AbortController();
  #over = false;

  constructor(services: Services, options: PumpOptions) {
    this.revision = options.row.revision;
    this.#services = services;
    this.#options = options;
    this.#progress = new Progress(services.db, options);
    this.done = this.#run().catch((error: unknown) => {
      if (!this.#signal.aborted) this.#log.warn({ err: error }, 'a hook has stopped; it is begun again');
    });
  }

  get #signal(): AbortSignal {
    return this.#ended.signal;
  }

  get #log() {
    return this.#services.log.child({ hook_id: this.#options.row.id });
  }

  /** When the oldest change was made that is not delivered. */
  get waitingSince(): Date | undefined {
    return this.#progress.waitingSince;
  }

  get hasEnded(): boolean {
    return this.#over;
  }

  async #run(): Promise<void> {
    const { row } = this.#options;
    const unwatch = this.#services.live.keys.watch(row.key_id, () => void this.#disable('key_ended'));
    try {
      if (await keyWorks(this.#services, row.key_id)) while (!this.#signal.aborted) await this.#readAndDeliver();
      else await this.#disable('key_ended');
    } finally {
      unwatch();
      this.#over = true;
    }
  }

  /** Follows the log from where the hook is, until the hook is stopped or too much waits. */
  async #readAndDeliver(): Promise<void> {
    const { cursors, live } = this.#services;
    const { row } = this.#options;
    const interest = readInterest(interestOf(row));
    const rights = { agent_id: row.agent_id, scopes: new Set(row.scopes) };
    const inlet = new Inlet(
      (change: Change) => wants(interest, rights, change),
      (cursor) => readPosition(cursors, cursor),
    );
    const end = () => inlet.end();
    this.#signal.addEventListener('abort', end);
    follow(this.#services, live.tail, this.#progress.position, inlet).catch((error: unknown) => inlet.fail(error));
    try {
      for (let batch = await inlet.next(); batch !== undefined; batch = await inlet.next()) {
        await this.#deliver(batch);
        if (this.#signal.aborted) break;
        this.#progress.reached(batch.position, inlet.waitingSince);
        await this.#save();
      }
    } finally {
      this.#signal.removeEventListener('abort', end);
      end();
      await this.#save('now');
    }
  }

  /** What cannot be saved now is saved with what comes next; until then it would be delivered again. */
  async #save(when?: 'now'): Promise<void> {
    try {
      if (!(await this.#progress.save(when))) this.#ended.abort();
    } catch (error) {
      this.#log.debug({ err: error }, 'how far a hook is could not be saved');
      if (!this.#signal.aborted) await sleep(RETRY_MS, undefined, { signal: this.#signal }).catch(() => undefined);
    }
  }

  /** Returns when all of a batch has been delivered, or the pump has been stopped. */
  async #deliver({ events }: EventBatch): Promise<void> {
    const left = new Set(events);
    let failure: Failure | undefined;
    while (left.size > 0 && !this.#signal.aborted) {
      const [first] = left;
      if (first === undefined) return;
      this.#progress.waitingSince = new Date(first.timestamp);
      if (!(await this.#patience())) return;
      const failing = this.#progress.health.consecutive_failures > 0;
      const wave = failing ? [failure?.event ?? first] : [...left];
      const outcome = await sendInLanes(wave, CONCURRENCY, (event) => this.#attempt(event));
      for (const event of outcome.delivered) left.delete(event);
      ({ failure } = outcome);
      if (this.#signal.aborted) return;
      if (failure === undefined) this.#progress.health = succeeded(this.#services.clock(), this.#progress.health);
      else await this.#failed(failure.attempt);
    }
  }

  /** Waits for the next attempt; false when the pump has been stopped meanwhile. */
  async #patience(): Promise<boolean> {
    const { next_attempt_at } = this.#progress.health;
    // Never longer than any pause is: the clock that it was written by may have run ahead.
    const dueMs = next_attempt_at === undefined ? 0 : next_attempt_at.getTime() - this.#services.clock().getTime();
    const pauseMs = Math.min(dueMs, MAX_PAUSE_MS);
    if (pauseMs > 0) await sleep(pauseMs, undefined, { signal: this.#signal }).catch(() => undefined);
    return !this.#signal.aborted;
  }

  /** One request; undefined when the pump was stopped meanwhile. */
  async #attempt(event: HookEvent): Promise<Attempt | undefined> {
    const { clock, metrics } = this.#services;
    const { row, sender, installation } = this.#options;
    const attempted_at = clock();
    try {
      const secrets = signingSecrets(installation, row, attempted_at);
      const attempt = await sender.send(row.url, event, secrets, this.#signal);
      metrics.hookDeliveries.inc({ outcome: attempt.delivered ? 'delivered' : 'failed' });
      this.#progress.note(event, attempt, attempted_at);
      return attempt;
    } catch (error) {
      if (this.#signal.aborted) return undefined;
      throw error;
    }
  }

  async #failed(attempt: Attempt): Promise<void> {
    const { backoffMs, maxAttempts } = this.#services.config.hooks;
    const patience = { backoffMs, maxAttempts };
    const { health, over } = failed(this.#progress.health, attempt, { now: this.#services.clock(), patience });
    this.#progress.health = health;
    const { status_code, error } = attempt;
    this.#log.info({ status_code, error, failures: health.consecutive_failures }, 'a hook was not delivered');
    await this.#save('now');
    if (over !== undefined) await this.#disable(over);
  }

  /** Nothing more is sent. Where that cannot be written down, the pump that is begun after this one does it. */
  async #disable(reason: DisabledReason): Promise<void> {
    this.#ended.abort();
    const { id } = this.#options.row;
    try {
      await disableHook(this.#services, id, this.revision, reason);
    } catch (error) {
      this.#log.warn({ err: error, reason }, 'a hook could not be disabled; it is tried again');
    }
  }

  /** Ends what is under way; nobody knows whether that has arrived, so it comes again. */
  async stop(): Promise<void> {
    this.#ended.abort();
    await this.done;
  }
}
