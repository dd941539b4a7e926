import { Documents } from './documents.js';
import { FilterColumns } from './filter/columns.js';
import { partOf } from './parts.js';
import type { ReplicaParts } from './replica.js';
import { Postings } from './text/postings.js';
import { renumberedPlaces } from './vectors/places.js';

/**
 * A dump without what is dead: what was deleted must not stay on disk. Takes a second or more for 100 000 documents, which
 * the thread that answers searches does not have. Vectors leave nothing behind when they go, and stay where they are.
 * @throws Error when the parts are not those of a dump
 */
export function compactedParts({ documents, columns, postings, vectors }: ReplicaParts): ReplicaParts {
  const { documents: kept, renumbered } = Documents.load(documents).compacted();
  return {
    documents: kept.dump(),
    columns: FilterColumns.load(columns).compacted(renumbered).dump(),
    postings: Postings.load(postings).compacted(renumbered).dump(),
    vectors: { ...vectors, slots: renumberedPlaces(partOf(vectors, 'slots', Uint32Array), renumbered) },
  };
}
