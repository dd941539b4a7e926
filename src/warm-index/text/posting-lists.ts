import { Growable } from '../growable.js';
import { type Parts, partOf } from '../parts.js';

/** A block: where the next one is (0: nowhere), how many postings it has room for, how many it holds; then these. */
const NEXT = 0;
const ROOM = 1;
const USED = 2;
const HEADER = 3;
const FIRST_ROOM = 2;
const MOST_ROOM = 4_096;
const MOST_FREQUENCY = 255;

/** Lists of (slot, frequency) that only grow, all in one piece of memory: chains of blocks that double in size. */
export class PostingLists {
  /** Blocks. Place 0 is not in use, so that 0 can say "nowhere". */
  #blocks = new Growable(Uint32Array);
  /** The frequency of the posting at the same place of the blocks. */
  #frequencies = new Growable(Uint8Array);
  #first = new Growable(Uint32Array);
  #last = new Growable(Uint32Array);

  constructor() {
    this.#extend(1);
  }

  /** How many lists there are. */
  get length(): number {
    return this.#first.length;
  }

  get bytes(): number {
    return this.#blocks.bytes + this.#frequencies.bytes + this.#first.bytes + this.#last.bytes;
  }

  /** A new, empty list. @param room how many postings it will have at least */
  addList(room = FIRST_ROOM): number {
    const block = this.#addBlock(room);
    this.#last.push(block);
    return this.#first.push(block);
  }

  /** Appends a posting. @param slot greater than all others of the list */
  push(list: number, slot: number, frequency: number): void {
    let block = this.#last.at(list);
    const used = this.#blocks.at(block + USED);
    const room = this.#blocks.at(block + ROOM);
    if (used < room) this.#write(block, used, slot, frequency);
    else {
      const next = this.#addBlock(Math.min(room * 2, MOST_ROOM));
      this.#blocks.set(block + NEXT, next);
      this.#last.set(list, next);
      block = next;
      this.#write(block, 0, slot, frequency);
    }
  }

  #write(block: number, used: number, slot: number, frequency: number): void {
    const at = block + HEADER + used;
    this.#blocks.set(at, slot);
    this.#frequencies.set(at, Math.min(frequency, MOST_FREQUENCY));
    this.#blocks.set(block + USED, used + 1);
  }

  #addBlock(room: number): number {
    const block = this.#blocks.length;
    this.#extend(block + HEADER + room);
    this.#blocks.set(block + ROOM, room);
    return block;
  }

  #extend(length: number): void {
    this.#blocks.extend(length);
    this.#frequencies.extend(length);
  }

  /** Calls `visit` with each stretch of a list, in order: slots and frequencies stand in the buffers at from … end. */
  eachBlock(
    list: number,
    visit: (slots: Uint32Array, frequencies: Uint8Array, from: number, end: number) => void,
  ): void {
    const slots = this.#blocks.buffer;
    const frequencies = this.#frequencies.buffer;
    for (let block = this.#first.at(list); block !== 0; block = slots[block + NEXT] ?? 0) {
      const from = block + HEADER;
      visit(slots, frequencies, from, from + (slots[block + USED] ?? 0));
    }
  }

  dump(): Parts {
    return {
      blocks: this.#blocks.used,
      frequencies: this.#frequencies.used,
      first: this.#first.used,
      last: this.#last.used,
    };
  }

  /** @throws Error when the parts are not those of a dump */
  static load(parts: Parts): PostingLists {
    const lists = new PostingLists();
    lists.#blocks = new Growable(Uint32Array, partOf(parts, 'blocks', Uint32Array));
    lists.#frequencies = new Growable(Uint8Array, partOf(parts, 'frequencies', Uint8Array));
    lists.#first = new Growable(Uint32Array, partOf(parts, 'first', Uint32Array));
    lists.#last = new Growable(Uint32Array, partOf(parts, 'last', Uint32Array));
    const sizes = [lists.#frequencies.length - lists.#blocks.length, lists.#first.length - lists.#last.length];
    if (sizes.some((difference) => difference !== 0)) throw new Error('the parts of the posting lists do not fit');
    return lists;
  }
}
