import type { Condition } from '../../search/filter/ast.js';
import type { Bitset } from '../bitset.js';
import { Growable } from '../growable.js';
import { type Parts, partOf } from '../parts.js';

/** What a number is compared by. */
export type Comparison = Extract<Condition['kind'], 'eq' | 'gt' | 'gte' | 'lt' | 'lte'>;

/** The numbers that rows have, datetimes as milliseconds among them; NaN, an unreadable time, fulfils nothing. Conditions scan. */
export class Numbers {
  #rows = new Growable(Uint32Array);
  #values = new Growable(Float64Array);

  get bytes(): number {
    return this.#rows.bytes + this.#values.bytes;
  }

  get isEmpty(): boolean {
    return this.#rows.length === 0;
  }

  add(row: number, value: number): void {
    this.#rows.push(row);
    this.#values.push(value);
  }

  /** Adds the rows with a number that stands so to the given one to `rows`, which has room for them. */
  collect(kind: Comparison, value: number, { words }: Bitset): void {
    // All as one range, and no branch on what is found: a loop that the processor need not guess in is quick.
    const low = kind === 'lt' || kind === 'lte' ? Number.NEGATIVE_INFINITY : value;
    const high = kind === 'gt' || kind === 'gte' ? Number.POSITIVE_INFINITY : value;
    const except = kind === 'gt' || kind === 'lt' ? value : Number.NaN;
    const [rows, values] = [this.#rows.buffer, this.#values.buffer];
    const count = this.#rows.length;
    for (let i = 0; i < count; i += 1) {
      const found = values[i] ?? 0;
      const row = rows[i] ?? 0;
      const bit = Number(found >= low) & Number(found <= high) & Number(found !== except);
      words[row >>> 5] = (words[row >>> 5] ?? 0) | (bit << (row & 31));
    }
  }

  /** Adds the rows with one of the given numbers to `rows`, which has room for them. */
  collectOneOf(wanted: readonly number[], { words }: Bitset): void {
    const sorted = Float64Array.from(wanted).sort();
    const [rows, values] = [this.#rows.buffer, this.#values.buffer];
    const count = this.#rows.length;
    for (let i = 0; i < count; i += 1) {
      const row = rows[i] ?? 0;
      const bit = Number(holds(sorted, values[i] ?? 0));
      words[row >>> 5] = (words[row >>> 5] ?? 0) | (bit << (row & 31));
    }
  }

  /** Adds the rows with any number to `rows`, which has room for them. */
  collectAll(rows: Bitset): void {
    rows.addAll(this.#rows.used);
  }

  /** Calls `visit` with each row and number, rows in ascending order. */
  forEach(visit: (row: number, value: number) => void): void {
    this.#rows.used.forEach((row, place) => {
      visit(row, this.#values.at(place));
    });
  }

  dump(parts: Parts, name: string): void {
    parts[`${name}.rows`] = this.#rows.used;
    parts[`${name}.values`] = this.#values.used;
  }

  /** @throws Error when the parts are not those of a dump */
  static load(parts: Parts, name: string): Numbers {
    const numbers = new Numbers();
    numbers.#rows = new Growable(Uint32Array, partOf(parts, `${name}.rows`, Uint32Array));
    numbers.#values = new Growable(Float64Array, partOf(parts, `${name}.values`, Float64Array));
    if (numbers.#rows.length !== numbers.#values.length) throw new Error(`the parts of ${name} do not fit together`);
    return numbers;
  }
}

/** Is the number among the sorted ones, of which there is one at least? Compared by `<=`: 0 and -0 are the same. */
function holds(sorted: Float64Array, value: number): boolean {
  let base = 0;
  for (let left = sorted.length; left > 1; ) {
    const half = left >>> 1;
    base += Number((sorted[base + half] ?? 0) <= value) * half;
    left -= half;
  }
  return sorted[base] === value;
}
