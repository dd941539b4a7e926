import { type Parts, partOf } from '../parts.js';
import { type Dots, dotsOver } from './kernel.js';
import { SCALE, strideOf, type VectorStore } from './store.js';

const PAGE_BYTES = 65_536;
/** What 32 bits can address. */
const MAX_MEMORY_BYTES = 65_536 * PAGE_BYTES;
/** Vectors that the kernel compares side by side. */
const ABREAST = 8;
/** Places that the kernel takes at once. Not a power of two: stretches of the list would meet in the cache. */
const LIST = 514 * ABREAST;
const GROWTH = 1.25;

/** One memory: the query, the list of places that become dot products, and then the vectors. */
interface Block {
  memory: WebAssembly.Memory;
  dots: Dots;
  numbers: Int16Array;
  list: Uint32Array;
  products: Int32Array;
}

/** Vectors in memory that the kernel reads. */
export class MemoryStore implements VectorStore {
  readonly diskBytes = 0;
  /** 150 neighbours of 100 000 take .56 ms, 300 .89, 1 500 8.8; to compare 10 000 that are scattered among them, 1.4. */
  readonly comparedPerNeighbour = 20;
  readonly #stride: number;
  readonly #header: number;
  readonly #perBlock: number;
  readonly #blocks: Block[] = [];
  #places = 0;

  /** @param blockBytes the most that one memory takes */
  constructor(
    readonly dimensions: number,
    private readonly blockBytes: number = MAX_MEMORY_BYTES,
  ) {
    this.#stride = strideOf(dimensions);
    this.#header = this.#stride + LIST * 4;
    this.#perBlock = Math.floor((blockBytes - this.#header) / this.#stride);
  }

  get places(): number {
    return this.#places;
  }

  get bytes(): number {
    return this.#blocks.reduce((sum, { numbers }) => sum + numbers.byteLength, 0);
  }

  write(place: number, numbers: Int16Array): void {
    const block = this.#blockFor(place);
    block.numbers.set(numbers, this.#start(place));
    this.#places = Math.max(this.#places, place + 1);
  }

  clear(place: number): void {
    this.read(place).fill(0);
  }

  read(place: number): Int16Array {
    const start = this.#start(place);
    return this.#block(Math.floor(place / this.#perBlock)).numbers.subarray(start, start + this.#stride / 2);
  }

  cosines(query: Int16Array, places: Uint32Array): Float64Array {
    const count = places.length;
    const cosines = new Float64Array(count);
    if (this.#blocks.length <= 1) {
      if (count > 0) this.#cosinesIn(0, query, { places, cosines, count });
      return cosines;
    }
    for (let number = 0; number < this.#blocks.length; number += 1) {
      const from = number * this.#perBlock;
      const at = new Uint32Array(count);
      let found = 0;
      for (let i = 0; i < count; i += 1) {
        const place = (places[i] ?? 0) - from;
        if (place >= 0 && place < this.#perBlock) at[found++] = i;
      }
      const own = { places: at.slice(0, found).map((i) => (places[i] ?? 0) - from), cosines: new Float64Array(found) };
      if (found > 0) this.#cosinesIn(number, query, { ...own, count: found });
      for (let i = 0; i < found; i += 1) cosines[at[i] ?? 0] = own.cosines[i] ?? 0;
    }
    return cosines;
  }

  #cosinesIn(
    number: number,
    query: Int16Array,
    { places, cosines, count }: { places: Uint32Array; cosines: Float64Array; count: number },
  ): void {
    const { dots, numbers, list, products } = this.#block(number);
    numbers.set(query);
    for (let from = 0; from < count; from += LIST) {
      const here = Math.min(LIST, count - from);
      const filled = Math.ceil(here / ABREAST) * ABREAST;
      list.set(places.subarray(from, from + here));
      list.fill(places[from] ?? 0, here, filled);
      dots(0, this.#stride, filled, this.#header, this.#stride);
      for (let i = 0; i < here; i += 1) cosines[from + i] = Math.min(1, (products[i] ?? 0) / (SCALE * SCALE));
    }
  }

  #start(place: number): number {
    return (this.#header + (place % this.#perBlock) * this.#stride) / 2;
  }

  #block(number: number): Block {
    const block = this.#blocks[number];
    if (block === undefined) throw new RangeError(`there is no memory ${number}`);
    return block;
  }

  /** The memory of a place, grown as far as it must. What grows is not copied. */
  #blockFor(place: number): Block {
    const number = Math.floor(place / this.#perBlock);
    while (this.#blocks.length <= number) this.#blocks.push(this.#newBlock());
    const block = this.#block(number);
    const needed = (this.#start(place) + this.#stride / 2) * 2;
    const { byteLength } = block.numbers;
    if (needed <= byteLength) return block;
    const wanted = Math.min(this.blockBytes, Math.max(needed, byteLength * GROWTH));
    block.memory.grow(Math.ceil((wanted - byteLength) / PAGE_BYTES));
    return Object.assign(block, viewsOf(block.memory, this.#stride));
  }

  #newBlock(): Block {
    const maximum = Math.ceil(this.blockBytes / PAGE_BYTES);
    const memory = new WebAssembly.Memory({ initial: Math.ceil(this.#header / PAGE_BYTES), maximum });
    return { memory, dots: dotsOver(memory), ...viewsOf(memory, this.#stride) };
  }

  compacted(places: Uint32Array): MemoryStore {
    const compacted = new MemoryStore(this.dimensions, this.blockBytes);
    places.forEach((place, index) => {
      compacted.write(index, this.read(place));
    });
    return compacted;
  }

  /** The vectors as they lie, one memory after the other. */
  vectors(): Int16Array[] {
    return this.#blocks.map(({ numbers }, number) => {
      const places = Math.min(this.#perBlock, this.#places - number * this.#perBlock);
      const start = this.#header / 2;
      return numbers.subarray(start, start + (places * this.#stride) / 2);
    });
  }

  dump(): Parts {
    const vectors = this.vectors().map((numbers, number) => [`vectors.${number}`, numbers]);
    return { places: Float64Array.of(this.#places), ...Object.fromEntries(vectors) };
  }

  /** @throws Error when the parts are not those of a dump */
  static load(parts: Parts, dimensions: number, blockBytes?: number): MemoryStore {
    const store = new MemoryStore(dimensions, blockBytes);
    const places = partOf(parts, 'places', Float64Array)[0] ?? 0;
    for (let from = 0; from < places; from += store.#perBlock) {
      const number = from / store.#perBlock;
      const numbers = partOf(parts, `vectors.${number}`, Int16Array);
      const here = Math.min(store.#perBlock, places - from);
      if (numbers.length !== (here * store.#stride) / 2)
        throw new Error(`the part vectors.${number} has another length`);
      store.#blockFor(from + here - 1).numbers.set(numbers, store.#header / 2);
    }
    store.#places = places;
    return store;
  }
}

function viewsOf({ buffer }: WebAssembly.Memory, listStart: number): Pick<Block, 'numbers' | 'list' | 'products'> {
  return {
    numbers: new Int16Array(buffer),
    list: new Uint32Array(buffer, listStart, LIST),
    products: new Int32Array(buffer, listStart, LIST),
  };
}
