import type { FilterValue } from '../../search/filter/ast.js';
import type { Bitset } from '../bitset.js';
import type { Renumbered } from '../documents.js';
import type { Parts } from '../parts.js';
import { type Comparison, Numbers } from './numbers.js';
import { RowsByCode } from './rows-by-code.js';
import { Texts } from './texts.js';

/** Codes of values that are neither text nor number; those of texts follow. */
const CONSTANTS = [null, false, true] as const;

/** Scalars and the rows that have them. */
export class Values {
  #texts = new Texts();
  #coded = new RowsByCode();
  #numbers = new Numbers();

  get bytes(): number {
    return this.#texts.bytes + this.#coded.bytes + this.#numbers.bytes;
  }

  get textBytes(): number {
    return this.#texts.textBytes;
  }

  get isEmpty(): boolean {
    return this.#coded.isEmpty && this.#numbers.isEmpty;
  }

  /** Rows come in ascending order. @returns false for what is no scalar, and has not been added */
  add(row: number, value: unknown): boolean {
    if (typeof value === 'number') this.#numbers.add(row, value);
    else if (typeof value === 'string') this.#coded.add(row, CONSTANTS.length + this.#texts.intern(Buffer.from(value)));
    else if (value === null || typeof value === 'boolean') this.#coded.add(row, CONSTANTS.indexOf(value));
    else return false;
    return true;
  }

  /** Adds the rows with one of the values to `rows`, which has room for them. */
  collectEqual(values: readonly FilterValue[], rows: Bitset): void {
    const numbers: number[] = [];
    for (const value of values) {
      if (typeof value === 'number') numbers.push(value);
      else if (value instanceof Date) numbers.push(value.getTime());
      else this.#coded.collect(this.#codeOf(value), rows);
    }
    const [first] = numbers;
    if (numbers.length > 1) this.#numbers.collectOneOf(numbers, rows);
    else if (first !== undefined) this.#numbers.collect('eq', first, rows);
  }

  /** @returns an endless code, which no row has, for a text that is not known */
  #codeOf(value: string | boolean | null): number {
    if (typeof value !== 'string') return CONSTANTS.indexOf(value);
    return CONSTANTS.length + (this.#texts.codeOf(Buffer.from(value)) ?? Number.POSITIVE_INFINITY);
  }

  /** Adds the rows with a value that stands so to the given one to `rows`, which has room for them. */
  collectOrdered(kind: Exclude<Comparison, 'eq'>, value: FilterValue, rows: Bitset): void {
    if (typeof value === 'string')
      this.#texts.forEachOrdered(kind, Buffer.from(value), (code) => {
        this.#coded.collect(CONSTANTS.length + code, rows);
      });
    else if (typeof value === 'number') this.#numbers.collect(kind, value, rows);
    else if (value instanceof Date) this.#numbers.collect(kind, value.getTime(), rows);
  }

  /** Adds the rows with a text that has the given one within it to `rows`, which has room for them. */
  collectHolding(text: string, rows: Bitset): void {
    this.#texts.forEachHolding(Buffer.from(text), (code) => {
      this.#coded.collect(CONSTANTS.length + code, rows);
    });
  }

  /** Adds all rows that have a value to `rows`, which has room for them. */
  collectAll(rows: Bitset): void {
    this.#coded.collectAll(rows);
    this.#numbers.collectAll(rows);
  }

  /** The same without dead rows, and without texts that only they had. */
  compacted({ rows }: Renumbered): Values {
    const values = new Values();
    this.#numbers.forEach((row, value) => {
      const now = rows[row] ?? -1;
      if (now >= 0) values.#numbers.add(now, value);
    });
    const codes = new Map<number, number>(CONSTANTS.map((_, code) => [code, code]));
    this.#coded.forEach((row, code) => {
      const now = rows[row] ?? -1;
      if (now < 0) return;
      const known = codes.get(code);
      const moved = known ?? CONSTANTS.length + values.#texts.intern(this.#texts.bytesOf(code - CONSTANTS.length));
      if (known === undefined) codes.set(code, moved);
      values.#coded.add(now, moved);
    });
    return values;
  }

  dump(parts: Parts, name: string): void {
    this.#texts.dump(parts, `${name}.texts`);
    this.#coded.dump(parts, `${name}.coded`);
    this.#numbers.dump(parts, `${name}.numbers`);
  }

  /** @throws Error when the parts are not those of a dump */
  static load(parts: Parts, name: string): Values {
    const values = new Values();
    values.#texts = Texts.load(parts, `${name}.texts`);
    values.#coded = RowsByCode.load(parts, `${name}.coded`);
    values.#numbers = Numbers.load(parts, `${name}.numbers`);
    return values;
  }
}
