import type { FoundDocument } from '../../search/leg.js';
import { Bitset } from '../bitset.js';
import type { Documents, Renumbered } from '../documents.js';
import { type Parts, partOf } from '../parts.js';
import { cosinesOf, type FoundByVector, nearestDocuments, type VectorQuery } from './nearest-documents.js';
import { type GraphOptions, PendingGraph } from './pending-graph.js';
import { Places } from './places.js';
import { VectorStore } from './vector-store.js';

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
    this.#store = new VectorStore(dimensions);
    this.#pending = new PendingGraph({ dimensions, graphFrom, threads });
  }

  get size(): number {
    return this.#places.size;
  }

  /** Vectors that `buildGraph` has still to take into the graph. */
  get pending(): number {
    return this.#pending.toBuild(this.size);
  }

  get bytes(): number {
    return this.#store.bytes + this.#places.bytes + this.#pending.bytes;
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
    const numbers = this.#store.numbersOf(vector);
    const place = this.#places.take(slot);
    this.#store.write(place, numbers);
    this.#pending.add(place);
  }

  /** Does nothing when the slot has no vector. */
  remove(slot: number): void {
    const place = this.#places.leave(slot);
    if (place !== undefined) this.#pending.remove(place);
  }

  /**
   * Takes up to so many pending vectors into the graph, where there are enough vectors for one. To be called until it is done, in
   * slices, so that searches come between: 100 vectors take 10 to 20 ms of one processor.
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
    const renumbered = this.#places.slotOfPlace.map((slot) => slots[slot] ?? -1);
    const compacted = new VectorIndex(this.#pending.options);
    if (this.size >= this.#places.length / 2) {
      compacted.#places = new Places(renumbered);
      compacted.#store = this.#store;
      compacted.#pending = this.#pending;
      return compacted;
    }
    const places = this.#places.all();
    compacted.#places = new Places(places.map((place) => renumbered[place] ?? 0));
    places.forEach((place, index) => {
      compacted.#store.write(index, this.#store.read(place));
      compacted.#pending.add(index);
    });
    return compacted;
  }

  /** All of it but the graph, as views: to be written away, with `saveGraph`, before anything else is done to it. */
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

  /**
   * @param graphPath the file that `saveGraph` wrote with this dump, its checksum compared; without one, all is pending
   * @throws Error when the parts or the file are not those of a dump
   */
  static load(parts: Parts, options: VectorIndexOptions, graphPath?: string): VectorIndex {
    const index = new VectorIndex(options);
    index.#store = VectorStore.load(parts, options.dimensions);
    index.#places = new Places(partOf(parts, 'slots', Uint32Array).slice());
    if (index.#places.length !== index.#store.places) throw new Error('there are other places than vectors');
    if (graphPath === undefined) {
      for (const place of index.#places.all()) index.#pending.add(place);
    } else {
      const held = { waiting: new Bitset(partOf(parts, 'waiting', Uint32Array).slice()), size: index.size };
      index.#pending = PendingGraph.load(graphPath, index.#pending.options, held);
    }
    return index;
  }
}
