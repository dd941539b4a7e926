import { randomUUID } from 'node:crypto';
import type { Fault } from '../../../src/audit/seal/judge.js';
import { sealSettled } from '../../../src/audit/seal/sealer.js';
import { type Position, verifyPage } from '../../../src/audit/seal/verify.js';
import type { Database } from '../../../src/surreal/database.js';
import type { MadeRow } from './audit-log.js';
import type { Engine } from './engine.js';

/** One run of the sealer. */
export const seal = (engine: Engine, db: Database = engine.db, control: Database = engine.control) =>
  sealSettled({ db, control }, randomUUID());

/** All pages of a verification, added up. */
export async function verify(engine: Engine, options: { from?: string; to?: string; maxRows?: number } = {}) {
  const total = { seals: 0, rows: 0, late_rows: 0, unsealed_rows: 0, faults: [] as Fault[], pages: 0 };
  let position: Position | undefined;
  do {
    const { report, next } = await verifyPage(engine.db, { maxRows: 20_000, maxSeals: 500, ...options, position });
    total.seals += report.seals;
    total.rows += report.rows;
    total.late_rows += report.late_rows;
    total.unsealed_rows += report.unsealed_rows;
    total.faults.push(...report.faults);
    total.pages += 1;
    position = next;
  } while (position !== undefined);
  return total;
}

/** The id of a made row as the API writes it. */
export const idOf = ({ time, uuid }: MadeRow) => {
  const [whole, fraction = ''] = time.slice(0, -1).split('.');
  return `${whole}.${fraction.replace(/0+$/, '') || '000'}Z_${uuid}`;
};
