import type { AuditAction, AuditStatus, Database } from '../surreal/database.js';
import { auditIdText, partsOfAuditId } from './id.js';

/**
 * How far behind the database's clock the log is read again, in seconds. A row becomes visible when its transaction
 * commits, after its time was taken; transact's bound and this one together make a row that comes later than this
 * impossible (src/surreal/transact.ts). A database clock that jumps back by up to this much is covered as well.
 */
export const SETTLE_SECONDS = 15;

/** Ids of rows already given out. When more than this many fall into the window, the oldest may be given out again. */
const MAX_SEEN = 200_000;

/** Rows given out by one `poll`, and ids read by one query. */
const PAGE_ROWS = 1_000;

/** What `recent` re-reads: rows that commit out of order do so within milliseconds, but for the largest documents. */
const RECENT_SECONDS = 1;

/** A cursor that stands before every row. */
export const BEGINNING = '1970-01-01T00:00:00Z';

/** One row of the audit log: an invalidation. Readers fetch the current content themselves. */
export interface AuditRow {
  id: string;
  timestamp: string;
  action: AuditAction;
  status: AuditStatus;
  resource: string;
  revision?: number;
  agent_id?: string;
  key_id?: string;
  request_id?: string;
  code?: string;
  old_digest?: string;
  new_digest?: string;
}

/** Does this row tell of a change? A read, a denial or a failed attempt changes no revision. */
export function isChange<Row extends Pick<AuditRow, 'action' | 'revision'>>(
  row: Row,
): row is Row & { revision: number; action: Exclude<AuditAction, 'READ'> } {
  return row.revision !== undefined && row.action !== 'READ';
}

type RowId = [string, string];

export interface Head {
  now: string;
  newest?: string;
}

/** Orders RFC 3339 times of differing precision: `…:05Z` is before `…:05.1Z`, which text order would not say. */
export function earlier(a: string, b: string): string {
  return sortable(a) <= sortable(b) ? a : b;
}

export function later(a: string, b: string): string {
  return sortable(a) >= sortable(b) ? a : b;
}

/** Text that sorts as the times do. */
export function sortable(time: string): string {
  const [seconds = '', fraction = ''] = time.replace('Z', '').split('.');
  return `${seconds}.${fraction.padEnd(9, '0')}`;
}

function minusSeconds(time: string, seconds: number): string {
  const [, fraction] = time.replace('Z', '').split('.');
  const whole = new Date(Math.floor(Date.parse(time) / 1000) * 1000 - seconds * 1000).toISOString().slice(0, 19);
  return fraction === undefined ? `${whole}Z` : `${whole}.${fraction}Z`;
}

/** Behind this time no row can appear any more: never later than the newest row, in case the clock ran ahead. */
function settledEdge(head: Head): string {
  return head.newest === undefined ? BEGINNING : earlier(minusSeconds(head.now, SETTLE_SECONDS), head.newest);
}

/**
 * The cursor to take before a snapshot: scan, then read from here. Every change that the scan may have missed comes.
 */
export async function settledCursor(db: Database): Promise<string> {
  return settledEdge(await db.query<Head>('audit/head'));
}

/**
 * Reads the audit log without ever skipping a committed row, though transactions commit out of the order of their
 * ids: it re-reads the unsettled window and drops what it has seen. Across a resume by cursor, rows may come again,
 * never be missing; consumers apply them by resource and revision.
 */
export class AuditReader {
  readonly #db: Database;
  readonly #seen: Set<string>;
  #edge: string;
  /** Where an unfinished pass over the window goes on. */
  #after: RowId | undefined;
  #head: Head | undefined;
  /** The newest time given out. */
  #newest: string;

  /** @param seen ids behind the cursor that need not be given out: somebody else has given them */
  constructor(db: Database, cursor: string = BEGINNING, seen: Iterable<string> = []) {
    this.#db = db;
    this.#edge = cursor;
    this.#newest = cursor;
    this.#seen = new Set(seen);
  }

  /** The settled edge: a reader that starts here sees every row that this one has not given out, and some again. */
  get cursor(): string {
    // Within a pass, what lies before both its place and the edge has been given, and nothing more can appear there.
    if (this.#head === undefined || this.#after === undefined) return this.#edge;
    return later(this.#edge, earlier(this.#after[0], settledEdge(this.#head)));
  }

  /** Has the last `poll` read to the end of the log? Others may have written on since. */
  get atEnd(): boolean {
    return this.#after === undefined;
  }

  /**
   * Up to `maxRows` (at most 1 000) rows not given out before, in the order of their ids within this answer. An empty
   * answer means that the log has been read to its end.
   * @throws AcervoError `database:unavailable`; the next call goes on where this one began
   */
  async poll(maxRows: number = PAGE_ROWS): Promise<AuditRow[]> {
    // The clock is read before the scan, so that whatever commits during the scan is still inside the next window.
    this.#head ??= await this.#db.query<Head>('audit/head');
    const { fresh, after, finished } = await this.#scan(this.#after, this.#edge, maxRows);
    const rows = await this.#fetch(fresh);
    // What is settled is behind the next window: it need not be remembered.
    this.#remember(fresh, settledEdge(this.#head));
    this.#after = finished ? undefined : after;
    if (finished) this.#settle();
    return rows;
  }

  /**
   * What `poll` would give of the newest second alone: cheap however many rows the window has. Call it when something
   * has been committed, and `poll` all the same for what commits later than that.
   * @throws AcervoError `database:unavailable`
   */
  async recent(): Promise<AuditRow[]> {
    if (this.#after !== undefined) return this.poll();
    const from = later(this.#edge, minusSeconds(this.#newest, RECENT_SECONDS));
    const { fresh } = await this.#scan(undefined, from, PAGE_ROWS);
    const rows = await this.#fetch(fresh);
    this.#remember(fresh, this.#edge);
    return rows;
  }

  async #scan(place: RowId | undefined, from: string, maxRows: number) {
    const fresh: RowId[] = [];
    const edge = sortable(from);
    let after = place;
    let finished = false;
    while (!finished && fresh.length < maxRows) {
      const ids = await this.#db.query<RowId[]>('audit/ids', {
        from: after?.[0] ?? from,
        from_uuid: after?.[1],
        limit: PAGE_ROWS,
      });
      // What the order of keys lets come along from before the edge has been given.
      for (const id of ids) if (sortable(id[0]) >= edge && !this.#seen.has(auditIdText(id))) fresh.push(id);
      after = ids.at(-1);
      finished = ids.length < PAGE_ROWS;
    }
    if (fresh.length <= maxRows) return { fresh, after, finished };
    fresh.length = maxRows;
    return { fresh, after: fresh.at(-1), finished: false };
  }

  async #fetch(ids: RowId[]): Promise<AuditRow[]> {
    if (ids.length === 0) return [];
    const rows = await this.#db.query<(Omit<AuditRow, 'id'> & { id: RowId })[]>('audit/rows', {
      times: ids.map((id) => id[0]),
      uuids: ids.map((id) => id[1]),
    });
    return rows.map((row) => ({ ...row, id: auditIdText(row.id) }));
  }

  #remember(ids: RowId[], settled: string): void {
    const edge = sortable(settled);
    for (const id of ids) if (sortable(id[0]) >= edge) this.#seen.add(auditIdText(id));
    const last = ids.at(-1);
    if (last !== undefined) this.#newest = later(this.#newest, last[0]);
  }

  #settle(): void {
    if (this.#head !== undefined) this.#edge = later(this.#edge, settledEdge(this.#head));
    this.#head = undefined;
    const edge = sortable(this.#edge);
    for (const id of this.#seen) {
      const settled = sortable(partsOfAuditId(id)[0]) < edge;
      if (settled || this.#seen.size > MAX_SEEN) this.#seen.delete(id);
    }
  }
}
