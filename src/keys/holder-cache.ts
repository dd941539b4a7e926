import type { KeyHolder } from '../http/authenticate.js';
import type { Database } from '../surreal/database.js';

/** A revocation on another node is seen after this long at most: the promise is 5 s, and a lookup takes time too. */
export const CACHE_LIFE_MS = 3_000;
export const MAX_CACHED = 10_000;

/** What is known of a key that works; times in milliseconds since 1970. */
export interface CachedKey {
  holder: KeyHolder;
  expiresAtMs: number;
  lastUsedAtMs: number;
  /** When the database was asked, not when it answered: the answer is as old as that. */
  askedAtMs: number;
}

/** Keys by the hash of their token, for a short while. */
export class HolderCache {
  readonly #keys = new Map<string, CachedKey>();
  /** Goes up when a key changes here: an answer that was asked for before must not be kept after. */
  #generation = 0;

  get generation(): number {
    return this.#generation;
  }

  /** A clock that was set back makes an entry old, not young again. */
  get(hash: string, nowMs: number): CachedKey | undefined {
    const key = this.#keys.get(hash);
    if (key === undefined) return undefined;
    const ageMs = nowMs - key.askedAtMs;
    if (ageMs >= 0 && ageMs < CACHE_LIFE_MS) return key;
    this.#keys.delete(hash);
    return undefined;
  }

  /** @param generation as it was when the database was asked */
  put(hash: string, key: CachedKey, generation: number): void {
    if (generation !== this.#generation) return;
    const [oldest] = this.#keys.keys();
    if (this.#keys.size >= MAX_CACHED && oldest !== undefined) this.#keys.delete(oldest);
    this.#keys.set(hash, key);
  }

  drop(keyId: string): void {
    this.#generation += 1;
    for (const [hash, key] of this.#keys) if (key.holder.key_id === keyId) this.#keys.delete(hash);
  }
}

const caches = new WeakMap<Database, HolderCache>();

/**
 * The cache that belongs to a node's control database: there the authenticator, which reads it, and the verbs that
 * end keys meet, without a global one that two nodes in one process (tests) would share.
 */
export function holderCacheOf(control: Database): HolderCache {
  const cache = caches.get(control) ?? new HolderCache();
  caches.set(control, cache);
  return cache;
}
