import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';

/** Snapshots are not written more often, and take a hundredth of the time at most. */
const PAUSE_MS = 60_000;
const SHARE = 100;
/** Whoever ends the process does not wait longer for the last one. */
const CLOSE_MS = 10_000;

/** Decides when a snapshot is written: one at a time, in the background, and only when something has changed. */
export class SnapshotKeeper {
  readonly #save: () => Promise<boolean>;
  readonly #log: Logger;
  #dirty = false;
  #saving: Promise<void> | undefined;
  #savedMs = performance.now();
  #durationMs = 0;

  /** @param save writes one, unless that is not possible yet: then it answers false */
  constructor(save: () => Promise<boolean>, log: Logger) {
    this.#save = save;
    this.#log = log;
  }

  /** What lies on disk is not the newest any more. */
  changed(): void {
    this.#dirty = true;
  }

  saveWhenDue(): void {
    const pauseMs = Math.max(PAUSE_MS, SHARE * this.#durationMs);
    if (this.#dirty && this.#saving === undefined && performance.now() - this.#savedMs >= pauseMs) this.#begin();
  }

  /** Resolves when none is being written. Never throws. */
  async settled(): Promise<void> {
    await this.#saving;
  }

  /** Writes what has not been written, and waits some time for it. Never throws: from an older one the next start takes longer. */
  async close(): Promise<void> {
    const late = new AbortController();
    const done = this.#saveLast().finally(() => late.abort());
    await sleep(CLOSE_MS, undefined, { signal: late.signal }).then(
      () => this.#log.warn('the snapshot of the warm index takes too long to be waited for; an older one stays'),
      () => done,
    );
  }

  async #saveLast(): Promise<void> {
    await this.#saving;
    if (this.#dirty) await this.#begin();
  }

  #begin(): Promise<void> {
    this.#saving = this.#run().finally(() => {
      this.#saving = undefined;
    });
    return this.#saving;
  }

  async #run(): Promise<void> {
    const startedMs = performance.now();
    this.#dirty = false;
    try {
      this.#dirty = !(await this.#save()) || this.#dirty;
    } catch (error) {
      this.#dirty = true;
      this.#log.warn({ err: error }, 'the snapshot of the warm index could not be written');
    }
    this.#savedMs = performance.now();
    this.#durationMs = this.#savedMs - startedMs;
  }
}
