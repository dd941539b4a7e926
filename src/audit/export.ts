import type { Context } from '../context.js';
import { streamOf } from '../http/reply.js';
import { type AuditQuery, filterOf } from './list.js';
import { type FullAuditRow, publicRow, walkAudit } from './list-rows.js';

export type ExportFormat = 'csv' | 'ndjson';

/** The columns of a CSV export, in order. */
export const CSV_COLUMNS = [
  'id',
  'timestamp',
  'action',
  'status',
  'resource',
  'revision',
  'agent_id',
  'key_id',
  'request_id',
  'address',
  'user_agent',
  'code',
  'old_digest',
  'new_digest',
] as const satisfies (keyof FullAuditRow)[];

/** What a spreadsheet takes for a formula: https://owasp.org/www-community/attacks/CSV_Injection */
const FORMULA = /^[=+\-@\t\r]/;

/** A field by RFC 4180; one that a spreadsheet would compute gets an apostrophe before it. */
function csvField(value: string | number | undefined): string {
  const text = String(value ?? '');
  const safe = FORMULA.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

const csvLine = (row: FullAuditRow): string => `${CSV_COLUMNS.map((column) => csvField(row[column])).join(',')}\r\n`;
const jsonLine = (row: FullAuditRow): string => `${JSON.stringify(row)}\n`;

async function* exported(ctx: Context, query: AuditQuery, format: ExportFormat): AsyncGenerator<string> {
  if (format === 'csv') yield `${CSV_COLUMNS.join(',')}\r\n`;
  const filter = filterOf(ctx, query);
  if (filter === undefined) return;
  const { from, to, order } = query;
  const line = format === 'csv' ? csvLine : jsonLine;
  for await (const { rows } of walkAudit(ctx.db, { filter, from, to, order }))
    if (rows.length > 0) yield rows.map((row) => line(publicRow(row))).join('');
}

/**
 * The audit log as a stream, some 1 000 rows in memory at a time (or what was written within two seconds), read no faster
 * than the client reads. It breaks off when the database goes away: an answer that did not end well is not the whole.
 */
export function exportAudit(ctx: Context, query: AuditQuery, format: ExportFormat): ReadableStream<Uint8Array> {
  return streamOf(exported(ctx, query, format));
}
