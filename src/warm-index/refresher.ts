import type { Searched } from '../search/compile.js';

/** A document whose state may have changed. */
export interface Stale {
  of: Searched;
  id: string;
}

/** Documents that are read and taken in at a time. */
const PAGE_DOCUMENTS = 50;

interface Round {
  ids: Map<Searched, Set<string>>;
  done: Promise<void>;
}

/**
 * Reads documents that have changed, and takes them in. One reading at a time, so that of two states of a document the
 * newer one comes last; what is asked for meanwhile is gathered, so that a flood of changes to one document is one reading.
 */
export class Refresher {
  readonly #take: (of: Searched, ids: string[]) => Promise<void>;
  #running: Promise<void> = Promise.resolve();
  #next: Round | undefined;
  #failed = new Map<Searched, Set<string>>();

  /** @param take reads the documents as they are now, and has taken them in when it resolves */
  constructor(take: (of: Searched, ids: string[]) => Promise<void>) {
    this.#take = take;
  }

  /** Is there anything that was changed and could not be read? */
  get isBehind(): boolean {
    return this.#failed.size > 0;
  }

  /** @returns when all of them have been read after this call, with what had failed before @throws what `take` throws */
  refresh(stale: Iterable<Stale>): Promise<void> {
    this.#next ??= this.#begin();
    for (const { of, id } of stale) idsOf(this.#next.ids, of).add(id);
    return this.#next.done;
  }

  #begin(): Round {
    const ids = new Map<Searched, Set<string>>();
    const done = this.#running.then(() => {
      this.#next = undefined;
      return this.#run(ids);
    });
    this.#running = done.catch(() => undefined);
    // Not everybody who asks waits for the answer.
    done.catch(() => undefined);
    return { ids, done };
  }

  async #run(ids: Map<Searched, Set<string>>): Promise<void> {
    for (const [of, failed] of this.#failed) for (const id of failed) idsOf(ids, of).add(id);
    try {
      for (const [of, wanted] of ids) await this.#takeAll(of, wanted);
      this.#failed = new Map();
    } catch (error) {
      this.#failed = ids;
      throw error;
    }
  }

  async #takeAll(of: Searched, wanted: Set<string>): Promise<void> {
    const all = [...wanted];
    for (let at = 0; at < all.length; at += PAGE_DOCUMENTS) {
      const page = all.slice(at, at + PAGE_DOCUMENTS);
      await this.#take(of, page);
      for (const id of page) wanted.delete(id);
    }
  }
}

function idsOf(ids: Map<Searched, Set<string>>, of: Searched): Set<string> {
  const known = ids.get(of) ?? new Set<string>();
  ids.set(of, known);
  return known;
}
