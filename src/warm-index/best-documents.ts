import { bestFirst } from '../search/fusion.js';
import { type FoundDocument, PASSAGES_OF_A_HIT } from '../search/leg.js';
import { Bitset } from './bitset.js';
import type { Documents } from './documents.js';

/** Slots that a leg found, in no order, with their scores. */
export interface FoundSlots {
  slots: Uint32Array;
  scores: Float64Array;
  count: number;
}

interface Candidate {
  row: number;
  id: string;
  score: number;
}

/**
 * The `depth` best documents by their best slots, best first, each with up to three passages.
 * @returns the documents, and how many there were to choose from
 */
export function bestDocuments(
  documents: Documents,
  found: FoundSlots,
  depth: number,
): { documents: FoundDocument[]; total: number } {
  const { best, total } = chooseBest(documents, found, depth);
  const rows = new Bitset();
  const chosen = new Map<number, FoundDocument>();
  for (const { row, id, score } of best) {
    rows.add(row);
    chosen.set(row, { id, score, passages: [] });
  }
  const { slots, scores, count } = found;
  const rowOfSlot = documents.rowOfSlot;
  for (let i = 0; i < count; i += 1) {
    const slot = slots[i] ?? 0;
    const row = rowOfSlot[slot] ?? 0;
    // Most are not: a bit is read much faster than a map.
    if (!rows.has(row)) continue;
    chosen.get(row)?.passages.push({
      content_revision: documents.contentRevisionOf(row),
      ordinal: documents.ordinalOf(slot),
      score: scores[i] ?? 0,
    });
  }
  for (const document of chosen.values()) {
    document.passages.sort((a, b) => b.score - a.score || a.ordinal - b.ordinal);
    document.passages.length = Math.min(PASSAGES_OF_A_HIT, document.passages.length);
  }
  return { documents: [...chosen.values()], total };
}

/** Candidates are gathered until there are some more than are wanted; then only the best stay, and what is less is passed by. */
function chooseBest(
  documents: Documents,
  { slots, scores, count }: FoundSlots,
  depth: number,
): { best: Candidate[]; total: number } {
  const rowOfSlot = documents.rowOfSlot;
  const all = new Bitset(new Uint32Array((documents.rows + 31) >>> 5));
  const room = 4 * depth + 64;
  let gathered = new Map<number, number>();
  let least = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < count; i += 1) {
    const row = rowOfSlot[slots[i] ?? 0] ?? 0;
    const score = scores[i] ?? 0;
    all.add(row);
    if (score < least || score <= (gathered.get(row) ?? Number.NEGATIVE_INFINITY)) continue;
    gathered.set(row, score);
    if (gathered.size <= room) continue;
    const best = ranked(documents, gathered, depth);
    gathered = new Map(best.map(({ row, score }) => [row, score]));
    least = best.at(-1)?.score ?? Number.POSITIVE_INFINITY;
  }
  return { best: ranked(documents, gathered, depth), total: all.size };
}

function ranked(documents: Documents, scores: ReadonlyMap<number, number>, depth: number): Candidate[] {
  const candidates = Array.from(scores, ([row, score]) => ({ row, id: documents.idOf(row), score }));
  return candidates.sort(bestFirst).slice(0, depth);
}
