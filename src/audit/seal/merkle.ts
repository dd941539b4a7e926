import { createHash } from 'node:crypto';

/** Kinds of hashes, told apart by their first byte. Leaf and node are those of RFC 6962, section 2.1. */
const LEAF = Buffer.from([0]);
const NODE = Buffer.from([1]);

/** SHA-256 over the parts, one after the other. */
export function sha256(...parts: Buffer[]): Buffer {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
}

export const leafHash = (data: Buffer): Buffer => sha256(LEAF, data);
const nodeHash = (left: Buffer, right: Buffer): Buffer => sha256(NODE, left, right);

/** The level above. A hash without a partner goes up as it is, which gives the trees of RFC 6962. */
function above(level: readonly Buffer[]): Buffer[] {
  const parents: Buffer[] = [];
  for (let at = 0; at < level.length; at += 2) {
    const left = level[at];
    const right = level[at + 1];
    if (left !== undefined) parents.push(right === undefined ? left : nodeHash(left, right));
  }
  return parents;
}

/** The root of the Merkle tree over leaf hashes, MTH of RFC 6962, section 2.1. */
export function merkleRoot(leaves: readonly Buffer[]): Buffer {
  let level = leaves;
  while (level.length > 1) level = above(level);
  return level[0] ?? sha256();
}

/** The hashes that lead from a leaf to the root, lowest first: PATH of RFC 6962, section 2.1.1. */
export function inclusionPath(leaves: readonly Buffer[], index: number): Buffer[] {
  const path: Buffer[] = [];
  let level = leaves;
  for (let at = index; level.length > 1; at >>= 1) {
    const partner = level[at ^ 1];
    if (partner !== undefined) path.push(partner);
    level = above(level);
  }
  return path;
}

/** The root that a path leads to; undefined when it cannot belong to leaf `index` of a tree with `size` leaves. */
export function rootOfPath(leaf: Buffer, index: number, size: number, path: readonly Buffer[]): Buffer | undefined {
  if (!Number.isInteger(index) || !Number.isInteger(size) || index < 0 || index >= size) return undefined;
  let hash = leaf;
  let used = 0;
  let at = index;
  for (let width = size; width > 1; width = Math.ceil(width / 2)) {
    if (at % 2 === 1 || at + 1 < width) {
      const partner = path[used];
      if (partner === undefined) return undefined;
      hash = at % 2 === 1 ? nodeHash(partner, hash) : nodeHash(hash, partner);
      used += 1;
    }
    at = Math.floor(at / 2);
  }
  return used === path.length ? hash : undefined;
}
