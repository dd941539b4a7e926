import {
  closeSync,
  copyFileSync,
  constants as files,
  fstatSync,
  ftruncateSync,
  openSync,
  readSync,
  rmSync,
  writeSync,
} from 'node:fs';
import type { Parts } from '../parts.js';
import { MemoryStore } from './memory-store.js';
import { strideOf, type VectorStore } from './store.js';

/** Places that are read before the kernel compares them. */
const WINDOW = 256;
/** The system writes less than 2 GB at once. */
const PIECE_BYTES = 2 ** 26;

/**
 * Vectors in a file, where memory does not hold them: the system keeps in memory what is asked for often. The file is of no
 * use without the index over it, and belongs to one of them.
 */
export class FileStore implements VectorStore {
  /** Of what the system has in memory: a call for each vector costs more than comparing it. */
  readonly comparedPerNeighbour = 1;
  readonly #fd: number;
  readonly #stride: number;
  readonly #window: MemoryStore;
  readonly #windowBytes: Uint8Array;
  #places: number;

  private constructor(
    readonly path: string,
    readonly dimensions: number,
    flags: 'w+' | 'r+',
  ) {
    this.#fd = openSync(path, flags, 0o600);
    this.#stride = strideOf(dimensions);
    this.#places = Math.floor(fstatSync(this.#fd).size / this.#stride);
    this.#window = new MemoryStore(dimensions);
    this.#window.write(WINDOW - 1, new Int16Array(this.#stride / 2));
    const { buffer, byteOffset } = this.#window.read(0);
    this.#windowBytes = new Uint8Array(buffer, byteOffset, WINDOW * this.#stride);
  }

  /** All that is in another. @throws Error of the system, such as ENOSPC */
  static holding(store: MemoryStore, path: string): FileStore {
    const made = new FileStore(path, store.dimensions, 'w+');
    try {
      for (const part of store.vectors()) made.#append(new Uint8Array(part.buffer, part.byteOffset, part.byteLength));
    } catch (error) {
      made.remove();
      throw error;
    }
    return made;
  }

  /**
   * What was copied from such a file.
   * @param options.places those that are meant: more may have been written while it was copied
   * @throws Error when it holds fewer; Error of the system
   */
  static copyOf(from: string, { path, dimensions, places }: { path: string; dimensions: number; places: number }) {
    copyFileSync(from, path, files.COPYFILE_FICLONE);
    const store = new FileStore(path, dimensions, 'r+');
    if (store.places < places) {
      store.remove();
      throw new Error('the file of the vectors is too short');
    }
    store.#shrink(places);
    return store;
  }

  get places(): number {
    return this.#places;
  }

  get bytes(): number {
    return this.#window.bytes;
  }

  get diskBytes(): number {
    return this.#places * this.#stride;
  }

  write(place: number, numbers: Int16Array): void {
    this.#put(new Uint8Array(numbers.buffer, numbers.byteOffset, this.#stride), place * this.#stride);
    this.#places = Math.max(this.#places, place + 1);
  }

  clear(place: number): void {
    this.#put(new Uint8Array(this.#stride), place * this.#stride);
  }

  read(place: number): Int16Array {
    const numbers = new Int16Array(this.#stride / 2);
    this.#get(new Uint8Array(numbers.buffer), place);
    return numbers;
  }

  cosines(query: Int16Array, places: Uint32Array): Float64Array {
    const cosines = new Float64Array(places.length);
    const window = Uint32Array.from({ length: Math.min(WINDOW, places.length) }, (_, at) => at);
    for (let from = 0; from < places.length; from += WINDOW) {
      const wanted = places.subarray(from, from + WINDOW);
      this.#fill(wanted);
      cosines.set(this.#window.cosines(query, window.subarray(0, wanted.length)), from);
    }
    return cosines;
  }

  /** Reads them into the window; those that lie beside each other at once. */
  #fill(places: Uint32Array): void {
    for (let at = 0; at < places.length; ) {
      const first = places[at] ?? 0;
      let count = 1;
      while (at + count < places.length && places[at + count] === first + count) count += 1;
      this.#get(this.#windowBytes.subarray(at * this.#stride, (at + count) * this.#stride), first);
      at += count;
    }
  }

  dump(): Parts {
    return { places: Float64Array.of(this.#places) };
  }

  /** In place. */
  compacted(places: Uint32Array): FileStore {
    places.forEach((place, index) => {
      // Nothing is overwritten that is still to be read: they are in ascending order.
      if (place > index) this.write(index, this.read(place));
    });
    this.#shrink(places.length);
    return this;
  }

  #shrink(places: number): void {
    this.#places = places;
    ftruncateSync(this.#fd, this.diskBytes);
  }

  /** It must not be used any more. */
  remove(): void {
    closeSync(this.#fd);
    rmSync(this.path, { force: true });
  }

  #append(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at += PIECE_BYTES)
      this.#put(bytes.subarray(at, at + PIECE_BYTES), this.#places * this.#stride + at);
    this.#places += bytes.length / this.#stride;
  }

  #put(bytes: Uint8Array, position: number): void {
    // A disk that is nearly full takes a part of it; the rest then fails.
    for (let at = 0; at < bytes.length; ) at += writeSync(this.#fd, bytes, at, bytes.length - at, position + at);
  }

  #get(bytes: Uint8Array, place: number): void {
    const position = place * this.#stride;
    for (let at = 0; at < bytes.length; ) {
      const read = readSync(this.#fd, bytes, at, bytes.length - at, position + at);
      if (read === 0) throw new RangeError(`the file of the vectors ends before place ${place}`);
      at += read;
    }
  }
}
