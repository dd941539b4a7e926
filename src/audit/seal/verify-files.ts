import { z } from 'zod';
import type { FullAuditRow } from '../list-rows.js';
import { LATE_NS } from './chain.js';
import { ChainWalk } from './chain-walk.js';
import { Faults, Judge } from './judge.js';
import { BEFORE_ALL, compare, idOfPlace, knownPlace, placeOfId } from './place.js';
import type { Seal } from './seal.js';
import type { VerifyReport } from './verify.js';

/** Whatever somebody may have put into its fields: the hashes say whether it is a seal. */
const lineOfSeals = z.object({
  number: z.int().min(1),
  format: z.number(),
  previous_hash: z.string(),
  skip_hash: z.string(),
  first_id: z.string(),
  last_id: z.string(),
  row_count: z.number(),
  root: z.string(),
  leaves_digest: z.string(),
  sealed_through: z.string(),
  sealed_at: z.string(),
  late: z.boolean(),
  hash: z.string(),
  leaves: z.string().optional(),
});

type Lines = AsyncIterable<string> | Iterable<string>;

async function* parsed<T>(lines: Lines, what: string, parse: (value: unknown) => T): AsyncGenerator<T> {
  let line = 0;
  for await (const text of lines) {
    line += 1;
    if (text.trim() === '') continue;
    try {
      yield parse(JSON.parse(text));
    } catch {
      throw new Error(`Line ${line} of the ${what} cannot be read.`);
    }
  }
}

function rowOf(value: unknown): FullAuditRow {
  const row = value as FullAuditRow;
  placeOfId(row.id);
  return row;
}

/**
 * Verifies exports of the log, with no database: NDJSON of GET /v1/audit?format=ndjson, in any order, and of
 * GET /v1/audit/seals?format=ndjson. Seals have to be exported first, or rows written meanwhile count as missing. It keeps the
 * leaves of all seals in memory, some 300 bytes a row.
 * @throws Error for a line that is no seal or no row
 */
export async function verifyFiles(rows: Lines, seals: Lines): Promise<VerifyReport> {
  const faults = new Faults();
  const judge = new Judge(faults);
  const walk = new ChainWalk();
  let head: Seal | undefined;
  const counts = { seals: 0, rows: 0, late_rows: 0, unsealed_rows: 0 };
  for await (const { leaves, ...seal } of parsed(seals, 'seals', (value) => lineOfSeals.parse(value))) {
    const packed = leaves === undefined ? undefined : Buffer.from(leaves, 'base64');
    judge.expect(walk.take(seal, packed, faults) ?? [], seal.number);
    counts.seals += 1;
    if (seal.late) counts.late_rows += seal.row_count;
    head = seal;
  }
  const through = head === undefined ? BEFORE_ALL : knownPlace(head.sealed_through);
  for await (const row of parsed(rows, 'rows', rowOf)) {
    counts.rows += 1;
    const place = placeOfId(row.id);
    if (judge.look(place, row) || walk.isBlind(place)) continue;
    const isOld = compare(place, through) <= 0 && place.nanos < through.nanos - LATE_NS;
    if (isOld) faults.add({ kind: 'inserted', row: idOfPlace(place) });
    else counts.unsealed_rows += 1;
  }
  judge.end();
  const known = head && { head: { number: head.number, hash: head.hash } };
  return { ok: faults.list.length === 0, ...counts, faults: faults.list, truncated: faults.truncated, ...known };
}
