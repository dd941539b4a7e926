import type { Database } from '../../surreal/database.js';
import { type Place, publicRow, type StoredAuditRow } from '../list-rows.js';
import { timeOf } from '../time.js';
import { firstSealThrough, LATE_NS, lateSealsBetween, leavesOf, sealNumbered, sealsBetween } from './chain.js';
import { BEFORE_ALL, compare, keyOf, placeOfId, SECOND_NS, secondOf } from './place.js';
import { countAfter, type PlacedRow, placesBetween } from './rows.js';
import type { Seal } from './seal.js';

/** Read at a time when rows have to be compared with seals one by one. */
const STEP_NS = 60n * SECOND_NS;
const FEW_ROWS = 1_000;
const LEAVES_SEALS = 100;
const PAGE_ROWS = 500;

/** The end of the log in which late rows are looked for: its rows are in the seals `first` to `newest`. */
interface Recent {
  after: Place;
  upto: Place;
  first: number;
  newest: number;
}

async function recentPart(db: Database, newest: Seal): Promise<Recent> {
  const upto = placeOfId(newest.sealed_through);
  const first = await firstSealThrough(db, upto.nanos - LATE_NS, newest.number);
  const before = await sealNumbered(db, first - 1);
  const after = before === undefined ? BEFORE_ALL : placeOfId(before.sealed_through);
  return { after, upto, first, newest: newest.number };
}

/** Are there as many rows as were sealed? Counting keys is cheap; it is done before every run. */
async function countsAgree(db: Database, { after, upto, first, newest }: Recent): Promise<boolean> {
  const sealed = await db.query<number>('audit-seals/sealed-in-order', { from: first, to: newest });
  const late = await leavesOf(db, await lateSealsBetween(db, first, newest));
  const lateHere = late.filter(({ place }) => compare(place, after) > 0).length;
  return (await countAfter(db, after, secondOf(upto.nanos) + SECOND_NS)) === sealed + lateHere;
}

async function sealedKeys(db: Database, { first, newest }: Recent): Promise<Set<string>> {
  const keys = new Set<string>();
  for (let from = first; from <= newest; from += LEAVES_SEALS) {
    const seals = await sealsBetween(db, from, Math.min(newest, from + LEAVES_SEALS - 1));
    for (const { place } of await leavesOf(db, seals)) keys.add(keyOf(place));
  }
  return keys;
}

async function unsealedPlaces(db: Database, recent: Recent, oldestNanos: bigint): Promise<Place[]> {
  const { after, upto } = recent;
  const sealed = await sealedKeys(db, recent);
  const places: Place[] = [];
  const end = secondOf(upto.nanos) + SECOND_NS;
  const begin = secondOf(after.nanos > oldestNanos ? after.nanos : oldestNanos);
  let width = STEP_NS;
  for (let from = begin; from < end; ) {
    const left = end - from;
    const until = from + (left < width ? left : width);
    const found = await placesBetween(db, from, until);
    from = until;
    // The first of these seals may go back for years, with few rows.
    width = found.length < FEW_ROWS ? width * 4n : STEP_NS;
    const here = found.filter((place) => compare(place, after) > 0 && compare(place, upto) <= 0);
    places.push(...here.filter((place) => !sealed.has(keyOf(place))));
  }
  return places.sort(compare);
}

async function rowsAt(db: Database, places: readonly Place[]): Promise<PlacedRow[]> {
  const found = await db.query<StoredAuditRow[]>('audit/rows', {
    times: places.map(({ nanos }) => timeOf(nanos)),
    uuids: places.map(({ uuid }) => uuid),
  });
  return found.map(publicRow).map((row) => ({ place: placeOfId(row.id), row }));
}

/**
 * Rows that have appeared, in the last ten minutes of what is sealed, among rows that were sealed before them.
 * @param oldestNanos the time of the oldest row
 * @throws AcervoError `database:unavailable`
 */
export async function* lateRows(db: Database, newest: Seal, oldestNanos: bigint): AsyncGenerator<PlacedRow[]> {
  const recent = await recentPart(db, newest);
  if (await countsAgree(db, recent)) return;
  const places = await unsealedPlaces(db, recent, oldestNanos);
  for (let at = 0; at < places.length; at += PAGE_ROWS) yield rowsAt(db, places.slice(at, at + PAGE_ROWS));
}
