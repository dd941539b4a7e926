import type { Parts } from '../parts.js';

/** A component of a unit vector becomes a whole number: the error of a cosine is about 1e-5. */
export const SCALE = 32_767;
const STRIDE_BYTES = 64;

/** What the kernel takes for one vector, in bytes. */
export function strideOf(dimensions: number): number {
  return Math.ceil((dimensions * 2) / STRIDE_BYTES) * STRIDE_BYTES;
}

/**
 * Components as whole numbers, rounded up to what the kernel takes by zeros.
 * @param vector float[dimensions]; it is brought to unit length
 * @throws RangeError when it has other dimensions, no direction or holds what is not a finite number
 */
export function numbersOf(vector: Float32Array, dimensions: number): Int16Array {
  if (vector.length !== dimensions) throw new RangeError(`a vector has ${vector.length} dimensions`);
  let squares = 0;
  for (const value of vector) squares += value * value;
  const scale = SCALE / Math.sqrt(squares);
  if (!(scale > 0 && scale < Number.POSITIVE_INFINITY)) throw new RangeError('a vector has no direction');
  const numbers = new Int16Array(strideOf(dimensions) / 2);
  for (let i = 0; i < vector.length; i += 1) numbers[i] = Math.round((vector[i] ?? 0) * scale);
  return numbers;
}

/** Vectors as int16, each at a place of its own. Places come and go as the caller says. */
export interface VectorStore {
  readonly dimensions: number;
  /** One behind the last place that was written. */
  readonly places: number;
  /** Memory that it takes. */
  readonly bytes: number;
  /** Disk that it takes. */
  readonly diskBytes: number;
  /** How many vectors are compared in the time that the graph takes for one neighbour. Measured. */
  readonly comparedPerNeighbour: number;
  /** Writes what `numbersOf` or `read` gave. */
  write(place: number, numbers: Int16Array): void;
  /** Leaves zeros: what was removed must not reach a snapshot. */
  clear(place: number): void;
  /** The numbers at a place, possibly as a view that the next `write` may make useless. */
  read(place: number): Int16Array;
  /** @returns for each place its cosine with the query */
  cosines(query: Int16Array, places: Uint32Array): Float64Array;
  /** Those at these places, in ascending order, and no others. This one must not be used any more. */
  compacted(places: Uint32Array): VectorStore;
  /** What of it does not lie in a file, as views: to be written away before anything else is done to it. */
  dump(): Parts;
}
