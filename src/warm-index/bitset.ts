/** A set of small whole numbers, a bit each. Operations between two sets go by 32 numbers at a time. */
export class Bitset {
  #words: Uint32Array;

  /** @param words what it begins with; taken over, not copied */
  constructor(words: Uint32Array = new Uint32Array(0)) {
    this.#words = words;
  }

  /** Every number under `length`. */
  static full(length: number): Bitset {
    const words = new Uint32Array((length + 31) >>> 5).fill(0xffffffff);
    const rest = length & 31;
    if (rest !== 0) words[words.length - 1] = 2 ** rest - 1;
    return new Bitset(words);
  }

  get words(): Uint32Array {
    return this.#words;
  }

  get bytes(): number {
    return this.#words.byteLength;
  }

  has(value: number): boolean {
    return ((this.#words[value >>> 5] ?? 0) & (1 << (value & 31))) !== 0;
  }

  add(value: number): void {
    const word = value >>> 5;
    if (word >= this.#words.length) this.#grow(word + 1);
    this.#words[word] = (this.#words[word] ?? 0) | (1 << (value & 31));
  }

  /** Adds all of an array. */
  addAll(values: Uint32Array): void {
    const count = values.length;
    for (let i = 0; i < count; i += 1) this.add(values[i] ?? 0);
  }

  delete(value: number): void {
    const word = value >>> 5;
    if (word < this.#words.length) this.#words[word] = (this.#words[word] ?? 0) & ~(1 << (value & 31));
  }

  #grow(words: number): void {
    const grown = new Uint32Array(Math.max(words, 32, this.#words.length * 2));
    grown.set(this.#words);
    this.#words = grown;
  }

  /** Adds all of another set. */
  or(other: Bitset): this {
    const theirs = other.#words;
    if (theirs.length > this.#words.length) this.#grow(theirs.length);
    const own = this.#words;
    for (let i = 0; i < theirs.length; i += 1) own[i] = (own[i] ?? 0) | (theirs[i] ?? 0);
    return this;
  }

  /** Keeps what is in the other set too. */
  and(other: Bitset): this {
    const own = this.#words;
    for (let i = 0; i < own.length; i += 1) own[i] = (own[i] ?? 0) & (other.#words[i] ?? 0);
    return this;
  }

  /** Takes away what is in the other set. */
  andNot(other: Bitset): this {
    const own = this.#words;
    for (let i = 0; i < own.length; i += 1) own[i] = (own[i] ?? 0) & ~(other.#words[i] ?? 0);
    return this;
  }

  get size(): number {
    let count = 0;
    for (const word of this.#words) {
      let bits = word - ((word >>> 1) & 0x55555555);
      bits = (bits & 0x33333333) + ((bits >>> 2) & 0x33333333);
      count += (((bits + (bits >>> 4)) & 0x0f0f0f0f) * 0x01010101) >>> 24;
    }
    return count;
  }

  /** Calls `visit` with each number, in ascending order. */
  forEach(visit: (value: number) => void): void {
    const own = this.#words;
    for (let i = 0; i < own.length; i += 1) {
      let word = own[i] ?? 0;
      while (word !== 0) {
        const low = word & -word;
        visit((i << 5) + 31 - Math.clz32(low));
        word ^= low;
      }
    }
  }
}
