import type { Context } from '../../context.js';
import { AcervoError } from '../../errors/error.js';
import type { Database } from '../../surreal/database.js';
import { getAudit } from '../list.js';
import type { Place } from '../list-rows.js';
import {
  firstSealThrough,
  LATE_NS,
  lateSealsBetween,
  newestSeal,
  packedLeavesOf,
  sealNumbered,
  sealsBetween,
} from './chain.js';
import { type Leaf, unpackLeaves } from './leaves.js';
import { inclusionPath } from './merkle.js';
import { compare, knownPlace, placeOfId, SECOND_NS } from './place.js';
import { type Seal, skipOf } from './seal.js';
import type { Proof } from './verify-proof.js';

/** Rows are sealed about so long after they were written. */
const RETRY_AFTER_SECONDS = 20;
/** Several seals may end within one nanosecond; more than these never do. */
const SAME_TIME_SEALS = 4;

/** The seals that a row may be in: the one that covers its place, or late ones within the ten minutes after. */
async function candidates(db: Database, place: Place, newest: Seal): Promise<Seal[]> {
  const first = await firstSealThrough(db, place.nanos, newest.number);
  const last = await firstSealThrough(db, place.nanos + LATE_NS + SECOND_NS, newest.number);
  const [near, late] = await Promise.all([
    sealsBetween(db, first, Math.min(first + SAME_TIME_SEALS - 1, newest.number)),
    lateSealsBetween(db, first, Math.min(last, newest.number)),
  ]);
  const covers = ({ first_id, last_id }: Seal) =>
    compare(knownPlace(first_id), place) <= 0 && compare(knownPlace(last_id), place) >= 0;
  return [...near, ...late].filter(covers);
}

async function findLeaf(db: Database, place: Place, newest: Seal) {
  for (const seal of await candidates(db, place, newest)) {
    const packed = (await packedLeavesOf(db, [seal.number])).get(seal.number);
    const leaves: Leaf[] = packed === undefined ? [] : unpackLeaves(packed);
    const index = leaves.findIndex((leaf) => compare(leaf.place, place) === 0);
    if (index >= 0) return { seal, leaves: leaves.map(({ hash }) => hash), index };
  }
  return undefined;
}

/** The shortest way from one seal back to another, in order of their numbers. */
async function wayBetween(db: Database, from: Seal, to: Seal): Promise<Seal[]> {
  const way = [to];
  let number = to.number;
  while (number > from.number) {
    number = skipOf(number) >= from.number ? skipOf(number) : number - 1;
    const seal = await sealNumbered(db, number);
    if (seal !== undefined) way.unshift(seal);
  }
  return way;
}

/**
 * The proof that a row was sealed, up to the newest seal.
 * @throws AcervoError `audit:not_found`, `audit:not_sealed` (ask again later), `database:unavailable`
 */
export async function proveRow(ctx: Context, id: string): Promise<Proof> {
  const { old, new: after, ...row } = await getAudit(ctx, id);
  const newest = await newestSeal(ctx.db);
  const found = newest && (await findLeaf(ctx.db, placeOfId(id), newest));
  if (newest === undefined || found === undefined)
    throw new AcervoError('audit:not_sealed', { retryAfterSeconds: RETRY_AFTER_SECONDS });
  const { seal, leaves, index } = found;
  return {
    row,
    leaf: leaves[index]?.toString('hex') ?? '',
    index,
    path: inclusionPath(leaves, index).map((hash) => hash.toString('hex')),
    root: seal.root,
    seals: await wayBetween(ctx.db, seal, newest),
  };
}
