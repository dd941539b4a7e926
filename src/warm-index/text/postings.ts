import type { FoundSlots } from '../best-documents.js';
import type { Bitset } from '../bitset.js';
import type { Documents, Renumbered } from '../documents.js';
import { Growable } from '../growable.js';
import { type Parts, partOf, putTexts, textsOf } from '../parts.js';
import { PostingLists } from './posting-lists.js';
import { accumulate, intersect, Scratch, type Weights } from './score.js';
import { TermsOfSlots } from './terms-of-slots.js';

/** As the full-text index of the database is defined. */
const K1 = 1.2;
const B = 0.75;

export interface PostingsQuery {
  /** As the analyzer writes them. */
  terms: readonly string[];
  /** Whether a passage must hold all of them. */
  match: 'any' | 'all';
  /** Rows that may be found; all, without it. */
  keeps?: Bitset;
  documents: Documents;
}

/** Which passages hold which terms, scored by BM25. Passages without a term are none to it. */
export class Postings {
  #terms: string[] = [];
  #idOf = new Map<string, number>();
  #lists = new PostingLists();
  /** By term: live passages that hold it. */
  #documentFrequencies = new Growable(Uint32Array);
  /** By slot: how many terms it has, repetitions counted. 0: it is not there, or not any more. */
  #lengths = new Growable(Uint32Array);
  #termsOfSlots = new TermsOfSlots();
  #live = 0;
  #liveTerms = 0;
  /** By term, while a passage is taken in: how often it has it. All 0 in between. */
  #counts = new Growable(Uint32Array);
  readonly #scratch = new Scratch();

  /** Passages that live and have a term. */
  get size(): number {
    return this.#live;
  }

  /** Memory that it takes, roughly. */
  get bytes(): number {
    const numbers = [this.#documentFrequencies, this.#lengths, this.#termsOfSlots, this.#counts, this.#lists];
    const BYTES_OF_A_TERM = 120;
    return numbers.reduce((sum, { bytes }) => sum + bytes, this.#scratch.bytes + this.#terms.length * BYTES_OF_A_TERM);
  }

  /** Live passages that hold the term. */
  documentFrequency(term: string): number {
    const id = this.#idOf.get(term);
    return id === undefined ? 0 : this.#documentFrequencies.at(id);
  }

  /**
   * Takes in a passage.
   * @param slot greater than all before
   * @param terms in the analyzer's order, with repetitions
   * @throws RangeError for a slot that was passed already
   */
  add(slot: number, terms: readonly string[]): void {
    if (slot < this.#lengths.length) throw new RangeError(`slot ${slot} has been passed`);
    const ids: number[] = [];
    for (const term of terms) {
      const id = this.#idOf.get(term) ?? this.#addTerm(term);
      const count = this.#counts.at(id);
      this.#counts.set(id, count + 1);
      if (count === 0) ids.push(id);
    }
    for (const id of ids) {
      this.#lists.push(id, slot, this.#counts.at(id));
      this.#counts.set(id, 0);
      this.#documentFrequencies.set(id, this.#documentFrequencies.at(id) + 1);
    }
    this.#termsOfSlots.add(slot, ids);
    this.#addLength(slot, terms.length);
  }

  #addTerm(term: string, room?: number): number {
    const id = this.#lists.addList(room);
    this.#terms.push(term);
    this.#idOf.set(term, id);
    this.#documentFrequencies.push(0);
    this.#counts.push(0);
    return id;
  }

  #addLength(slot: number, length: number): void {
    this.#lengths.extend(slot);
    this.#lengths.push(length);
    this.#live += length > 0 ? 1 : 0;
    this.#liveTerms += length;
  }

  /** Lets go of a passage; of one that is not there, nothing. Its postings stay behind until a compaction. */
  remove(slot: number): void {
    const length = slot < this.#lengths.length ? this.#lengths.at(slot) : 0;
    if (length === 0) return;
    this.#lengths.set(slot, 0);
    this.#live -= 1;
    this.#liveTerms -= length;
    for (const id of this.#termsOfSlots.of(slot))
      this.#documentFrequencies.set(id, this.#documentFrequencies.at(id) - 1);
  }

  /**
   * The passages that hold the terms, with their BM25 (k1 1.2, b 0.75, idf ln(1 + (N - df + 0.5) / (df + 0.5))).
   * @returns arrays that the next search uses again
   */
  search({ terms, match, keeps, documents }: PostingsQuery): FoundSlots {
    const wanted = [...new Set(terms)].map((term) => {
      const id = this.#idOf.get(term);
      return { id: id ?? -1, frequency: id === undefined ? 0 : this.#documentFrequencies.at(id) };
    });
    const found = wanted.filter(({ frequency }) => frequency > 0);
    this.#scratch.begin(this.#lengths.length);
    if (match === 'all' && found.length < wanted.length) return this.#scratch.found();
    // The rarest first: with `all` the others are only looked for where it is.
    found.sort((a, b) => a.frequency - b.frequency);
    const gather = match === 'all' ? intersect : accumulate;
    found.forEach(({ id, frequency }, index) => {
      const weights = this.#weights(frequency);
      const kept = keeps && { rows: keeps.words, rowOfSlot: documents.rowOfSlot };
      gather(this.#scratch, {
        lists: this.#lists,
        id,
        lengths: this.#lengths.buffer,
        weights,
        kept,
        isFirst: index === 0,
      });
    });
    return this.#scratch.found();
  }

  #weights(frequency: number): Weights {
    const idf = Math.log(1 + (this.#live - frequency + 0.5) / (frequency + 0.5));
    return { factor: idf * (K1 + 1), base: K1 * (1 - B), perTerm: (K1 * B * this.#live) / this.#liveTerms };
  }

  /** The same without what was removed, by new numbers: only those that a slot is renumbered to are taken along. */
  compacted({ slots }: Renumbered): Postings {
    const postings = new Postings();
    const newIds = new Int32Array(this.#terms.length).fill(-1);
    this.#terms.forEach((term, id) => {
      const frequency = this.#documentFrequencies.at(id);
      if (frequency > 0) newIds[id] = postings.#addTerm(term, frequency);
    });
    for (let slot = 0; slot < this.#lengths.length; slot += 1) {
      const to = slots[slot] ?? -1;
      if (to < 0 || this.#lengths.at(slot) === 0) continue;
      postings.#termsOfSlots.add(
        to,
        this.#termsOfSlots.of(slot).map((id) => newIds[id] ?? 0),
      );
      postings.#addLength(to, this.#lengths.at(slot));
    }
    newIds.forEach((to, id) => {
      if (to >= 0) this.#copyList(id, postings, to, slots);
    });
    return postings;
  }

  #copyList(id: number, postings: Postings, to: number, newSlots: Int32Array): void {
    let frequency = 0;
    this.#lists.eachBlock(id, (slots, frequencies, from, end) => {
      for (let at = from; at < end; at += 1) {
        const slot = slots[at] ?? 0;
        const newSlot = newSlots[slot] ?? -1;
        if (newSlot < 0 || this.#lengths.at(slot) === 0) continue;
        postings.#lists.push(to, newSlot, frequencies[at] ?? 0);
        frequency += 1;
      }
    });
    postings.#documentFrequencies.set(to, frequency);
  }

  dump(): Parts {
    const parts: Parts = {
      ...this.#lists.dump(),
      ...this.#termsOfSlots.dump(),
      document_frequencies: this.#documentFrequencies.used,
      lengths: this.#lengths.used,
    };
    putTexts(parts, 'terms', this.#terms);
    return parts;
  }

  /** @throws Error when the parts are not those of a dump */
  static load(parts: Parts): Postings {
    const postings = new Postings();
    postings.#lists = PostingLists.load(parts);
    postings.#terms = textsOf(parts, 'terms');
    postings.#idOf = new Map(postings.#terms.map((term, id) => [term, id]));
    postings.#documentFrequencies = new Growable(Uint32Array, partOf(parts, 'document_frequencies', Uint32Array));
    postings.#lengths = new Growable(Uint32Array, partOf(parts, 'lengths', Uint32Array));
    postings.#termsOfSlots = TermsOfSlots.load(parts);
    postings.#counts.extend(postings.#terms.length);
    const terms = [postings.#lists.length, postings.#documentFrequencies.length, postings.#idOf.size];
    if (
      terms.some((count) => count !== postings.#terms.length) ||
      postings.#termsOfSlots.length !== postings.#lengths.length
    )
      throw new Error('the parts of the postings do not fit');
    for (const length of postings.#lengths.used) {
      postings.#live += length > 0 ? 1 : 0;
      postings.#liveTerms += length;
    }
    return postings;
  }
}
