import type { FullAuditRow } from '../list-rows.js';
import { leafOf } from './leaf.js';
import type { Leaf } from './leaves.js';
import { idOfPlace, placeOfId } from './place.js';
import { hashOfSeal, NO_HASH, openSeal, type Seal, skipOf } from './seal.js';

/** What is wrong, where. A fault without a row is about a whole seal. */
export interface Fault {
  /**
   * changed, missing, inserted: a row. chain_broken: the seal does not follow the one before, or is gone. seal_changed:
   * the seal or the list of its leaves.
   */
  kind: 'changed' | 'missing' | 'inserted' | 'chain_broken' | 'seal_changed';
  seal?: number;
  row?: string;
}

/** Faults told one by one; of the rest only that there are more. */
export const MAX_FAULTS = 100;

export class Faults {
  readonly list: Fault[] = [];
  truncated = false;

  add(fault: Fault): void {
    if (this.list.length < MAX_FAULTS) this.list.push(fault);
    else this.truncated = true;
  }
}

/** A chain of seals as somebody walks along it. */
export class Chain {
  /** By number; the zeros stand before the first seal. */
  readonly #hashes: Map<number, string[]>;
  last: number;

  /** @param hashes those of the seal `last` and of those that `skipOf` leads to from there */
  constructor(last = 0, hashes: Iterable<[number, string]> = []) {
    this.last = last;
    this.#hashes = new Map([[0, [NO_HASH]]]);
    for (const [number, hash] of hashes) this.#hashes.set(number, [hash]);
  }

  /**
   * Takes the next seal.
   * @returns its leaves; undefined when nothing vouches for them
   */
  take(seal: Seal, packed: Buffer | undefined, faults: Faults): Leaf[] | undefined {
    const { number } = seal;
    const skipped = number - this.last - 1;
    if (skipped > 0) faults.add({ kind: 'chain_broken', seal: this.last + 1 });
    const { unchanged, leaves } = openSeal(seal, packed);
    if (!unchanged) faults.add({ kind: 'seal_changed', seal: number });
    // After a gap there is no hash to compare with.
    const follows = this.#fits(number - 1, seal.previous_hash) && this.#fits(skipOf(number), seal.skip_hash);
    if (unchanged && !follows) faults.add({ kind: 'chain_broken', seal: number });
    this.last = number;
    // Of a seal that was changed either may be what it had.
    this.#hashes.set(number, [seal.hash, hashOfSeal(seal)]);
    return leaves;
  }

  #fits(number: number, hash: string): boolean {
    const known = this.#hashes.get(number);
    return known === undefined || known.includes(hash);
  }
}

/** Compares rows with the leaves of their seals. */
export class Judge {
  readonly #sealed = new Map<string, { hash: Buffer; seal: number }>();

  constructor(readonly faults: Faults) {}

  expect(leaves: readonly Leaf[], seal: number): void {
    for (const { place, hash } of leaves) this.#sealed.set(idOfPlace(place), { hash, seal });
  }

  /** @returns false when the row is in no seal that was expected */
  look(row: FullAuditRow): boolean {
    const id = idOfPlace(placeOfId(row.id));
    const sealed = this.#sealed.get(id);
    if (sealed === undefined) return false;
    this.#sealed.delete(id);
    if (!sealed.hash.equals(leafOf(row))) this.faults.add({ kind: 'changed', seal: sealed.seal, row: id });
    return true;
  }

  /** Rows that were expected and have not come. */
  end(): void {
    for (const [row, { seal }] of this.#sealed) this.faults.add({ kind: 'missing', seal, row });
    this.#sealed.clear();
  }
}
