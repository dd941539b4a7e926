import { Bitset } from './bitset.js';
import { Growable } from './growable.js';
import { type Parts, partOf, putTexts, textsOf } from './parts.js';

/** Where a document of the replica stands. Rows and slots are never used twice; a compaction numbers them anew. */
export interface Placed {
  row: number;
  /** The slots of its passages, in the order of their ordinals, and then, where it has one, that of the whole document. */
  firstSlot: number;
  slots: number;
}

/** How a compaction numbered things anew: -1 where nothing is left. */
export interface Renumbered {
  rows: Int32Array;
  slots: Int32Array;
}

/**
 * The documents of a replica, a row each, and their slots: what postings and vectors belong to. A change makes a new row and
 * leaves the old one dead, so that everything else only grows at its end.
 */
export class Documents {
  readonly #rows = new Map<string, number>();
  #ids: string[] = [];
  #revisions = new Growable(Float64Array);
  #contentRevisions = new Growable(Float64Array);
  #firstSlots = new Growable(Uint32Array);
  #passages = new Growable(Uint32Array);
  #rowOfSlot = new Growable(Uint32Array);
  #live = new Bitset();

  /** Documents that live. */
  get size(): number {
    return this.#rows.size;
  }

  /** Rows, dead ones too. */
  get rows(): number {
    return this.#ids.length;
  }

  get slots(): number {
    return this.#rowOfSlot.length;
  }

  /** The rows that live. Not to be changed. */
  get live(): Bitset {
    return this.#live;
  }

  /** The row of each slot; what lies beyond `slots` is not in use. */
  get rowOfSlot(): Uint32Array {
    return this.#rowOfSlot.buffer;
  }

  rowOf(id: string): number | undefined {
    return this.#rows.get(id);
  }

  idOf(row: number): string {
    return this.#ids[row] ?? '';
  }

  revisionOf(row: number): number {
    return this.#revisions.at(row);
  }

  contentRevisionOf(row: number): number {
    return this.#contentRevisions.at(row);
  }

  passagesOf(row: number): number {
    return this.#passages.at(row);
  }

  firstSlotOf(row: number): number {
    return this.#firstSlots.at(row);
  }

  /** One behind its last slot. */
  endSlotOf(row: number): number {
    return row + 1 < this.#ids.length ? this.#firstSlots.at(row + 1) : this.#rowOfSlot.length;
  }

  /** The ordinal of a slot; -1 for the whole document. */
  ordinalOf(slot: number): number {
    const row = this.#rowOfSlot.at(slot);
    const ordinal = slot - this.#firstSlots.at(row);
    return ordinal < this.#passages.at(row) ? ordinal : -1;
  }

  /** Gives a document a row and slots. An older row of the same id must have been removed. */
  add(
    { id, revision, content_revision }: { id: string; revision: number; content_revision: number },
    { passages, whole }: { passages: number; whole: boolean },
  ): Placed {
    const row = this.#ids.push(id) - 1;
    this.#rows.set(id, row);
    this.#live.add(row);
    this.#revisions.push(revision);
    this.#contentRevisions.push(content_revision);
    this.#passages.push(passages);
    const firstSlot = this.#rowOfSlot.length;
    this.#firstSlots.push(firstSlot);
    const slots = passages + (whole ? 1 : 0);
    this.#rowOfSlot.extend(firstSlot + slots, row);
    return { row, firstSlot, slots };
  }

  /** @returns where it stood; undefined when there is none of that id */
  remove(id: string): Placed | undefined {
    const row = this.#rows.get(id);
    if (row === undefined) return undefined;
    this.#rows.delete(id);
    this.#live.delete(row);
    const firstSlot = this.#firstSlots.at(row);
    return { row, firstSlot, slots: this.endSlotOf(row) - firstSlot };
  }

  /** The same without its dead rows. */
  compacted(): { documents: Documents; renumbered: Renumbered } {
    const documents = new Documents();
    const rows = new Int32Array(this.rows).fill(-1);
    const slots = new Int32Array(this.slots).fill(-1);
    this.#live.forEach((row) => {
      const first = this.firstSlotOf(row);
      const count = this.endSlotOf(row) - first;
      const passages = this.passagesOf(row);
      const placed = documents.add(
        { id: this.idOf(row), revision: this.revisionOf(row), content_revision: this.contentRevisionOf(row) },
        { passages, whole: count > passages },
      );
      rows[row] = placed.row;
      for (let i = 0; i < count; i += 1) slots[first + i] = placed.firstSlot + i;
    });
    return { documents, renumbered: { rows, slots } };
  }

  /** All of it, without dead rows only right after a compaction. */
  dump(): Parts {
    const parts: Parts = {
      revisions: this.#revisions.used,
      content_revisions: this.#contentRevisions.used,
      first_slots: this.#firstSlots.used,
      passages: this.#passages.used,
      row_of_slot: this.#rowOfSlot.used,
      live: this.#live.words,
    };
    putTexts(parts, 'ids', this.#ids);
    return parts;
  }

  /** @throws Error when the parts are not those of a dump */
  static load(parts: Parts): Documents {
    const documents = new Documents();
    documents.#ids = textsOf(parts, 'ids');
    documents.#revisions = new Growable(Float64Array, partOf(parts, 'revisions', Float64Array));
    documents.#contentRevisions = new Growable(Float64Array, partOf(parts, 'content_revisions', Float64Array));
    documents.#firstSlots = new Growable(Uint32Array, partOf(parts, 'first_slots', Uint32Array));
    documents.#passages = new Growable(Uint32Array, partOf(parts, 'passages', Uint32Array));
    documents.#rowOfSlot = new Growable(Uint32Array, partOf(parts, 'row_of_slot', Uint32Array));
    documents.#live = new Bitset(partOf(parts, 'live', Uint32Array));
    const ofRows = [documents.#revisions, documents.#contentRevisions, documents.#firstSlots, documents.#passages];
    if (ofRows.some(({ length }) => length !== documents.rows))
      throw new Error('the parts of documents do not fit together');
    documents.#ids.forEach((id, row) => {
      if (documents.#live.has(row)) documents.#rows.set(id, row);
    });
    return documents;
  }

  /** Memory that it takes, roughly. */
  get bytes(): number {
    const numbers = [this.#revisions, this.#contentRevisions, this.#firstSlots, this.#passages, this.#rowOfSlot];
    const BYTES_OF_AN_ID = 150;
    return numbers.reduce((sum, { bytes }) => sum + bytes, this.#live.bytes) + this.#ids.length * BYTES_OF_AN_ID;
  }
}
