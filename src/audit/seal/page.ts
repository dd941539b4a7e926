import type { Database } from '../../surreal/database.js';
import type { Place } from '../list-rows.js';
import { firstSealThrough, LATE_NS, lateSealsBetween, packedLeavesOf } from './chain.js';
import type { ChainWalk } from './chain-walk.js';
import { Faults, Judge } from './judge.js';
import { type Leaf, unpackLeaves } from './leaves.js';
import { BEFORE_ALL, compare, idOfPlace, knownPlace, SECOND_NS, secondOf } from './place.js';
import { rowsAfter } from './rows.js';
import type { Seal } from './seal.js';

/** With so many more rows than were sealed, inserted ones are told without their ids. */
const MAX_INSERTED = 100_000;

interface OpenedSeal {
  seal: Seal;
  leaves: Leaf[] | undefined;
}

/** One page of verification: what it has found, and where it stands. */
export class Page {
  readonly faults = new Faults();
  seals = 0;
  rows = 0;
  lateRows = 0;
  unsealedRows = 0;
  /** What sealed late rows hold, for windows that they fall into. */
  late: { leaf: Leaf; seal: number }[] = [];

  constructor(
    readonly db: Database,
    readonly newest: Seal,
    readonly chain: ChainWalk,
    public through: Place,
  ) {}

  /** What was sealed late of the rows of some seals: its seals come within ten minutes of the log after them. */
  async loadLate(first: number, among: readonly Seal[]): Promise<void> {
    const upto = among
      .map(({ last_id }) => knownPlace(last_id))
      .reduce((a, b) => (compare(a, b) > 0 ? a : b), BEFORE_ALL);
    const last = await firstSealThrough(this.db, upto.nanos + LATE_NS + SECOND_NS, this.newest.number);
    const seals = await lateSealsBetween(this.db, first, Math.min(last, this.newest.number));
    const packed = await packedLeavesOf(
      this.db,
      seals.map(({ number }) => number),
    );
    this.late = [...packed].flatMap(([seal, bytes]) => unpackLeaves(bytes).map((leaf) => ({ leaf, seal })));
  }

  /** Opens the next seals, as many as have some 2 000 rows. */
  async open(seals: readonly Seal[]): Promise<OpenedSeal[]> {
    const packed = await packedLeavesOf(
      this.db,
      seals.map(({ number }) => number),
    );
    this.seals += seals.length;
    return seals.map((seal) => ({ seal, leaves: this.chain.take(seal, packed.get(seal.number), this.faults) }));
  }

  /** Compares the rows from where this page stands to the end of a group of seals. */
  async compareGroup(opened: readonly OpenedSeal[]): Promise<void> {
    const judge = new Judge(this.faults);
    const after = this.through;
    let upto = after;
    let expected = 0;
    for (const { seal, leaves } of opened) {
      const last = leaves?.at(-1)?.place ?? knownPlace(seal.last_id);
      // A late seal: its rows were compared in the windows that they are in.
      if (compare(last, upto) <= 0) continue;
      judge.expect(leaves ?? [], seal.number);
      expected += leaves?.length ?? 0;
      upto = last;
    }
    if (compare(upto, after) <= 0) return;
    for (const { leaf, seal } of this.late)
      if (compare(leaf.place, after) > 0 && compare(leaf.place, upto) <= 0) {
        judge.expect([leaf], seal);
        expected += 1;
        this.lateRows += 1;
      }
    this.through = upto;
    await this.compareRows(judge, after, upto, expected);
  }

  async compareRows(judge: Judge, after: Place, upto: Place, expected: number): Promise<void> {
    const rows = await rowsAfter(this.db, after, secondOf(upto.nanos) + SECOND_NS, expected + MAX_INSERTED);
    if (rows === undefined) return this.faults.add({ kind: 'inserted' });
    const lateEdge = knownPlace(this.newest.sealed_through).nanos - LATE_NS;
    for (const { place, row } of rows) {
      if (compare(place, upto) > 0) break;
      this.rows += 1;
      if (judge.look(place, row) || this.chain.isBlind(place)) continue;
      // What has appeared within the last ten minutes of the log the sealer still takes.
      if (place.nanos < lateEdge) this.faults.add({ kind: 'inserted', row: idOfPlace(place) });
      else this.unsealedRows += 1;
    }
    judge.end();
  }
}
