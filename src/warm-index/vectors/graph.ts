import { Index, MetricKind, ScalarKind } from 'usearch';

/**
 * 0 means that usearch chooses: 16 neighbours, 64 looked at while searching. It would look at 128 while adding; then some
 * vectors get no neighbour that leads to them, and no search finds them: 14 of the 1 000 nearest of 100 queries among
 * 1 000 000 (5 000 a cluster), 5 of 2 000 among 100 000 as dense, where 256 lose none, for half as much time more. Measured.
 */
const SETTINGS = { connectivity: 0, expansion_add: 256, expansion_search: 0, multi: false };
const LARGEST = 127;
/** Of one vector, beside its components: its key and its neighbours. Measured. */
const BYTES_OF_A_NODE = 180;

/** A graph of near vectors (HNSW by usearch), as int8: it tells which places are worth an exact look. */
export class Graph {
  #index: Index;
  /** What was removed leaves its node to the next one that comes. */
  #nodes = 0;

  constructor(
    private readonly dimensions: number,
    /** Those that add a batch. usearch wants the same number all along. */
    private readonly threads: number,
  ) {
    this.#index = new Index({ dimensions, metric: MetricKind.Cos, quantization: ScalarKind.I8, ...SETTINGS });
  }

  get size(): number {
    return this.#index.size();
  }

  get bytes(): number {
    return this.#nodes * (this.dimensions + BYTES_OF_A_NODE);
  }

  /**
   * @param places none of which is in the graph: usearch would stop half-way
   * @param read the numbers at a place
   */
  add(places: Uint32Array, read: (place: number) => Int16Array): void {
    if (places.length === 0) return;
    const vectors = new Int8Array(places.length * this.dimensions);
    places.forEach((place, index) => {
      quantise(read(place), vectors.subarray(index * this.dimensions, (index + 1) * this.dimensions));
    });
    this.#index.add(BigUint64Array.from(places, BigInt), taken(vectors), this.threads);
    this.#nodes = Math.max(this.#nodes, this.size);
  }

  /** @throws Error when the place is not in the graph */
  remove(place: number): void {
    if (this.#index.remove(BigInt(place)) !== 1) throw new Error(`place ${place} is not in the graph`);
  }

  /**
   * The places next to a vector, nearest first, as far as int8 and the graph can tell; fewer than `count` when there are fewer,
   * or when the graph lost some.
   * @returns with the cosine, up to about .002, of the last
   */
  nearest(query: Int16Array, count: number): { places: Uint32Array; last: number } {
    const vector = new Int8Array(this.dimensions);
    quantise(query, vector);
    const { keys, distances } = this.#index.search(taken(vector), count, 1);
    return { places: Uint32Array.from(keys, Number), last: 1 - (distances.at(-1) ?? 1) };
  }

  /** Writes the file at `path`; the only thing here that touches a disk. */
  save(path: string): void {
    this.#index.save(path);
  }

  /**
   * @param path a file whose checksum was compared: flipped bits may hang or end the process
   * @param size how many vectors must be in it
   * @throws Error when it cannot be read or is another graph
   */
  static load(
    path: string,
    { dimensions, threads, size }: { dimensions: number; threads: number; size: number },
  ): Graph {
    const graph = new Graph(dimensions, threads);
    graph.#index.load(path);
    if (graph.#index.dimensions() !== dimensions || graph.size !== size)
      throw new Error('the file is of another graph');
    graph.#nodes = graph.size;
    return graph;
  }
}

/** Scales by the largest component, so that all of int8 is used: usearch itself would by the length, which leaves ±12 of it. */
function quantise(numbers: Int16Array, into: Int8Array): void {
  let largest = 1;
  for (const number of numbers) largest = Math.max(largest, Math.abs(number));
  const scale = LARGEST / largest;
  for (let i = 0; i < into.length; i += 1) into[i] = Math.round((numbers[i] ?? 0) * scale);
}

/** Has usearch take int8 as it is: its JavaScript copies what is not by its constructor a Float32Array into one. */
function taken(vectors: Int8Array): Int8Array {
  return Object.defineProperty(vectors, 'constructor', { value: Float32Array });
}
