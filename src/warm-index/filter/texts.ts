import type { Condition } from '../../search/filter/ast.js';
import { Growable } from '../growable.js';
import { type Parts, partOf } from '../parts.js';

const FIRST_TABLE = 16;

/**
 * Distinct texts, each with a code: 0, 1, 2, … Their UTF-8 bytes lie one after the other, so that millions of them are
 * nothing to the garbage collector, and order by bytes is order by code point. Found by a hash table with open addressing.
 */
export class Texts {
  #bytes = new Growable(Uint8Array);
  /** One behind the last byte of each code. */
  #ends = new Growable(Uint32Array);
  #hashes = new Growable(Uint32Array);
  /** A code + 1 in each place that is taken; its length is a power of two, at most half of it taken. */
  #table = new Uint32Array(FIRST_TABLE);

  get size(): number {
    return this.#ends.length;
  }

  /** Length of all texts together. */
  get textBytes(): number {
    return this.#bytes.length;
  }

  get bytes(): number {
    return this.#bytes.bytes + this.#ends.bytes + this.#hashes.bytes + this.#table.byteLength;
  }

  /** The UTF-8 bytes of a text, as a view. */
  bytesOf(code: number): Uint8Array {
    return this.#bytes.buffer.subarray(this.#startOf(code), this.#ends.at(code));
  }

  #startOf(code: number): number {
    return code === 0 ? 0 : this.#ends.at(code - 1);
  }

  /** @returns the code of a text, given in UTF-8; undefined when it is not among them */
  codeOf(text: Uint8Array): number | undefined {
    const found = this.#table[this.#placeOf(text, hashOf(text))] ?? 0;
    return found === 0 ? undefined : found - 1;
  }

  /** @returns the code of a text, given in UTF-8, which is new when it was not among them */
  intern(text: Uint8Array): number {
    const hash = hashOf(text);
    const place = this.#placeOf(text, hash);
    const found = this.#table[place] ?? 0;
    if (found !== 0) return found - 1;
    const start = this.#bytes.length;
    this.#bytes.extend(start + text.length);
    this.#bytes.buffer.set(text, start);
    this.#hashes.push(hash);
    const code = this.#ends.push(this.#bytes.length);
    this.#table[place] = code + 1;
    if (this.size * 2 > this.#table.length) this.#rehash(this.#table.length * 2);
    return code;
  }

  /** Where a text is in the table, or the free place where it would be. */
  #placeOf(text: Uint8Array, hash: number): number {
    const mask = this.#table.length - 1;
    for (let place = hash & mask; ; place = (place + 1) & mask) {
      const found = this.#table[place] ?? 0;
      if (found === 0) return place;
      if (this.#hashes.at(found - 1) === hash && this.#isText(found - 1, text)) return place;
    }
  }

  #isText(code: number, text: Uint8Array): boolean {
    return compare(this.#bytes.buffer, this.#startOf(code), this.#ends.at(code), text) === 0;
  }

  #rehash(places: number): void {
    const mask = places - 1;
    this.#table = new Uint32Array(places);
    for (let code = 0; code < this.size; code += 1) {
      let place = this.#hashes.at(code) & mask;
      while (this.#table[place] !== 0) place = (place + 1) & mask;
      this.#table[place] = code + 1;
    }
  }

  /** Calls `visit` with the code of each text that stands so to the given one. Reads all texts. */
  forEachOrdered(kind: Extract<Condition['kind'], 'gt' | 'gte' | 'lt' | 'lte'>, text: Uint8Array, visit: Visit): void {
    const wanted = kind === 'gt' || kind === 'gte' ? 1 : -1;
    const orEqual = kind === 'gte' || kind === 'lte';
    const [bytes, ends, size] = [this.#bytes.buffer, this.#ends.buffer, this.size];
    for (let code = 0, start = 0; code < size; code += 1) {
      const end = ends[code] ?? 0;
      const order = compare(bytes, start, end, text) * wanted;
      if (order > 0 || (orEqual && order === 0)) visit(code);
      start = end;
    }
  }

  /** Calls `visit` with the code of each text that has the given one within it. Reads all texts, as one (Horspool, 1980). */
  forEachHolding(text: Uint8Array, visit: Visit): void {
    const [bytes, ends, size] = [this.#bytes.buffer, this.#ends.buffer, this.size];
    const length = text.length;
    const steps = stepsOf(text);
    let code = 0;
    for (let at = 0; code < size && at + length <= this.#bytes.length; ) {
      if (!isAt(bytes, at, text)) {
        at += steps[bytes[at + length - 1] ?? 0] ?? 1;
        continue;
      }
      while ((ends[code] ?? 0) < at + length) code += 1;
      // What begins in one text and ends in the next is in neither.
      if (at >= this.#startOf(code)) {
        visit(code);
        at = ends[code] ?? 0;
        code += 1;
      } else at = this.#startOf(code);
    }
  }

  dump(parts: Parts, name: string): void {
    parts[`${name}.bytes`] = this.#bytes.used;
    parts[`${name}.ends`] = this.#ends.used;
    parts[`${name}.hashes`] = this.#hashes.used;
  }

  /** @throws Error when the parts are not those of a dump */
  static load(parts: Parts, name: string): Texts {
    const texts = new Texts();
    texts.#bytes = new Growable(Uint8Array, partOf(parts, `${name}.bytes`, Uint8Array));
    texts.#ends = new Growable(Uint32Array, partOf(parts, `${name}.ends`, Uint32Array));
    texts.#hashes = new Growable(Uint32Array, partOf(parts, `${name}.hashes`, Uint32Array));
    const end = texts.size === 0 ? 0 : texts.#ends.at(texts.size - 1);
    if (texts.#hashes.length !== texts.size || texts.#bytes.length !== end)
      throw new Error(`the parts of ${name} do not fit together`);
    texts.#rehash(Math.max(FIRST_TABLE, 2 ** Math.ceil(Math.log2(texts.size * 2 + 1))));
    return texts;
  }
}

type Visit = (code: number) => void;

/** The text from `start` to `end` with another: negative, 0 or positive, by code point. */
function compare(bytes: Uint8Array, start: number, end: number, text: Uint8Array): number {
  const common = Math.min(end - start, text.length);
  for (let i = 0; i < common; i += 1) {
    const [a, b] = [bytes[start + i] ?? 0, text[i] ?? 0];
    if (a !== b) return a - b;
  }
  return end - start - text.length;
}

/** How far a search for the text may go on from a place, by the byte at the end of that place. */
function stepsOf(text: Uint8Array): Uint32Array {
  const steps = new Uint32Array(256).fill(text.length);
  for (let i = 0; i < text.length - 1; i += 1) steps[text[i] ?? 0] = text.length - 1 - i;
  return steps;
}

/** Compared from its end on. */
function isAt(bytes: Uint8Array, at: number, text: Uint8Array): boolean {
  for (let i = text.length - 1; i >= 0; i -= 1) if (bytes[at + i] !== text[i]) return false;
  return true;
}

/** FNV-1a of 32 bits (draft-eastlake-fnv), mixed once more: its low bits alone are poor for a table. */
function hashOf(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < bytes.length; i += 1) hash = Math.imul(hash ^ (bytes[i] ?? 0), 0x01000193);
  return (hash ^ (hash >>> 15)) >>> 0;
}
