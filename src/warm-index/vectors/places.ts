import type { Renumbered } from '../documents.js';
import { Growable } from '../growable.js';

const NONE = 0xffffffff;

/** Which slot's vector lies at which place. Slots only grow; a place that was left is taken again. */
export class Places {
  #placeOfSlot = new Growable(Uint32Array);
  #slotOfPlace: Growable<Uint32Array>;
  readonly #free: number[] = [];

  /** @param slots the slot at each place, as `slotOfPlace` gave it */
  constructor(slots?: Uint32Array) {
    this.#slotOfPlace = new Growable(Uint32Array, slots);
    slots?.forEach((slot, place) => {
      if (slot === NONE) this.#free.push(place);
      else this.#put(slot, place);
    });
  }

  /** Places in use. */
  get size(): number {
    return this.#slotOfPlace.length - this.#free.length;
  }

  /** Places, those that were left too. */
  get length(): number {
    return this.#slotOfPlace.length;
  }

  /** The slot at each place; 2^32 - 1 where none is. */
  get slotOfPlace(): Uint32Array {
    return this.#slotOfPlace.used;
  }

  get bytes(): number {
    return this.#placeOfSlot.bytes + this.#slotOfPlace.bytes + this.#free.length * 8;
  }

  placeOf(slot: number): number | undefined {
    const place = slot < this.#placeOfSlot.length ? this.#placeOfSlot.at(slot) : NONE;
    return place === NONE ? undefined : place;
  }

  /** @throws RangeError when the slot has a place */
  take(slot: number): number {
    if (this.placeOf(slot) !== undefined) throw new RangeError(`slot ${slot} has a vector`);
    const place = this.#free.pop() ?? this.#slotOfPlace.push(NONE);
    this.#slotOfPlace.set(place, slot);
    this.#put(slot, place);
    return place;
  }

  #put(slot: number, place: number): void {
    this.#placeOfSlot.extend(slot + 1, NONE);
    this.#placeOfSlot.set(slot, place);
  }

  /** @returns the place that the slot left; undefined when it had none */
  leave(slot: number): number | undefined {
    const place = this.placeOf(slot);
    if (place === undefined) return undefined;
    this.#placeOfSlot.set(slot, NONE);
    this.#slotOfPlace.set(place, NONE);
    this.#free.push(place);
    return place;
  }

  /** The places in use, in ascending order. */
  all(): Uint32Array {
    const places = new Uint32Array(this.size);
    const { slotOfPlace } = this;
    let count = 0;
    for (let place = 0; place < slotOfPlace.length; place += 1) {
      if (slotOfPlace[place] !== NONE) places[count++] = place;
    }
    return places;
  }
}

/** The slot at each place, where slots have other numbers. */
export function renumberedPlaces(slotOfPlace: Uint32Array, { slots }: Pick<Renumbered, 'slots'>): Uint32Array {
  return slotOfPlace.map((slot) => slots[slot] ?? NONE);
}
