import type { FoundSlots } from '../best-documents.js';
import type { PostingLists } from './posting-lists.js';

/** What makes a frequency and a length a score: factor · f / (f + base + perTerm · length). */
export interface Weights {
  factor: number;
  base: number;
  perTerm: number;
}

interface Gathering {
  lists: PostingLists;
  /** Of the term. */
  id: number;
  /** By slot; 0 for what is not there. */
  lengths: Uint32Array;
  weights: Weights;
  kept: { rows: Uint32Array; rowOfSlot: Uint32Array } | undefined;
  isFirst: boolean;
}

/** Where a search adds up: arrays as long as there are slots, made once. */
export class Scratch {
  /** By slot; all 0 between searches. */
  scores = new Float64Array(0);
  /** Slots with a score. */
  slots = new Uint32Array(0);
  count = 0;
  #results = new Float64Array(0);

  begin(slots: number): void {
    this.count = 0;
    if (slots <= this.scores.length) return;
    const length = Math.ceil(slots * 1.25);
    this.scores = new Float64Array(length);
    this.slots = new Uint32Array(length);
    this.#results = new Float64Array(length);
  }

  /** What has been found; the scratch is clean afterwards. */
  found(): FoundSlots {
    const { slots, scores, count } = this;
    const results = this.#results;
    for (let i = 0; i < count; i += 1) {
      const slot = slots[i] ?? 0;
      results[i] = scores[slot] ?? 0;
      scores[slot] = 0;
    }
    return { slots, scores: results, count };
  }

  get bytes(): number {
    return this.scores.byteLength + this.slots.byteLength + this.#results.byteLength;
  }
}

/** Adds a term's scores to the passages that hold it. */
export function accumulate(scratch: Scratch, { lists, id, lengths, weights, kept }: Gathering): void {
  const { factor, base, perTerm } = weights;
  const { scores, slots: found } = scratch;
  lists.eachBlock(id, (slots, frequencies, from, end) => {
    let count = scratch.count;
    for (let at = from; at < end; at += 1) {
      const slot = slots[at] ?? 0;
      const length = lengths[slot] ?? 0;
      if (length === 0 || (kept !== undefined && !isKept(kept, slot))) continue;
      const frequency = frequencies[at] ?? 0;
      const before = scores[slot] ?? 0;
      if (before === 0) found[count++] = slot;
      scores[slot] = before + (factor * frequency) / (frequency + base + perTerm * length);
    }
    scratch.count = count;
  });
}

function isKept({ rows, rowOfSlot }: NonNullable<Gathering['kept']>, slot: number): boolean {
  const row = rowOfSlot[slot] ?? 0;
  return ((rows[row >>> 5] ?? 0) & (1 << (row & 31))) !== 0;
}

/** Leaves of the passages found before only those that hold the term too; both are in the order of slots. */
export function intersect(scratch: Scratch, gathering: Gathering): void {
  if (gathering.isFirst) {
    accumulate(scratch, gathering);
    return;
  }
  const { factor, base, perTerm } = gathering.weights;
  const { scores, slots: found, count } = scratch;
  let next = 0;
  let left = 0;
  gathering.lists.eachBlock(gathering.id, (slots, frequencies, from, end) => {
    const last = slots[end - 1] ?? 0;
    let at = from;
    while (next < count && (found[next] ?? 0) <= last) {
      const slot = found[next] ?? 0;
      at = firstNotBelow(slots, slot, at, end);
      if (slots[at] === slot) {
        const frequency = frequencies[at] ?? 0;
        const length = gathering.lengths[slot] ?? 0;
        scores[slot] = (scores[slot] ?? 0) + (factor * frequency) / (frequency + base + perTerm * length);
        found[left++] = slot;
      } else scores[slot] = 0;
      next += 1;
    }
  });
  for (; next < count; next += 1) scores[found[next] ?? 0] = 0;
  scratch.count = left;
}

/** The first place from `from` on, before `end`, whose slot is not below; there is one. Steps that double, then halves. */
function firstNotBelow(slots: Uint32Array, slot: number, from: number, end: number): number {
  let step = 1;
  let low = from;
  while (low + step < end && (slots[low + step] ?? 0) < slot) {
    low += step;
    step *= 2;
  }
  let high = Math.min(low + step, end - 1);
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((slots[middle] ?? 0) < slot) low = middle + 1;
    else high = middle;
  }
  return low;
}
