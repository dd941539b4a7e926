import type { FullAuditRow } from '../list-rows.js';
import { encodeFields, leafOf } from './leaf.js';
import { type Leaf, packLeaves, unpackLeaves } from './leaves.js';
import { merkleRoot, sha256 } from './merkle.js';
import { compare, idOfPlace, placeOfId } from './place.js';

/** The first byte of what a seal's hash is made of; 0 and 1 are those of the Merkle tree. */
const SEAL = Buffer.from([2]);
/** Which columns a leaf has, and how both are encoded. */
const FORMAT = 1;
export const NO_HASH = '0'.repeat(64);

/** A seal over some rows of the audit log. Hashes are SHA-256 in hex. */
export interface Seal {
  /** 1, 2, 3, … */
  number: number;
  format: number;
  /** Hash of the seal before; zeros for the first. */
  previous_hash: string;
  /** Hash of the seal `skipOf(number)`, a short cut for proofs; zeros for none. */
  skip_hash: string;
  first_id: string;
  last_id: string;
  row_count: number;
  /** Of the Merkle tree over its rows. */
  root: string;
  /** Of the list of its leaves, which says what is in it. */
  leaves_digest: string;
  /** All rows up to this id are sealed, but for those that appear late. */
  sealed_through: string;
  sealed_at: string;
  /** Its rows appeared after later ones had been sealed. */
  late: boolean;
  hash: string;
}

/** The seal that `skip_hash` is of: the number without its lowest bit that is set. 0: none. */
export const skipOf = (number: number): number => number & (number - 1);

/** Of all other fields. */
export function hashOfSeal(seal: Omit<Seal, 'hash'>): string {
  const { number, format, previous_hash, skip_hash, first_id, last_id, row_count } = seal;
  const { root, leaves_digest, sealed_through, sealed_at, late } = seal;
  const fields = [number, format, previous_hash, skip_hash, first_id, last_id, row_count];
  return sha256(
    SEAL,
    encodeFields([...fields, root, leaves_digest, sealed_through, sealed_at, late ? 'late' : 'in order']),
  ).toString('hex');
}

const rootOf = (leaves: readonly Leaf[]): string => merkleRoot(leaves.map(({ hash }) => hash)).toString('hex');

/**
 * Seals rows.
 * @param rows one or more, in order
 * @param previous the newest seal; rows that do not come after all that it has sealed make a late seal
 */
export function makeSeal(
  rows: readonly FullAuditRow[],
  { previous, skipHash, sealedAt }: { previous: Seal | undefined; skipHash: string; sealedAt: string },
): { seal: Seal; leaves: Buffer } {
  const leaves = rows.map((row): Leaf => ({ place: placeOfId(row.id), hash: leafOf(row) }));
  const [first, last] = [leaves[0], leaves.at(-1)];
  if (first === undefined || last === undefined) throw new RangeError('A seal has one row or more.');
  const late = previous !== undefined && compare(last.place, placeOfId(previous.sealed_through)) <= 0;
  const packed = packLeaves(leaves);
  const seal = {
    number: (previous?.number ?? 0) + 1,
    format: FORMAT,
    previous_hash: previous?.hash ?? NO_HASH,
    skip_hash: skipHash,
    first_id: idOfPlace(first.place),
    last_id: idOfPlace(last.place),
    row_count: leaves.length,
    root: rootOf(leaves),
    leaves_digest: sha256(packed).toString('hex'),
    sealed_through: late ? previous.sealed_through : idOfPlace(last.place),
    sealed_at: sealedAt,
    late,
  };
  return { seal: { ...seal, hash: hashOfSeal(seal) }, leaves: packed };
}

/**
 * Are a seal and its leaves as they were made, whatever comes before it?
 * @param packed undefined: its leaves are gone
 * @returns leaves: what is in it, unless nothing vouches for the list any more
 */
export function openSeal(seal: Seal, packed: Buffer | undefined): { unchanged: boolean; leaves?: Leaf[] } {
  if (packed === undefined) return { unchanged: false };
  const leaves = unpackLeaves(packed);
  const digestFits = sha256(packed).toString('hex') === seal.leaves_digest;
  const rootFits = rootOf(leaves) === seal.root;
  const unchanged = digestFits && rootFits && hashOfSeal(seal) === seal.hash;
  return digestFits || rootFits ? { unchanged, leaves } : { unchanged };
}
