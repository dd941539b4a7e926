import type { FullAuditRow } from '../list-rows.js';
import { leafOf } from './leaf.js';
import { rootOfPath } from './merkle.js';
import { hashOfSeal, type Seal, skipOf } from './seal.js';

/** What shows that a row was sealed, to somebody who has nothing but a published root or hash. */
export interface Proof {
  row: FullAuditRow;
  /** Hash of the row. */
  leaf: string;
  /** Its place among the rows of its seal, from 0. */
  index: number;
  /** The hashes that lead from the leaf to the root, lowest first. */
  path: string[];
  root: string;
  /** From the seal that holds the row to a later one; each has the hash of the one before it in this list. */
  seals: Seal[];
}

const follows = (seal: Seal, { number, hash }: Seal): boolean =>
  (seal.number === number + 1 && seal.previous_hash === hash) ||
  (skipOf(seal.number) === number && seal.skip_hash === hash);

function leafFits({ row, leaf }: Proof): boolean {
  try {
    return leafOf(row).toString('hex') === leaf;
  } catch {
    return false;
  }
}

function rootFits({ leaf, index, path, root }: Proof, { row_count }: Seal): boolean {
  const hashes = path.map((hash) => Buffer.from(hash, 'hex'));
  return rootOfPath(Buffer.from(leaf, 'hex'), index, row_count, hashes)?.toString('hex') === root;
}

/**
 * Checks a proof by itself. Nothing in it is believed: only what was published.
 * @param published in hex: the root of the seal that holds the row, or the hash of one of the seals of the proof
 * @returns what is wrong; undefined when the row was sealed as it stands there
 */
export function faultOfProof(proof: Proof, published: string): string | undefined {
  const [holder] = proof.seals;
  if (holder === undefined) return 'there is no seal in it';
  if (!leafFits(proof)) return 'the row is not the one that was sealed';
  if (!rootFits(proof, holder) || holder.root !== proof.root) return 'the path does not lead to the root';
  if (proof.seals.some((seal) => hashOfSeal(seal) !== seal.hash)) return 'a seal is not as it was made';
  const broken = proof.seals.some((seal, n) => {
    const before = proof.seals[n - 1];
    return before !== undefined && !follows(seal, before);
  });
  if (broken) return 'the seals do not follow each other';
  const known = [proof.root, ...proof.seals.map(({ hash }) => hash)];
  return known.includes(published.toLowerCase()) ? undefined : 'what was published is not in it';
}
