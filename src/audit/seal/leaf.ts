import type { FullAuditRow } from '../list-rows.js';
import { nanosOf, timeOf } from '../time.js';
import { leafHash } from './merkle.js';
import { placeOfId } from './place.js';

const ABSENT = Buffer.from([0]);
const TEXT = 1;
const INTEGER = 2;

/**
 * Bytes of a list of values, another list having other bytes: a byte for the kind (0 absent, 1 text, 2 integer), then
 * for text and integers (in decimal) the length as 4 bytes, high byte first, and the UTF-8.
 */
export function encodeFields(values: readonly (string | number | undefined | null)[]): Buffer {
  const parts = values.flatMap((value) => {
    if (value === undefined || value === null) return [ABSENT];
    const bytes = Buffer.from(String(value));
    const head = Buffer.alloc(5);
    head.writeUInt8(typeof value === 'number' ? INTEGER : TEXT);
    head.writeUInt32BE(bytes.length, 1);
    return [head, bytes];
  });
  return Buffer.concat(parts);
}

/**
 * What a seal covers of a row: all of its columns but the caller's address and user agent, times with nine digits of a
 * second in UTC, however they were written. These two, and the values and salts, which are elsewhere, may be erased.
 */
export function leafData(row: FullAuditRow): Buffer {
  const { nanos, uuid } = placeOfId(row.id);
  const time = timeOf(nanos);
  return encodeFields([
    `${time}_${uuid}`,
    row.id.startsWith(`${row.timestamp}_`) ? time : timeOf(nanosOf(row.timestamp)),
    row.action,
    row.status,
    row.resource,
    row.revision,
    row.agent_id,
    row.key_id,
    row.request_id,
    row.code,
    row.old_digest,
    row.new_digest,
  ]);
}

/** The leaf of a row in the Merkle tree of its seal. @throws RangeError for a row without a proper id or time */
export const leafOf = (row: FullAuditRow): Buffer => leafHash(leafData(row));
