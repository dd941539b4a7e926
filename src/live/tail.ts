import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { AcervoError } from '../errors/error.js';
import type { CursorSigner } from '../http/cursor.js';
import type { Database } from '../surreal/database.js';
import { type Batch, Feed } from './feed.js';

/** So late at most a change of another node is found. */
const POLL_MS = 250;
/** Commits of this node within so long are read together. */
const PAUSE_MS = 10;
/** So often the whole window is read for what committed late. */
const LATE_MS = 1_000;
/** The reader goes on for so long when nobody listens: a client that reconnects finds it running. */
const LINGER_MS = 60_000;
const RETRY_MS = 500;

export type Listener = (batch: Batch) => void;

interface TailOptions {
  db: Database;
  cursors: CursorSigner;
  log: Logger;
}

/** The one reader of the audit log's end that a process has, for all who follow it. It runs while somebody listens. */
export class Tail {
  readonly #options: TailOptions;
  readonly #listeners = new Set<Listener>();
  #feed: Promise<Feed> | undefined;
  /** Who waits for a reading that begins after they asked. */
  #askers: { resolve(cursor: string): void; reject(error: unknown): void }[] = [];
  #woken: (() => void) | undefined;
  #dirty = false;
  #idleSinceMs = 0;
  #closed = false;

  constructor(options: TailOptions) {
    this.#options = options;
  }

  /** Something was committed here: read now. */
  wake(): void {
    this.#dirty = true;
    this.#woken?.();
  }

  /**
   * Gives every change that is found from here on.
   * @returns the cursor of what was given before, and how to leave
   * @throws AcervoError `database:unavailable`
   */
  async listen(listener: Listener): Promise<{ cursor: string; leave: () => void }> {
    this.#idleSinceMs = performance.now();
    const feed = await this.#running();
    this.#listeners.add(listener);
    const leave = () => {
      this.#listeners.delete(listener);
      this.#idleSinceMs = performance.now();
    };
    return { cursor: feed.cursor, leave };
  }

  /** The feed, which begins anew when it was not running. */
  async #running(): Promise<Feed> {
    if (this.#feed === undefined) {
      const opening = Feed.ofNow(this.#options.db, this.#options.cursors);
      this.#feed = opening;
      opening.then(
        (feed) => void this.#run(feed),
        () => {
          this.#feed = undefined;
        },
      );
    }
    return this.#feed;
  }

  /** The cursor of now: the whole window is read once more first. @throws AcervoError `database:unavailable` */
  async cursor(): Promise<string> {
    this.#idleSinceMs = performance.now();
    await this.#running();
    return new Promise((resolve, reject) => {
      this.#askers.push({ resolve, reject });
      this.wake();
    });
  }

  async #run(feed: Feed): Promise<void> {
    let readAllMs = Number.NEGATIVE_INFINITY;
    while (!this.#closed && !this.#deserted()) {
      this.#dirty = false;
      const askers = this.#askers.splice(0);
      const nowMs = performance.now();
      const all = askers.length > 0 || nowMs - readAllMs >= LATE_MS;
      try {
        await this.#read(feed, all);
        for (const { resolve } of askers) resolve(feed.cursor);
        if (all) readAllMs = nowMs;
        await sleep(PAUSE_MS);
        await this.#wokenOrLater();
      } catch (error) {
        for (const { reject } of askers) reject(error);
        this.#options.log.debug({ err: error }, 'the audit log could not be read; trying again');
        await sleep(RETRY_MS);
      }
    }
    this.#feed = undefined;
    for (const { reject } of this.#askers.splice(0)) reject(new AcervoError('request:overloaded'));
  }

  async #read(feed: Feed, all: boolean): Promise<void> {
    for (;;) {
      const batch = await (all ? feed.next() : feed.nextRecent());
      if (batch !== undefined) this.#give(batch);
      // Nothing has come, and time has passed: cursors grow old with what they are made of.
      else if (all) this.#give({ changes: [], before: feed.cursor, after: feed.cursor, end: true });
      if (batch === undefined || batch.end || !all) return;
    }
  }

  #give(batch: Batch): void {
    for (const listener of [...this.#listeners]) listener(batch);
  }

  #deserted(): boolean {
    return this.#askers.length === 0 && this.#listeners.size === 0 && performance.now() - this.#idleSinceMs > LINGER_MS;
  }

  async #wokenOrLater(): Promise<void> {
    if (this.#dirty) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, POLL_MS);
      this.#woken = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#woken = undefined;
  }

  close(): void {
    this.#closed = true;
    this.wake();
  }
}
