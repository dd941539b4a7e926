import type { ArtifactRow } from '../artifacts/row.js';
import type { ListedObject } from '../objects/port.js';

/** What the walk needs to know of a pointer. */
export type PointerFacts = Pick<
  ArtifactRow,
  'key' | 'status' | 'size_bytes' | 'etag' | 'version_id' | 'sha256' | 'checksum' | 'stored_at' | 'settle_after'
> & { artifact_id: string };

/** A stretch of keys: behind `after`, up to `to`; without `to` to the end of the bucket. */
export interface Stretch {
  after: string;
  to: string | undefined;
}

export interface Compared {
  /** So far both sides have been compared; undefined: to the end of the bucket. */
  end: string | undefined;
  objects: ListedObject[];
  /** Objects that no pointer names. */
  orphans: ListedObject[];
  /** Pointers that do not say what the listing says. */
  doubtful: PointerFacts[];
  /** Pointers that do. */
  agreeing: PointerFacts[];
}

/** The order of listings and of record ids: that of the UTF-8 bytes. JavaScript compares UTF-16 units. */
export const compareKeys = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));

/**
 * Compares a page of the store's listing with the pointers of the same stretch of keys. When there are more pointers
 * than `limit`, they say how far the comparison goes, and the rest of the page is for the next one.
 * @param objects all objects of the stretch, listed before the pointers were read: a pointer is made before its object
 * @param pointers the first `limit` pointers of the stretch, in any order
 */
export function compare(
  { after, to }: Stretch,
  objects: readonly ListedObject[],
  pointers: readonly PointerFacts[],
  limit: number,
): Compared {
  const last = pointers
    .map(({ key }) => key)
    .toSorted(compareKeys)
    .at(-1);
  const end = pointers.length < limit ? to : last;
  const within = objects.filter(
    ({ key }) => compareKeys(key, after) > 0 && (end === undefined || compareKeys(key, end) <= 0),
  );
  const listed = new Map(within.map((object) => [object.key, object]));
  const named = new Set(pointers.map(({ key }) => key));
  return {
    end,
    objects: within,
    orphans: within.filter(({ key }) => !named.has(key)),
    doubtful: pointers.filter((pointer) => !agrees(pointer, listed.get(pointer.key))),
    agreeing: pointers.filter((pointer) => agrees(pointer, listed.get(pointer.key))),
  };
}

function agrees(pointer: PointerFacts, object: ListedObject | undefined): boolean {
  // Halfway, whatever is listed.
  if (pointer.status === 'deleting') return false;
  if (pointer.status !== 'stored') return object === undefined;
  if (object === undefined || object.etag !== pointer.etag || object.size_bytes !== pointer.size_bytes) return false;
  // The same bytes sent once more are another version, and a listing names no versions.
  return pointer.stored_at === undefined || Date.parse(object.modified_at) <= Date.parse(pointer.stored_at);
}
