import type { FoundDocument } from '../../search/leg.js';
import { bestDocuments } from '../best-documents.js';
import type { Documents } from '../documents.js';

const BUCKETS = 4_096;
/** Slots that are looked at for each document that is wanted, at first. */
const SLOTS_OF_A_DOCUMENT = 2;
const GROWTH = 4;

export interface Scored {
  slots: Uint32Array;
  scores: Float64Array;
}

/**
 * The best documents among scored slots. Only the best slots are looked at one by one: grouping a million by document would
 * take longer than comparing them.
 * @param wanted.minScore score under which nothing matches
 * @returns them, best first, and whether there are no more
 */
export function bestAmong(
  documents: Documents,
  { slots, scores }: Scored,
  { depth, minScore = Number.NEGATIVE_INFINITY }: { depth: number; minScore: number | undefined },
): { documents: FoundDocument[]; exhausted: boolean } {
  for (let wanted = depth * SLOTS_OF_A_DOCUMENT; ; wanted *= GROWTH) {
    const from = wanted >= slots.length ? Number.NEGATIVE_INFINITY : scoreOfPlace(scores, wanted);
    const lowest = Math.max(from, minScore);
    const found = { slots: new Uint32Array(slots.length), scores: new Float64Array(slots.length), count: 0 };
    for (let i = 0; i < slots.length; i += 1) {
      const score = scores[i] ?? 0;
      if (score < lowest) continue;
      found.slots[found.count] = slots[i] ?? 0;
      found.scores[found.count] = score;
      found.count += 1;
    }
    const best = bestDocuments(documents, found, depth);
    const all = from <= minScore || found.count === slots.length;
    if (all || best.total > depth) return { documents: best.documents, exhausted: all && best.total <= depth };
  }
}

/** A score that at least `place` scores reach, and hardly more: by counting them in buckets, which needs no order. */
function scoreOfPlace(scores: Float64Array, place: number): number {
  let [least, most] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const score of scores) {
    if (score < least) least = score;
    if (score > most) most = score;
  }
  const width = (most - least) / BUCKETS;
  if (width === 0) return least;
  const counts = new Uint32Array(BUCKETS + 1);
  for (const score of scores) {
    const bucket = Math.floor((score - least) / width);
    counts[bucket] = (counts[bucket] ?? 0) + 1;
  }
  let reached = 0;
  for (let bucket = BUCKETS; bucket > 0; bucket -= 1) {
    reached += counts[bucket] ?? 0;
    // One bucket lower: rounding may have put a score into the neighbour of its own.
    if (reached >= place) return least + (bucket - 1) * width;
  }
  return least;
}
