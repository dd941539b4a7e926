import { Bitset } from '../bitset.js';
import { Graph } from './graph.js';

/** How a graph is made, and from how many vectors on. */
export interface GraphOptions {
  dimensions: number;
  /** Vectors from which on a graph is worth its memory; below, all of them are compared. */
  graphFrom: number;
  /** Threads that build it. */
  threads: number;
}

/** A graph and the places that it does not hold yet: a new vector waits until `build` comes to it. */
export class PendingGraph {
  #graph: Graph | undefined;
  #waiting = new Bitset();
  #waitingCount = 0;

  constructor(readonly options: GraphOptions) {}

  /** Undefined as long as there were too few vectors, or nothing was built yet. */
  get graph(): Graph | undefined {
    return this.#graph;
  }

  /** The places that the graph does not hold. Not to be changed. */
  get waiting(): Bitset {
    return this.#waiting;
  }

  get waitingCount(): number {
    return this.#waitingCount;
  }

  /** @param size vectors in all. @returns how many `build` has still to take */
  toBuild(size: number): number {
    return this.#graph === undefined && size < this.options.graphFrom ? 0 : this.#waitingCount;
  }

  get bytes(): number {
    return this.#waiting.bytes + (this.#graph?.bytes ?? 0);
  }

  add(place: number): void {
    this.#waiting.add(place);
    this.#waitingCount += 1;
  }

  remove(place: number): void {
    if (this.#waiting.has(place)) {
      this.#waiting.delete(place);
      this.#waitingCount -= 1;
    } else {
      this.#graph?.remove(place);
    }
  }

  /** Takes up to `most` waiting places into the graph. @param read the numbers at a place */
  build(most: number, read: (place: number) => Int16Array): void {
    this.#graph ??= new Graph(this.options.dimensions, this.options.threads);
    const places = firstOf(this.#waiting, Math.min(most, this.#waitingCount));
    this.#graph.add(places, read);
    for (const place of places) this.#waiting.delete(place);
    this.#waitingCount -= places.length;
  }

  /**
   * @param path the file of a graph, its checksum compared
   * @param held.waiting places that it does not hold
   * @param held.size vectors in all
   * @throws Error when the file cannot be read or is of another graph
   */
  static load(path: string, options: GraphOptions, { waiting, size }: { waiting: Bitset; size: number }): PendingGraph {
    const loaded = new PendingGraph(options);
    loaded.#waiting = waiting;
    loaded.#waitingCount = waiting.size;
    loaded.#graph = Graph.load(path, { ...options, size: size - loaded.#waitingCount });
    return loaded;
  }
}

/** The first `count` of a set. */
function firstOf(set: Bitset, count: number): Uint32Array {
  const first = new Uint32Array(count);
  let found = 0;
  for (let word = 0; found < count; word += 1) {
    for (let bits = set.words[word] ?? 0; bits !== 0 && found < count; bits &= bits - 1) {
      first[found++] = (word << 5) + 31 - Math.clz32(bits & -bits);
    }
  }
  return first;
}
