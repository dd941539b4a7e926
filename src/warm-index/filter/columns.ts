import { COLUMNS, type ColumnTable, type Condition, DECISION_COLUMNS, type Filter } from '../../search/filter/ast.js';
import { isPathSegment, MAX_PATH_SEGMENTS } from '../../search/filter/parse.js';
import { Bitset } from '../bitset.js';
import type { Renumbered } from '../documents.js';
import { type Parts, partOf, putTexts, textsOf } from '../parts.js';
import { Column } from './column.js';
import { UnsupportedFilterError } from './unsupported.js';

/** The columns that a filter over documents, or over decisions, may name; metadata comes with its own paths. */
const NAMED: ColumnTable = { ...COLUMNS, ...DECISION_COLUMNS };
const NAMED_PATHS = Object.keys(NAMED).map((path): [string, string[]] => [path, path.split('.')]);

/** Up to where paths of metadata are kept. What is beyond is left to the database. */
export interface FilterBounds {
  /** Distinct paths of metadata. */
  maxPaths: number;
  /** Distinct texts under one path, together. */
  maxTextBytes: number;
}

const BOUNDS: FilterBounds = { maxPaths: 1_000, maxTextBytes: 2 ** 28 };

/** What filters look at, by path: answers which rows fulfil a filter, in the sense of `evaluateFilter`. */
export class FilterColumns {
  readonly #bounds: FilterBounds;
  #columns = new Map<string, Column>();
  /** Paths with too much text. */
  #dropped = new Set<string>();
  #metadataPaths = 0;
  /** There were more paths of metadata than are kept: one that is not here may be anywhere, and stays unknown. */
  #isOverfull = false;
  #rows = 0;

  constructor(bounds: FilterBounds = BOUNDS) {
    this.#bounds = bounds;
  }

  /** Memory that it takes, roughly. */
  get bytes(): number {
    const BYTES_OF_A_COLUMN = 2_000;
    return [...this.#columns.values()].reduce((sum, { bytes }) => sum + bytes + BYTES_OF_A_COLUMN, 0);
  }

  /**
   * Takes in the columns of a row, once. Rows come in ascending order.
   * @param columns shaped as `evaluateFilter` reads them; datetimes as RFC 3339 text
   */
  add(row: number, columns: Readonly<Record<string, unknown>>): void {
    this.#rows = row + 1;
    for (const [path, segments] of NAMED_PATHS) {
      const value = segments.reduce<unknown>((within, segment) => memberOf(within, segment), columns);
      if (value !== undefined) this.#put(row, path, value);
    }
    this.#addMembers(row, { path: 'metadata', value: memberOf(columns, 'metadata'), depth: 1 });
  }

  /** What an object of metadata holds, and what is within that. */
  #addMembers(row: number, { path, value, depth }: { path: string; value: unknown; depth: number }): void {
    if (!isObject(value) || depth > MAX_PATH_SEGMENTS) return;
    for (const [key, member] of Object.entries(value)) {
      // What no filter can name needs no column.
      if (member === undefined || !isPathSegment(key)) continue;
      const at = `${path}.${key}`;
      this.#put(row, at, member);
      this.#addMembers(row, { path: at, value: member, depth: depth + 1 });
    }
  }

  #put(row: number, path: string, value: unknown): void {
    const column = this.#columns.get(path) ?? this.#begin(path);
    if (column === undefined) return;
    column.add(row, value);
    if (column.textBytes <= this.#bounds.maxTextBytes) return;
    this.#columns.delete(path);
    this.#dropped.add(path);
  }

  #begin(path: string): Column | undefined {
    if (this.#dropped.has(path)) return undefined;
    const type = typeOf(path);
    // Those with a name of their own fit in addition.
    if (type === 'any') {
      this.#isOverfull ||= this.#metadataPaths >= this.#bounds.maxPaths;
      if (this.#isOverfull) return undefined;
      this.#metadataPaths += 1;
    }
    const column = new Column(type);
    this.#columns.set(path, column);
    return column;
  }

  #countPaths(): void {
    const paths = [...this.#columns.keys(), ...this.#dropped];
    this.#metadataPaths = paths.filter((path) => typeOf(path) === 'any').length;
  }

  /**
   * The rows that fulfil the filter; dead ones may be among them. `not` is against all rows that were added.
   * @returns a set of its own, which the caller may change
   * @throws UnsupportedFilterError when it names a path that is not kept
   */
  select(filter: Filter): Bitset {
    switch (filter.kind) {
      case 'and':
        return filter.of.reduce((rows, member) => rows.and(this.select(member)), Bitset.full(this.#rows));
      case 'or':
        return filter.of.reduce((rows, member) => rows.or(this.select(member)), new Bitset());
      case 'not':
        return Bitset.full(this.#rows).andNot(this.select(filter.of));
      default:
        return this.#selectCondition(filter);
    }
  }

  #selectCondition(condition: Condition): Bitset {
    const { column: name, segments } = condition.path;
    const path = [name, ...segments].join('.');
    const column = this.#columns.get(path);
    const isKept = Object.hasOwn(NAMED, path) || (name === 'metadata' && !this.#isOverfull);
    if (column === undefined && (!isKept || this.#dropped.has(path))) throw new UnsupportedFilterError(path);
    const rows = new Bitset(new Uint32Array((this.#rows + 31) >>> 5));
    column?.collect(condition, rows);
    return rows;
  }

  /** The same without dead rows, and without what only they had. */
  compacted(renumbered: Renumbered): FilterColumns {
    const compacted = new FilterColumns(this.#bounds);
    for (const [path, column] of this.#columns) {
      const kept = column.compacted(renumbered);
      if (kept !== undefined) compacted.#columns.set(path, kept);
    }
    compacted.#dropped = new Set(this.#dropped);
    compacted.#isOverfull = this.#isOverfull;
    compacted.#countPaths();
    compacted.#rows = renumbered.rows.reduce((rows, row) => Math.max(rows, row + 1), 0);
    return compacted;
  }

  dump(): Parts {
    const parts: Parts = { rows: Float64Array.of(this.#rows), is_overfull: Uint8Array.of(this.#isOverfull ? 1 : 0) };
    putTexts(parts, 'paths', [...this.#columns.keys()]);
    putTexts(parts, 'dropped', [...this.#dropped]);
    [...this.#columns.values()].forEach((column, index) => {
      column.dump(parts, `${index}`);
    });
    return parts;
  }

  /** @throws Error when the parts are not those of a dump */
  static load(parts: Parts, bounds: FilterBounds = BOUNDS): FilterColumns {
    const columns = new FilterColumns(bounds);
    columns.#columns = new Map(
      textsOf(parts, 'paths').map((path, index) => [path, Column.load(typeOf(path), parts, `${index}`)]),
    );
    columns.#dropped = new Set(textsOf(parts, 'dropped'));
    columns.#isOverfull = partOf(parts, 'is_overfull', Uint8Array)[0] === 1;
    columns.#rows = partOf(parts, 'rows', Float64Array)[0] ?? 0;
    columns.#countPaths();
    return columns;
  }
}

const typeOf = (path: string) => (Object.hasOwn(NAMED, path) ? (NAMED[path] ?? 'any') : 'any');

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function memberOf(value: unknown, key: string): unknown {
  return isObject(value) && Object.hasOwn(value, key) ? value[key] : undefined;
}
