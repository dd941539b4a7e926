import type { Database } from '../../surreal/database.js';
import { type Leaf, unpackLeaves } from './leaves.js';
import { knownPlace, SECOND_NS } from './place.js';
import { NO_HASH, type Seal } from './seal.js';

/**
 * So long behind the newest sealed row, in seconds, the sealer looks for rows that have appeared late. Readers of the
 * log hold none to be possible after 15 s (src/audit/reader.ts); this is forty times as much. What appears later still
 * is told by `verify` as inserted.
 */
export const LATE_SECONDS = 600;
export const LATE_NS = BigInt(LATE_SECONDS) * SECOND_NS;

export async function newestSeal(db: Database): Promise<Seal | undefined> {
  return (await db.query<Seal | undefined | null>('audit-seals/newest')) ?? undefined;
}

/** Seals by number, both ends in, in order. What is gone is left out. */
export const sealsBetween = (db: Database, from: number, to: number): Promise<Seal[]> =>
  db.query<Seal[]>('audit-seals/range', { from, to, late_only: false });

export const lateSealsBetween = (db: Database, from: number, to: number): Promise<Seal[]> =>
  db.query<Seal[]>('audit-seals/range', { from, to, late_only: true });

export async function sealNumbered(db: Database, number: number): Promise<Seal | undefined> {
  return number < 1 ? undefined : (await sealsBetween(db, number, number))[0];
}

export const hashNumbered = async (db: Database, number: number): Promise<string> =>
  (await sealNumbered(db, number))?.hash ?? NO_HASH;

/** The packed leaves of some seals, by number. */
export async function packedLeavesOf(db: Database, numbers: readonly number[]): Promise<Map<number, Buffer>> {
  const stored = await db.query<{ number: number; leaves: string }[]>('audit-seals/leaves', { numbers });
  return new Map(stored.map(({ number, leaves }) => [number, Buffer.from(leaves, 'base64')]));
}

/** What is in some seals, as their lists say. */
export async function leavesOf(db: Database, seals: readonly Pick<Seal, 'number'>[]): Promise<Leaf[]> {
  const packed = await packedLeavesOf(
    db,
    seals.map(({ number }) => number),
  );
  return [...packed.values()].flatMap(unpackLeaves);
}

/**
 * The number of the first seal up to which the log is sealed through this time or beyond; one more than `newest` when
 * there is none. `sealed_through` never runs back along the chain, so halving finds it.
 */
export async function firstSealThrough(db: Database, nanos: bigint, newest: number): Promise<number> {
  let low = 1;
  let high = newest + 1;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const seal = await sealNumbered(db, middle);
    // One that is gone says nothing; `verify` tells of it.
    if (seal !== undefined && knownPlace(seal.sealed_through).nanos < nanos) low = middle + 1;
    else high = middle;
  }
  return low;
}
