import { partsOfAuditId } from '../id.js';
import type { Place } from '../list-rows.js';
import { nanosOf, timeOf } from '../time.js';

export const SECOND_NS = 1_000_000_000n;

/** Order of rows: by time, then by uuid. (Keys in the database are not quite in that order within a second.) */
export const compare = (a: Place, b: Place): number =>
  a.nanos === b.nanos ? (a.uuid < b.uuid ? -1 : Number(a.uuid > b.uuid)) : a.nanos < b.nanos ? -1 : 1;

/** A name for the place, cheaper to make than the id. */
export const keyOf = ({ nanos, uuid }: Place): string => `${nanos}_${uuid}`;

/** Before every row. */
export const BEFORE_ALL: Place = { nanos: 0n, uuid: '' };

/** Where a row with the id `<time>_<uuid>` stands. @throws RangeError for anything else */
export function placeOfId(id: string): Place {
  const [time, uuid] = partsOfAuditId(id);
  return { nanos: nanosOf(time), uuid: uuid.toLowerCase() };
}

/** The id as rows and the API have it: no zeros at the end of a fraction, but .000 for none. */
export function idOfPlace({ nanos, uuid }: Place): string {
  const [whole = '', fraction = ''] = timeOf(nanos).slice(0, -1).split('.');
  return `${whole}.${fraction.replace(/0+$/, '') || '000'}Z_${uuid}`;
}

/** The whole second that a time is in. */
export const secondOf = (nanos: bigint): bigint => nanos - (nanos % SECOND_NS);

/** The same for an id that somebody may have made unreadable, which is then before every row. */
export function knownPlace(id: string): Place {
  try {
    return placeOfId(id);
  } catch {
    return BEFORE_ALL;
  }
}
