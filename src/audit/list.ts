import type { Context } from '../context.js';
import { AcervoError } from '../errors/error.js';
import { digestOf } from '../http/digest.js';
import { maySee } from '../keys/bound-agent.js';
import { partsOfAuditId } from './id.js';
import {
  type AuditFilter,
  FIRST_WIDTH_SECONDS,
  type FullAuditRow,
  type Place,
  placeOf,
  publicRow,
  rowsOfResource,
  type Step,
  type StoredAuditRow,
  type Walk,
  walkAudit,
} from './list-rows.js';
import { nanosOf, timeOf } from './time.js';

const CURSOR_KIND = 'audit';
/** A page looks at no more rows than this, and through no more windows; then it is short and has a cursor. */
const MAX_SCANNED = 10_000;
const MAX_WINDOWS = 500;

export interface AuditQuery {
  from?: string | undefined;
  to?: string | undefined;
  agent_id?: string | undefined;
  key_id?: string | undefined;
  user?: string | undefined;
  action?: string | undefined;
  status?: string | undefined;
  /** `artifact:ID`, or a kind such as `artifact`. */
  resource?: string | undefined;
  order: 'asc' | 'desc';
}

/** The filter of a request; undefined when this key can see none of what it asks for. */
export function filterOf(ctx: Context, query: Omit<AuditQuery, 'order'>): AuditFilter | undefined {
  const bound = ctx.principal.agent_id;
  if (bound !== undefined && query.agent_id !== undefined && query.agent_id !== bound) return undefined;
  const { key_id, user, action, status, resource } = query;
  const named = resource?.includes(':') === true ? { resource } : { resource_kind: resource };
  return { agent_id: bound ?? query.agent_id, key_id, user, action, status, ...named };
}

/** A page in the making: rows, and the step that it ended with unless the log did. */
async function collect(ctx: Context, walk: Walk, limit: number): Promise<{ rows: StoredAuditRow[]; left?: Step }> {
  const { resource } = walk.filter;
  if (resource !== undefined)
    return { rows: await rowsOfResource(ctx.db, { ...walk, filter: { ...walk.filter, resource } }) };
  const rows: StoredAuditRow[] = [];
  let scanned = 0;
  let windows = 0;
  for await (const step of walkAudit(ctx.db, walk)) {
    rows.push(...step.rows);
    scanned += step.scanned;
    windows += 1;
    if (rows.length > limit || scanned > MAX_SCANNED || windows >= MAX_WINDOWS) return { rows, left: step };
  }
  return { rows };
}

/**
 * A page of the audit log, newest first unless asked otherwise. What had been committed when the first page was asked
 * for is there once; rows written meanwhile are newer than a walk back, and at the end of a walk forth. Where few rows
 * fit, a page may be short and still have a cursor.
 * @throws AcervoError `cursor:*`, `database:unavailable`
 */
export async function listAudit(
  ctx: Context,
  { limit, cursor, ...query }: AuditQuery & { limit: number; cursor?: string | undefined },
): Promise<{ rows: FullAuditRow[]; cursor?: string }> {
  const digest = digestOf([ctx.principal.key_id, query]);
  const opened = cursor === undefined ? undefined : ctx.cursors.verify(CURSOR_KIND, cursor, digest);
  const filter = filterOf(ctx, query);
  if (filter === undefined) return { rows: [] };
  const { from, to, order } = query;
  const widthSeconds = Number(opened?.width_seconds ?? FIRST_WIDTH_SECONDS);
  const walk = { filter, from, to, order, after: placeFrom(opened), widthSeconds };
  const { rows, left } = await collect(ctx, walk, limit);
  const page = rows.slice(0, limit);
  const last = page.at(-1);
  const place = rows.length > limit && last !== undefined ? placeOf(last) : left?.place;
  if (place === undefined) return { rows: page.map(publicRow) };
  const payload = { time: timeOf(place.nanos), uuid: place.uuid, width_seconds: left?.widthSeconds ?? widthSeconds };
  return { rows: page.map(publicRow), cursor: ctx.cursors.sign(CURSOR_KIND, payload, digest) };
}

function placeFrom(opened: Record<string, unknown> | undefined): Place | undefined {
  return opened && { nanos: nanosOf(String(opened.time)), uuid: String(opened.uuid) };
}

/** One row with the values before and after its change, as far as they are kept and have not been erased. */
export interface AuditEntry extends FullAuditRow {
  old?: Record<string, unknown>;
  new?: Record<string, unknown>;
}

interface Found {
  row?: StoredAuditRow;
  old?: Record<string, unknown>;
  new?: Record<string, unknown>;
}

/**
 * One row of the log.
 * @param id as rows and the header `acervo-audit-id` have it: `<time>_<uuid>`
 * @throws AcervoError `audit:not_found` when there is none, or it belongs to another agent than the key's
 */
export async function getAudit(ctx: Context, id: string): Promise<AuditEntry> {
  const [time, uuid] = partsOfAuditId(id);
  const bound_agent = ctx.principal.agent_id;
  const { row, old, new: after } = await ctx.db.query<Found>('audit/get', { time, uuid, bound_agent });
  if (!row || !maySee(ctx.principal, row)) throw new AcervoError('audit:not_found');
  return { ...publicRow(row), ...(old && { old }), ...(after && { new: after }) };
}
