import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bestDocuments } from '../../../src/warm-index/best-documents.js';
import { Documents } from '../../../src/warm-index/documents.js';

const REVISION = 7;

/** A document for each number, with so many passages and a slot for the whole; ids in an order that is not that of rows. */
function documentsOf(passages: number[]): Documents {
  const documents = new Documents();
  passages.forEach((count, index) => {
    const id = `d${(index * 7) % passages.length}-${index}`;
    documents.add({ id, revision: 1, content_revision: REVISION + index }, { passages: count, whole: true });
  });
  return documents;
}

/** The plain reading: group, sort, cut. */
function naive(documents: Documents, found: { slot: number; score: number }[], depth: number) {
  const rows = [...new Set(found.map(({ slot }) => documents.rowOfSlot[slot]!))];
  const all = rows.map((row) => {
    const passages = found
      .filter(({ slot }) => documents.rowOfSlot[slot] === row)
      .map(({ slot, score }) => ({
        content_revision: documents.contentRevisionOf(row),
        ordinal: documents.ordinalOf(slot),
        score,
      }))
      .sort((a, b) => b.score - a.score || a.ordinal - b.ordinal);
    return { id: documents.idOf(row), score: passages[0]!.score, passages: passages.slice(0, 3) };
  });
  all.sort((a, b) => b.score - a.score || (a.id < b.id ? -1 : 1));
  return { documents: all.slice(0, depth), total: all.length };
}

const cases = fc
  .oneof(
    fc.array(fc.nat({ max: 5 }), { minLength: 1, maxLength: 40 }),
    // Many more than are wanted.
    fc.array(fc.nat({ max: 1 }), { minLength: 300, maxLength: 300 }),
  )
  .map(documentsOf)
  .chain((documents) =>
    fc.record({
      documents: fc.constant(documents),
      slots: fc.shuffledSubarray(Array.from({ length: documents.slots }, (_, slot) => slot)),
      // Few scores, so that ties are common; a cosine can be negative.
      scores: fc.array(fc.constantFrom(-1, -0.5, 0, 0.25, 0.5, 1), {
        minLength: documents.slots,
        maxLength: documents.slots,
      }),
      depth: fc.oneof(fc.nat({ max: 5 }), fc.nat({ max: 45 })),
      room: fc.nat({ max: 3 }),
    }),
  );

describe('bestDocuments', () => {
  it('finds what grouping, sorting and cutting finds', () => {
    fc.assert(
      fc.property(cases, ({ documents, slots, scores, depth, room }) => {
        const found = slots.map((slot, index) => ({ slot, score: scores[index]! }));
        // What lies beyond the count is not to be read.
        const rest = Array.from({ length: room }, () => 0);
        const given = {
          slots: Uint32Array.from([...slots, ...rest]),
          scores: Float64Array.from([...found.map(({ score }) => score), ...rest.map(() => 9)]),
          count: slots.length,
        };
        expect(bestDocuments(documents, given, depth)).toEqual(naive(documents, found, depth));
      }),
      { numRuns: 300 },
    );
  });

  it('begins a deeper list with the shallower one', () => {
    fc.assert(
      fc.property(cases, ({ documents, slots, scores, depth }) => {
        const given = { slots: Uint32Array.from(slots), scores: Float64Array.from(scores), count: slots.length };
        const shallow = bestDocuments(documents, given, depth).documents;
        const deep = bestDocuments(documents, given, depth + 5).documents;
        expect(deep.slice(0, shallow.length)).toEqual(shallow);
      }),
    );
  });
});
