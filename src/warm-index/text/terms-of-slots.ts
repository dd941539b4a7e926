import { Growable } from '../growable.js';
import { type Parts, partOf } from '../parts.js';

/** Which terms a passage has, each once: what must be counted down when it goes. */
export class TermsOfSlots {
  #ids = new Growable(Uint32Array);
  /** By slot: where its ids end, which is where the next slot's begin. */
  #ends = new Growable(Float64Array);

  /** One behind the last slot. */
  get length(): number {
    return this.#ends.length;
  }

  get bytes(): number {
    return this.#ids.bytes + this.#ends.bytes;
  }

  /** @param slot greater than all before; those between have no terms */
  add(slot: number, ids: Iterable<number>): void {
    this.#ends.extend(slot, this.#ids.length);
    for (const id of ids) this.#ids.push(id);
    this.#ends.push(this.#ids.length);
  }

  /** A view, good until the next change. */
  of(slot: number): Uint32Array {
    return this.#ids.buffer.subarray(slot === 0 ? 0 : this.#ends.at(slot - 1), this.#ends.at(slot));
  }

  dump(): Parts {
    return { terms_of_slots: this.#ids.used, term_ends: this.#ends.used };
  }

  /** @throws Error when the parts are not those of a dump */
  static load(parts: Parts): TermsOfSlots {
    const terms = new TermsOfSlots();
    terms.#ids = new Growable(Uint32Array, partOf(parts, 'terms_of_slots', Uint32Array));
    terms.#ends = new Growable(Float64Array, partOf(parts, 'term_ends', Float64Array));
    if ((terms.#ends.used.at(-1) ?? 0) !== terms.#ids.length) throw new Error('the terms of the slots do not fit');
    return terms;
  }
}
