import type { Place } from '../list-rows.js';

/** A row that is in a seal. */
export interface Leaf {
  place: Place;
  hash: Buffer;
}

/** Time in nanoseconds, uuid, hash. */
const NANOS_BYTES = 8;
const UUID_BYTES = 16;
const HASH_BYTES = 32;
const LEAF_BYTES = NANOS_BYTES + UUID_BYTES + HASH_BYTES;

/** The leaves of a seal, one after the other, 56 bytes each. */
export function packLeaves(leaves: readonly Leaf[]): Buffer {
  const bytes = Buffer.alloc(leaves.length * LEAF_BYTES);
  leaves.forEach(({ place, hash }, n) => {
    const at = n * LEAF_BYTES;
    bytes.writeBigUInt64BE(place.nanos, at);
    bytes.write(place.uuid.replaceAll('-', ''), at + NANOS_BYTES, UUID_BYTES, 'hex');
    hash.copy(bytes, at + NANOS_BYTES + UUID_BYTES);
  });
  return bytes;
}

const uuidOf = (bytes: Buffer): string => bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');

/** What `packLeaves` has packed; bytes that are too few for a leaf are left out. */
export function unpackLeaves(bytes: Buffer): Leaf[] {
  const leaves: Leaf[] = [];
  for (let at = 0; at + LEAF_BYTES <= bytes.length; at += LEAF_BYTES) {
    const uuid = uuidOf(bytes.subarray(at + NANOS_BYTES, at + NANOS_BYTES + UUID_BYTES));
    const hash = bytes.subarray(at + NANOS_BYTES + UUID_BYTES, at + LEAF_BYTES);
    leaves.push({ place: { nanos: bytes.readBigUInt64BE(at), uuid }, hash });
  }
  return leaves;
}
