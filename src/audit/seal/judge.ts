import type { FullAuditRow, Place } from '../list-rows.js';
import { leafOf } from './leaf.js';
import type { Leaf } from './leaves.js';
import { idOfPlace, keyOf } from './place.js';

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

/** A row whose time cannot be read has no leaf. */
function isLeaf(row: FullAuditRow, hash: Buffer): boolean {
  try {
    return hash.equals(leafOf(row));
  } catch {
    return false;
  }
}

/** Compares rows with the leaves of their seals. */
export class Judge {
  readonly #sealed = new Map<string, { leaf: Leaf; seal: number }>();

  constructor(readonly faults: Faults) {}

  expect(leaves: readonly Leaf[], seal: number): void {
    for (const leaf of leaves) this.#sealed.set(keyOf(leaf.place), { leaf, seal });
  }

  /** @returns false when the row is in no seal that was expected */
  look(place: Place, row: FullAuditRow): boolean {
    const key = keyOf(place);
    const sealed = this.#sealed.get(key);
    if (sealed === undefined) return false;
    this.#sealed.delete(key);
    if (!isLeaf(row, sealed.leaf.hash)) this.faults.add({ kind: 'changed', seal: sealed.seal, row: idOfPlace(place) });
    return true;
  }

  /** Rows that were expected and have not come. */
  end(): void {
    for (const { leaf, seal } of this.#sealed.values())
      this.faults.add({ kind: 'missing', seal, row: idOfPlace(leaf.place) });
    this.#sealed.clear();
  }
}
