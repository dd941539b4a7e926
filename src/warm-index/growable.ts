type Numbers = Uint8Array | Uint16Array | Uint32Array | Int32Array | Float32Array | Float64Array;

interface NumbersType<T extends Numbers> {
  new (length: number): T;
}

/** Small: filter columns have thousands of these, most with little in them. */
const FIRST_CAPACITY = 16;
const GROWTH = 1.5;

/** A typed array that grows at its end: numbers one after the other, with nothing of an object around each. */
export class Growable<T extends Numbers> {
  #array: T;
  #length: number;

  /** @param first what it begins with; it is taken over, not copied */
  constructor(
    private readonly type: NumbersType<T>,
    first?: T,
  ) {
    this.#array = first ?? new type(FIRST_CAPACITY);
    this.#length = first?.length ?? 0;
  }

  get length(): number {
    return this.#length;
  }

  /** The whole buffer: what lies beyond `length` is not in use. For loops that cannot afford a call for each number. */
  get buffer(): T {
    return this.#array;
  }

  /** The used part, as a view. */
  get used(): T {
    return this.#array.subarray(0, this.#length) as T;
  }

  get bytes(): number {
    return this.#array.byteLength;
  }

  /** @throws RangeError beyond the end */
  at(index: number): number {
    const value = index < this.#length ? this.#array[index] : undefined;
    if (value === undefined) throw new RangeError(`nothing at ${index}`);
    return value;
  }

  /** @throws RangeError beyond the end */
  set(index: number, value: number): void {
    if (index >= this.#length) throw new RangeError(`nothing at ${index}`);
    this.#array[index] = value;
  }

  /** @returns where it stands now */
  push(value: number): number {
    this.reserve(this.#length + 1);
    this.#array[this.#length] = value;
    this.#length += 1;
    return this.#length - 1;
  }

  /** Makes it so long, with `fill` in the new places. */
  extend(length: number, fill = 0): void {
    if (length <= this.#length) return;
    this.reserve(length);
    this.#array.fill(fill, this.#length, length);
    this.#length = length;
  }

  reserve(capacity: number): void {
    if (capacity <= this.#array.length) return;
    const grown = new this.type(Math.max(capacity, Math.ceil(this.#array.length * GROWTH), FIRST_CAPACITY));
    grown.set(this.#array.subarray(0, this.#length));
    this.#array = grown;
  }
}
