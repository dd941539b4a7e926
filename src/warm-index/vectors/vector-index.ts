import type { FoundDocument } from '../../search/leg.js';
import { Bitset } from '../bitset.js';
import type { Documents, Renumbered } from '../documents.js';
import { type Parts, partOf } from '../parts.js';
import { FileStore } from './file-store.js';
import { MemoryStore } from './memory-store.js';
import { cosinesOf, type FoundByVector, nearestDocuments, type VectorQuery } from './nearest-documents.js';
import { type GraphOptions, PendingGraph } from './pending-graph.js';
import { Places, renumberedPlaces } from './places.js';
import { numbersOf, type VectorStore } from './store.js';

/** Where the files of a snapshot lie, checksums compared. */
export interface IndexFiles {
  /** What `saveGraph` wrote with the dump; without one, all vectors are pending. */
  graph?: string | undefined;
  /** A copy of what `vectorsPath` named, made at or after the dump. */
  vectors?: string | undefined;
  /** Where the vectors go on then. */
  workingPath?: string | undefined;
}

export type VectorIndexOptions = Pick<GraphOptions, 'dimensions'> & Partial<GraphOptions>;

const GRAPH_FROM = 10_000;

/**
 * Vectors of the replica by slot, and which documents are nearest. Scores are cosines from the int16 store, whatever the method.
 * A graph over most of them saves comparing all; what it does not hold yet is compared.
 */
export class VectorIndex {
  #places = new Places();
  #store: VectorStore;
  #pending: PendingGraph;

  constructor({ dimensions, graphFrom = GRAPH_FROM, threads = 1 }: VectorIndexOptions) {
    this.#store = new MemoryStore(dimensions);
    this.#pending = new PendingGraph({ dimensions, graphFrom, threads });
  }

  get size(): number {
    return this.#places.size;
  }

  /** Vectors that `buildGraph` has still to take into the graph. */
  get pending(): number {
    return this.#pending.toBuild(this.size);
  }

  /** Vectors that the graph holds. */
  get indexed(): number {
    return this.#pending.graph?.size ?? 0;
  }

  get bytes(): number {
    return this.#store.bytes + this.#places.bytes + this.#pending.bytes;
  }

  get diskBytes(): number {
    return this.#store.diskBytes;
  }

  has(slot: number): boolean {
    return this.#places.placeOf(slot) !== undefined;
  }

  /**
   * It is found from now on; the graph gets it by `buildGraph`.
   * @param vector float[dimensions] of unit length
   * @throws RangeError when the slot has a vector, or the vector other dimensions, no direction or what is no number
   */
  add(slot: number, vector: Float32Array): void {
    const numbers = numbersOf(vector, this.#store.dimensions);
    const place = this.#places.take(slot);
    this.#store.write(place, numbers);
    this.#pending.add(place);
  }

  /** Does nothing when the slot has no vector. */
  remove(slot: number): void {
    const place = this.#places.leave(slot);
    if (place === undefined) return;
    this.#store.clear(place);
    this.#pending.remove(place);
  }

  /**
   * Takes up to so many pending vectors into the graph, where there are enough vectors for one. To be called until it is done, in
   * slices, so that searches come between.
   * @returns whether nothing is left to do
   */
  buildGraph(maxVectors: number): boolean {
    if (this.pending > 0) this.#pending.build(maxVectors, (place) => this.#store.read(place));
    return this.pending === 0;
  }

  /** The `depth` nearest documents. Fewer only when no more match. */
  search(query: VectorQuery): FoundByVector {
    return nearestDocuments(this.#searched, query);
  }

  /** The cosines of given rows' best vectors, best first; rows without a vector are left out. */
  scoresOf(vector: Float32Array, rows: ArrayLike<number>, documents: Documents): FoundDocument[] {
    const keeps = new Bitset();
    for (let i = 0; i < rows.length; i += 1) keeps.add(rows[i] ?? 0);
    return cosinesOf(this.#searched, { vector, depth: Math.max(1, rows.length), keeps, documents });
  }

  get #searched() {
    return { store: this.#store, places: this.#places, pending: this.#pending };
  }

  /**
   * The same with other numbers of slots. It takes over the store and the graph of this one, which must not be used any more;
   * where most places are empty, it begins a new store and a new graph.
   */
  compacted({ slots }: Pick<Renumbered, 'slots'>): VectorIndex {
    for (const place of this.#places.all()) {
      const slot = this.#places.slotOfPlace[place] ?? 0;
      if ((slots[slot] ?? -1) < 0) this.remove(slot);
    }
    const renumbered = renumberedPlaces(this.#places.slotOfPlace, { slots });
    const compacted = new VectorIndex(this.#pending.options);
    if (this.size >= this.#places.length / 2) {
      compacted.#places = new Places(renumbered);
      compacted.#store = this.#store;
      compacted.#pending = this.#pending;
      return compacted;
    }
    const places = this.#places.all();
    compacted.#places = new Places(places.map((place) => renumbered[place] ?? 0));
    compacted.#store = this.#store.compacted(places);
    for (let place = 0; place < places.length; place += 1) compacted.#pending.add(place);
    return compacted;
  }

  /**
   * From now on the vectors lie in a file, and only their graph in memory. Blocks the thread: a second for each 1 or 2 GB.
   * @param path of a file that is made anew; this index alone uses it
   * @returns false when they lie there already, or there are none
   * @throws Error of the system, such as ENOSPC: they are still in memory
   */
  moveToDisk(path: string): boolean {
    if (!(this.#store instanceof MemoryStore) || this.size === 0) return false;
    this.#store = FileStore.holding(this.#store, path);
    return true;
  }

  /** The file in which the vectors lie, and go on changing; undefined while they lie in memory. */
  get vectorsPath(): string | undefined {
    return this.#store instanceof FileStore ? this.#store.path : undefined;
  }

  /** Removes the file of the vectors. It must not be used any more. */
  close(): void {
    if (this.#store instanceof FileStore) this.#store.remove();
  }

  /** All of it but the graph and what lies in a file, as views: to be written away, with `saveGraph`, before all else. */
  dump(): Parts {
    return { ...this.#store.dump(), slots: this.#places.slotOfPlace, waiting: this.#pending.waiting.words };
  }

  get hasGraph(): boolean {
    return this.#pending.graph !== undefined;
  }

  /** Writes the graph's file, where there is a graph. */
  saveGraph(path: string): void {
    this.#pending.graph?.save(path);
  }

  /** @throws Error when the parts or the files are not those of a dump; Error of the system */
  static load(parts: Parts, options: VectorIndexOptions, files: IndexFiles = {}): VectorIndex {
    const index = new VectorIndex(options);
    index.#places = new Places(partOf(parts, 'slots', Uint32Array).slice());
    index.#store = storeOf(parts, options.dimensions, files);
    try {
      index.#loadGraph(parts, files.graph);
    } catch (error) {
      index.close();
      throw error;
    }
    return index;
  }

  #loadGraph(parts: Parts, path: string | undefined): void {
    if (this.#places.length !== this.#store.places) throw new Error('there are other places than vectors');
    if (path === undefined) {
      for (const place of this.#places.all()) this.#pending.add(place);
    } else {
      const held = { waiting: new Bitset(partOf(parts, 'waiting', Uint32Array).slice()), size: this.size };
      this.#pending = PendingGraph.load(path, this.#pending.options, held);
    }
  }
}

function storeOf(parts: Parts, dimensions: number, { vectors, workingPath }: IndexFiles): VectorStore {
  if (vectors === undefined) return MemoryStore.load(parts, dimensions);
  if (workingPath === undefined) throw new Error('there is no place for the vectors');
  const places = partOf(parts, 'places', Float64Array)[0] ?? 0;
  return FileStore.copyOf(vectors, { path: workingPath, dimensions, places });
}
