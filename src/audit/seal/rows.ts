import type { Database } from '../../surreal/database.js';
import { type FullAuditRow, type Place, publicRow, type StoredAuditRow } from '../list-rows.js';
import { nanosOf, timeOf } from '../time.js';
import { compare, SECOND_NS, secondOf } from './place.js';

export interface PlacedRow {
  place: Place;
  row: FullAuditRow;
}

/** The place of a row id as the database has it. */
const placeOf = ([time, uuid]: [string, string]): Place => ({ nanos: nanosOf(time), uuid });

/**
 * The rows after a place and before a whole second, in order; undefined when they may be more than `limit`. The second
 * of the place is read whole.
 * @throws AcervoError `database:unavailable`
 */
export async function rowsAfter(
  db: Database,
  after: Place,
  untilNanos: bigint,
  limit: number,
): Promise<PlacedRow[] | undefined> {
  const window = { from: timeOf(secondOf(after.nanos)), to: timeOf(untilNanos), limit };
  const found = await db.query<StoredAuditRow[]>('audit-seals/rows', window);
  if (found.length >= limit) return undefined;
  return found
    .map((row) => ({ place: placeOf(row.id), row: publicRow(row) }))
    .filter(({ place }) => compare(place, after) > 0)
    .sort((a, b) => compare(a.place, b.place));
}

/** The places of all rows from one whole second to another. @throws AcervoError `database:unavailable` */
export async function placesBetween(db: Database, fromNanos: bigint, untilNanos: bigint): Promise<Place[]> {
  const window = { from: timeOf(fromNanos), to: timeOf(untilNanos) };
  return (await db.query<[string, string][]>('audit-seals/ids', window)).map(placeOf);
}

/** How many rows there are after a place and before a whole second. @throws AcervoError `database:unavailable` */
export async function countAfter(db: Database, after: Place, untilNanos: bigint): Promise<number> {
  const second = secondOf(after.nanos);
  const next = second + SECOND_NS;
  if (next > untilNanos) return 0;
  const sameSecond = (await placesBetween(db, second, next)).filter((place) => compare(place, after) > 0).length;
  return sameSecond + (await db.query<number>('audit-seals/count', { from: timeOf(next), to: timeOf(untilNanos) }));
}
