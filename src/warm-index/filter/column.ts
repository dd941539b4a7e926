import type { Condition, PathType } from '../../search/filter/ast.js';
import type { Bitset } from '../bitset.js';
import type { Renumbered } from '../documents.js';
import { Growable } from '../growable.js';
import { type Parts, partOf } from '../parts.js';
import { Values } from './values.js';

/** What the rows have at one path. */
export class Column {
  #own = new Values();
  /** Elements of lists, for `contains`. */
  #elements: Values | undefined;
  /** Rows with what equals nothing and has no order: lists, objects. */
  #bare = new Growable(Uint32Array);

  constructor(private readonly type: PathType) {}

  get bytes(): number {
    return this.#own.bytes + (this.#elements?.bytes ?? 0) + this.#bare.bytes;
  }

  /** Length of the distinct texts together. */
  get textBytes(): number {
    return this.#own.textBytes + (this.#elements?.textBytes ?? 0);
  }

  /** Rows come in ascending order, each once. A datetime is RFC 3339 text. */
  add(row: number, value: unknown): void {
    if (this.type === 'datetime') {
      if (typeof value === 'string') this.#own.add(row, Date.parse(value));
      else this.#bare.push(row);
    } else if (!this.#own.add(row, value)) this.#bare.push(row);
    if (!Array.isArray(value)) return;
    this.#elements ??= new Values();
    for (const element of value) this.#elements.add(row, element);
  }

  /** Adds the rows that fulfil the condition to `rows`, which has room for them. */
  collect(condition: Condition, rows: Bitset): void {
    switch (condition.kind) {
      case 'exists':
        this.#own.collectAll(rows);
        rows.addAll(this.#bare.used);
        break;
      case 'eq':
        this.#own.collectEqual([condition.value], rows);
        break;
      case 'in':
        this.#own.collectEqual(condition.values, rows);
        break;
      case 'contains':
        if (typeof condition.value === 'string') this.#own.collectHolding(condition.value, rows);
        this.#elements?.collectEqual([condition.value], rows);
        break;
      default:
        this.#own.collectOrdered(condition.kind, condition.value, rows);
    }
  }

  /** The same without dead rows; undefined when nothing is left. */
  compacted(renumbered: Renumbered): Column | undefined {
    const column = new Column(this.type);
    column.#own = this.#own.compacted(renumbered);
    column.#elements = this.#elements?.compacted(renumbered);
    for (const row of this.#bare.used) {
      const now = renumbered.rows[row] ?? -1;
      if (now >= 0) column.#bare.push(now);
    }
    return column.#bare.length > 0 || !column.#own.isEmpty ? column : undefined;
  }

  dump(parts: Parts, name: string): void {
    this.#own.dump(parts, `${name}.own`);
    this.#elements?.dump(parts, `${name}.elements`);
    parts[`${name}.bare`] = this.#bare.used;
  }

  /** @throws Error when the parts are not those of a dump */
  static load(type: PathType, parts: Parts, name: string): Column {
    const column = new Column(type);
    column.#own = Values.load(parts, `${name}.own`);
    if (`${name}.elements.texts.bytes` in parts) column.#elements = Values.load(parts, `${name}.elements`);
    column.#bare = new Growable(Uint32Array, partOf(parts, `${name}.bare`, Uint32Array));
    return column;
  }
}
