import type { Place } from '../list-rows.js';
import type { Faults } from './judge.js';
import type { Leaf } from './leaves.js';
import { BEFORE_ALL, compare, knownPlace } from './place.js';
import { hashOfSeal, NO_HASH, openSeal, type Seal, skipOf } from './seal.js';

/** A chain of seals as somebody walks along it. */
export class ChainWalk {
  /** The number of the last seal taken. */
  last: number;
  /** What the hash of a seal may be, by its number; the zeros stand before the first. */
  readonly #hashes = new Map<number, string[]>([[0, [NO_HASH]]]);
  /** The last place of all that was taken. */
  #reached: Place;
  /** Places whose rows belong to a seal that is gone, or that nothing vouches for. */
  readonly #blind: { after: Place; upto: Place }[] = [];
  #gap = false;

  /**
   * @param last the number of the seal before the first one to take
   * @param hashes of that seal and of those that `skipOf` leads to from there
   * @param reached up to where that seal goes
   */
  constructor(last = 0, hashes: Iterable<[number, string]> = [], reached: Place = BEFORE_ALL) {
    this.last = last;
    this.#reached = reached;
    for (const [number, hash] of hashes) this.#hashes.set(number, [hash]);
  }

  /**
   * Takes the next seal there is.
   * @returns its leaves; undefined when nothing vouches for them
   */
  take(seal: Seal, packed: Buffer | undefined, faults: Faults): Leaf[] | undefined {
    const { number } = seal;
    if (number > this.last + 1) this.passGap(number - 1, faults);
    const { unchanged, leaves } = openSeal(seal, packed);
    if (!unchanged) faults.add({ kind: 'seal_changed', seal: number });
    // After a gap there is no hash to compare with.
    const follows = this.#fits(number - 1, seal.previous_hash) && this.#fits(skipOf(number), seal.skip_hash);
    if (unchanged && !follows) faults.add({ kind: 'chain_broken', seal: number });
    this.last = number;
    // Of a seal that was changed either may be what it had.
    this.#hashes.set(number, [seal.hash, hashOfSeal(seal)]);
    this.#cover(seal, leaves);
    return leaves;
  }

  /** All seals up to this number are gone. */
  passGap(upto: number, faults: Faults): void {
    faults.add({ kind: 'chain_broken', seal: this.last + 1 });
    this.last = upto;
    this.#gap = true;
  }

  /** Can nobody say whether a row here was sealed? */
  isBlind(place: Place): boolean {
    return this.#blind.some(({ after, upto }) => compare(place, after) > 0 && compare(place, upto) <= 0);
  }

  #fits(number: number, hash: string): boolean {
    const known = this.#hashes.get(number);
    return known === undefined || known.includes(hash);
  }

  #cover(seal: Seal, leaves: readonly Leaf[] | undefined): void {
    const [first, last] = [leaves?.[0], leaves?.at(-1)];
    if (leaves === undefined) this.#blind.push({ after: this.#reached, upto: knownPlace(seal.last_id) });
    else if (this.#gap && first !== undefined)
      this.#blind.push({ after: this.#reached, upto: { ...first.place, uuid: '' } });
    this.#gap = false;
    if (last !== undefined && compare(last.place, this.#reached) > 0) this.#reached = last.place;
  }
}
