import type { Database } from '../../surreal/database.js';
import type { Place } from '../list-rows.js';
import { nanosOf } from '../time.js';
import { firstSealThrough, hashNumbered, newestSeal, sealNumbered, sealsBetween } from './chain.js';
import { ChainWalk } from './chain-walk.js';
import { type Fault, Faults } from './judge.js';
import { Page } from './page.js';
import { BEFORE_ALL, idOfPlace, knownPlace, SECOND_NS, secondOf } from './place.js';
import { countAfter } from './rows.js';
import { NO_HASH, type Seal, skipOf } from './seal.js';

/** Seals read at once, and rows compared at once. */
const PAGE_SEALS = 200;
const GROUP_ROWS = 2_000;

/** Between two pages: the last seal looked at, and up to where rows were compared. */
export interface Position {
  number: number;
  through: string;
}

export interface VerifyReport {
  ok: boolean;
  seals: number;
  rows: number;
  /** Of those, the ones sealed late. */
  late_rows: number;
  /** Not sealed yet; counted at the end of the log. */
  unsealed_rows: number;
  faults: Fault[];
  /** There are more faults than are listed. */
  truncated: boolean;
  /** The newest seal: compare it with what was published. */
  head?: { number: number; hash: string };
}

export interface VerifyOptions {
  from?: string | undefined;
  to?: string | undefined;
  position?: Position | undefined;
  /** The page ends with the seal that reaches it. */
  maxRows: number;
  maxSeals: number;
  signal?: AbortSignal | undefined;
}

/** Where a verification begins: a chain that knows the hashes before, and the place up to which nothing is compared. */
async function begin(db: Database, newest: Seal, { from, position }: VerifyOptions): Promise<Page> {
  const nanos = from === undefined ? undefined : nanosOf(from);
  const last = position?.number ?? (nanos === undefined ? 0 : (await firstSealThrough(db, nanos, newest.number)) - 1);
  const hashes: [number, string][] = [];
  for (let number = last; number > 0; number = skipOf(number)) {
    const hash = await hashNumbered(db, number);
    if (hash !== NO_HASH) hashes.push([number, hash]);
  }
  const through = position?.through ?? (await sealNumbered(db, last))?.sealed_through;
  const place = through === undefined ? BEFORE_ALL : knownPlace(through);
  return new Page(db, newest, new ChainWalk(last, hashes, place), place);
}

/** Splits seals into groups of some 2 000 rows. */
function groupsOf(seals: readonly Seal[]): Seal[][] {
  const groups: Seal[][] = [];
  let rows = GROUP_ROWS;
  for (const seal of seals) {
    if (rows >= GROUP_ROWS) {
      groups.push([]);
      rows = 0;
    }
    groups.at(-1)?.push(seal);
    rows += Number(seal.row_count) || 0;
  }
  return groups;
}

/** Rows after the newest seal. */
async function countUnsealed(db: Database, through: Place): Promise<number> {
  const { newest } = await db.query<{ newest?: string }>('audit/span');
  return newest === undefined ? 0 : countAfter(db, through, secondOf(nanosOf(newest)) + 2n * SECOND_NS);
}

/**
 * Verifies a page of the log: seals against each other, and rows against their seals. What it holds in memory is
 * bounded by the page.
 * @returns the report of this page, and where the next one begins, unless this was the last
 * @throws AcervoError `database:unavailable`
 */
export async function verifyPage(
  db: Database,
  options: VerifyOptions,
): Promise<{ report: VerifyReport; next?: Position }> {
  const newest = await newestSeal(db);
  if (newest === undefined) {
    const unsealed = await countUnsealed(db, BEFORE_ALL);
    return { report: reportOf({ faults: new Faults(), seals: 0, rows: 0, lateRows: 0, unsealedRows: 0 }, unsealed) };
  }
  const page = await begin(db, newest, options);
  const { to, maxRows, maxSeals, signal } = options;
  const end = to === undefined ? newest.number : await firstSealThrough(db, nanosOf(to), newest.number);
  const head = { number: newest.number, hash: newest.hash };
  const isLast = () => page.chain.last >= Math.min(end, newest.number);
  while (!isLast() && page.rows < maxRows && page.seals < maxSeals) {
    const from = page.chain.last + 1;
    const upper = Math.min(from + PAGE_SEALS - 1, end, newest.number);
    const seals = await sealsBetween(db, from, upper);
    await page.loadLate(from, seals);
    if (seals.length === 0) page.chain.passGap(upper, page.faults);
    for (const group of groupsOf(seals)) {
      signal?.throwIfAborted();
      await page.compareGroup(await page.open(group));
      if (page.rows >= maxRows) break;
    }
  }
  if (!isLast()) {
    const next = { number: page.chain.last, through: idOfPlace(page.through) };
    return { report: reportOf(page, 0, head), next };
  }
  const unsealed = to === undefined ? await countUnsealed(db, knownPlace(newest.sealed_through)) : 0;
  return { report: reportOf(page, unsealed, head) };
}

type Found = Pick<Page, 'faults' | 'seals' | 'rows' | 'lateRows' | 'unsealedRows'>;

function reportOf(
  { faults, seals, rows, lateRows, unsealedRows }: Found,
  unsealed: number,
  head?: { number: number; hash: string },
): VerifyReport {
  return {
    ok: faults.list.length === 0,
    seals,
    rows,
    late_rows: lateRows,
    unsealed_rows: unsealedRows + unsealed,
    faults: faults.list,
    truncated: faults.truncated,
    ...(head && { head }),
  };
}
