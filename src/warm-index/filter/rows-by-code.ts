import { Bitset } from '../bitset.js';
import { Growable } from '../growable.js';
import { type Parts, partOf } from '../parts.js';

/** A bitset takes as much as the chain when one row in so many has the value. */
const BITS_OF_A_NUMBER = 32;

/** The rows that have a value, for each code of a value: chains through one array. */
export class RowsByCode {
  /** In ascending order, a row for each time that it has a value. */
  #rows = new Growable(Uint32Array);
  /** For each of them, 1 + the place of the one before it with the same code; 0 for none. */
  #previous = new Growable(Uint32Array);
  /** For each code, 1 + the place of its last row; 0 for none. */
  #last = new Growable(Uint32Array);
  #counts = new Growable(Uint32Array);
  /** Common values that have been asked for: derived, thus not on disk. */
  readonly #common = new Map<number, Bitset>();

  get bytes(): number {
    const numbers = [this.#rows, this.#previous, this.#last, this.#counts, ...this.#common.values()];
    return numbers.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  get isEmpty(): boolean {
    return this.#rows.length === 0;
  }

  add(row: number, code: number): void {
    this.#last.extend(code + 1);
    this.#counts.extend(code + 1);
    this.#previous.push(this.#last.at(code));
    this.#last.set(code, this.#rows.push(row) + 1);
    this.#counts.set(code, this.#counts.at(code) + 1);
    if (this.#common.size > 0) this.#common.get(code)?.add(row);
  }

  /** Adds the rows with that value to `rows`, which has room for them. */
  collect(code: number, rows: Bitset): void {
    if (code >= this.#counts.length) return;
    const lastRow = this.#rows.at(this.#rows.length - 1);
    if (this.#counts.at(code) * BITS_OF_A_NUMBER > lastRow) rows.or(this.#common.get(code) ?? this.#gather(code));
    else this.#follow(code, rows);
  }

  #gather(code: number): Bitset {
    const common = new Bitset(new Uint32Array((this.#rows.at(this.#rows.length - 1) >>> 5) + 1));
    this.#follow(code, common);
    this.#common.set(code, common);
    return common;
  }

  #follow(code: number, { words }: Bitset): void {
    const rows = this.#rows.buffer;
    const previous = this.#previous.buffer;
    for (let place = this.#last.at(code); place !== 0; place = previous[place - 1] ?? 0) {
      const row = rows[place - 1] ?? 0;
      words[row >>> 5] = (words[row >>> 5] ?? 0) | (1 << (row & 31));
    }
  }

  /** Adds the rows with any value to `rows`, which has room for them. */
  collectAll(rows: Bitset): void {
    rows.addAll(this.#rows.used);
  }

  /** Calls `visit` with each row and code, rows in ascending order. */
  forEach(visit: (row: number, code: number) => void): void {
    const codes = new Uint32Array(this.#rows.length);
    for (let code = 0; code < this.#last.length; code += 1)
      for (let place = this.#last.at(code); place !== 0; place = this.#previous.at(place - 1)) codes[place - 1] = code;
    this.#rows.used.forEach((row, place) => {
      visit(row, codes[place] ?? 0);
    });
  }

  dump(parts: Parts, name: string): void {
    parts[`${name}.rows`] = this.#rows.used;
    parts[`${name}.previous`] = this.#previous.used;
    parts[`${name}.last`] = this.#last.used;
    parts[`${name}.counts`] = this.#counts.used;
  }

  /** @throws Error when the parts are not those of a dump */
  static load(parts: Parts, name: string): RowsByCode {
    const lists = new RowsByCode();
    lists.#rows = new Growable(Uint32Array, partOf(parts, `${name}.rows`, Uint32Array));
    lists.#previous = new Growable(Uint32Array, partOf(parts, `${name}.previous`, Uint32Array));
    lists.#last = new Growable(Uint32Array, partOf(parts, `${name}.last`, Uint32Array));
    lists.#counts = new Growable(Uint32Array, partOf(parts, `${name}.counts`, Uint32Array));
    if (lists.#rows.length !== lists.#previous.length || lists.#last.length !== lists.#counts.length)
      throw new Error(`the parts of ${name} do not fit together`);
    return lists;
  }
}
