import type { Logger } from 'pino';
import type { Database } from '../surreal/database.js';

/** A key that is revoked ends its streams within this and the time of a query; the promise is 5 s. */
const INTERVAL_MS = 2_000;

/** Watches the keys of open streams, with one query for all of them: a stream outlives the check at its beginning. */
export class KeyWatch {
  readonly #control: Database;
  readonly #clock: () => Date;
  readonly #log: Logger;
  readonly #watchers = new Map<string, Set<() => void>>();
  #timer: NodeJS.Timeout | undefined;

  constructor({ control, clock, log }: { control: Database; clock: () => Date; log: Logger }) {
    this.#control = control;
    this.#clock = clock;
    this.#log = log;
  }

  /** @param onEnded called once, when the key has been revoked or has expired; @returns ends the watch */
  watch(keyId: string, onEnded: () => void): () => void {
    const watchers = this.#watchers.get(keyId) ?? new Set();
    this.#watchers.set(keyId, watchers.add(onEnded));
    this.#timer ??= setTimeout(() => void this.#look(), INTERVAL_MS);
    return () => {
      watchers.delete(onEnded);
      if (watchers.size === 0 && this.#watchers.get(keyId) === watchers) this.#watchers.delete(keyId);
    };
  }

  async #look(): Promise<void> {
    const ids = [...this.#watchers.keys()];
    try {
      const now = this.#clock().getTime();
      const found = await this.#control.query<{ id: string; expires_at?: string }[]>('live/keys', { ids });
      const good = new Set(
        found.filter((key) => !key.expires_at || Date.parse(key.expires_at) > now).map(({ id }) => id),
      );
      for (const id of ids) if (!good.has(id)) this.#end(id);
    } catch (error) {
      // While the database is away no change comes either; the next look tells.
      this.#log.debug({ err: error }, 'the keys of open streams could not be looked at');
    }
    this.#timer = this.#watchers.size === 0 ? undefined : setTimeout(() => void this.#look(), INTERVAL_MS);
  }

  #end(keyId: string): void {
    const watchers = this.#watchers.get(keyId) ?? [];
    this.#watchers.delete(keyId);
    for (const onEnded of [...watchers]) onEnded();
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#watchers.clear();
  }
}
