import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Documents } from '../../../src/warm-index/documents.js';

const ids = fc.constantFrom('a', 'b', 'c', 'd-é');
const steps = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant('put' as const),
        id: ids,
        passages: fc.nat({ max: 4 }),
        whole: fc.boolean(),
        revision: fc.nat({ max: 2 ** 45 }),
      }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('remove' as const), id: ids }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('compact' as const, 'reload' as const), id: ids }) },
  ),
  { maxLength: 40 },
);

interface Known {
  passages: number;
  whole: boolean;
  revision: number;
}

/** Everything that can be asked about a document, by its id. */
function stateOf(documents: Documents, id: string) {
  const row = documents.rowOf(id);
  if (row === undefined) return undefined;
  const first = documents.firstSlotOf(row);
  const slots = Array.from({ length: documents.endSlotOf(row) - first }, (_, n) => first + n);
  return {
    id: documents.idOf(row),
    isLive: documents.live.has(row),
    revision: documents.revisionOf(row),
    contentRevision: documents.contentRevisionOf(row),
    passages: documents.passagesOf(row),
    ordinals: slots.map((slot) => documents.ordinalOf(slot)),
    isOwner: slots.every((slot) => documents.rowOfSlot[slot] === row),
  };
}

function expectedOf(id: string, known: Known | undefined) {
  if (known === undefined) return undefined;
  const { passages, whole, revision } = known;
  const ordinals = [...Array.from({ length: passages }, (_, n) => n), ...(whole ? [-1] : [])];
  return { id, isLive: true, revision, contentRevision: revision + 1, passages, ordinals, isOwner: true };
}

describe('Documents', () => {
  it('knows those that were put and not removed, whatever was compacted or loaded in between', () => {
    fc.assert(
      fc.property(steps, (all) => {
        let documents = new Documents();
        const model = new Map<string, Known>();
        for (const step of all) {
          if (step.kind === 'reload') documents = Documents.load(structuredClone(documents.dump()));
          else if (step.kind === 'compact') documents = documents.compacted().documents;
          else {
            const { id } = step;
            const row = documents.rowOf(id);
            const removed = documents.remove(id);
            expect(removed?.row).toBe(row);
            const known = model.get(id);
            expect(removed?.slots).toBe(known && known.passages + (known.whole ? 1 : 0));
            model.delete(id);
            if (step.kind === 'put') {
              const { passages, whole, revision } = step;
              const [rows, slots] = [documents.rows, documents.slots];
              const placed = documents.add({ id, revision, content_revision: revision + 1 }, { passages, whole });
              expect(placed).toEqual({ row: rows, firstSlot: slots, slots: passages + (whole ? 1 : 0) });
              model.set(id, { passages, whole, revision });
            }
          }
          expect(documents.size).toBe(model.size);
          expect(documents.live.size).toBe(model.size);
          for (const id of ['a', 'b', 'c', 'd-é'])
            expect(stateOf(documents, id)).toEqual(expectedOf(id, model.get(id)));
        }
      }),
    );
  });

  it('compacts in order, tells where everything went, and leaves nothing dead', () => {
    const documents = new Documents();
    for (const [id, passages] of [
      ['a', 2],
      ['b', 1],
      ['c', 0],
      ['a2', 1],
    ] as const)
      documents.add({ id, revision: 1, content_revision: 1 }, { passages, whole: true });
    documents.remove('b');
    const { documents: compacted, renumbered } = documents.compacted();
    expect([...renumbered.rows]).toEqual([0, -1, 1, 2]);
    expect([...renumbered.slots]).toEqual([0, 1, 2, -1, -1, 3, 4, 5]);
    expect([compacted.rows, compacted.slots, compacted.size]).toEqual([3, 6, 3]);
    // What was removed is still there before, and gone after.
    const bytes = (of: Documents) => Buffer.from(of.dump()['ids.bytes'] as Uint8Array).toString();
    expect(bytes(documents)).toContain('b');
    expect(bytes(compacted)).not.toContain('b');
    expect(documents.rows).toBe(4);
  });

  it('refuses parts that do not fit together', () => {
    const documents = new Documents();
    documents.add({ id: 'a', revision: 1, content_revision: 1 }, { passages: 2, whole: false });
    const parts = documents.dump();
    expect(() => Documents.load({})).toThrow('ids');
    for (const name of ['revisions', 'content_revisions', 'first_slots', 'passages'])
      expect(() => Documents.load({ ...parts, [name]: parts[name]!.slice(1) }), name).toThrow(Error);
    expect(() => Documents.load({ ...parts, live: Float64Array.of(1) })).toThrow('live');
    expect(stateOf(Documents.load(parts), 'a')?.ordinals).toEqual([0, 1]);
  });
});
