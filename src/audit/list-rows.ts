import type { Database } from '../surreal/database.js';
import { auditIdText } from './id.js';
import type { AuditRow } from './reader.js';
import { earlier, later, nanosOf, timeOf } from './time.js';

/** A window with more rows than this is read in smaller ones: a page wants few. */
const MANY_ROWS = 1_000;
/** Of an agent: its rows are read to be counted. */
const MANY_OF_AGENT = 250;
const MIN_WIDTH_NS = 1_000_000_000n;
const DAY_NS = 86_400n * MIN_WIDTH_NS;
const MAX_WIDTH_NS = 3_650n * DAY_NS;
/** Of an agent: far more than a database writes. */
const MAX_ROWS_OF_A_SECOND = 100_000;
export const FIRST_WIDTH_SECONDS = 64;

/** What a row must have; `user` is looked for in its values. */
export interface AuditFilter {
  agent_id?: string | undefined;
  key_id?: string | undefined;
  user?: string | undefined;
  action?: string | undefined;
  status?: string | undefined;
  resource?: string | undefined;
  resource_kind?: string | undefined;
}

/** A row with who asked from where. */
export interface FullAuditRow extends AuditRow {
  address?: string;
  user_agent?: string;
}

export type StoredAuditRow = Omit<FullAuditRow, 'id'> & { id: [time: string, uuid: string] };

/** A place between rows, in the order of time and uuid; the uuid '' is before all, '~' after all rows of a time. */
export interface Place {
  nanos: bigint;
  uuid: string;
}

export interface Walk {
  filter: AuditFilter;
  from?: string | undefined;
  to?: string | undefined;
  order: 'asc' | 'desc';
  /** Only what comes after this place in the order of the walk. */
  after?: Place | undefined;
  widthSeconds?: number | undefined;
}

/** One step of a walk through the log. */
export interface Step {
  /** In order; may be empty. */
  rows: StoredAuditRow[];
  /** Rows that were looked at for them. */
  scanned: number;
  /** Where the walk goes on: give it as `after`, with the width. */
  place: Place;
  widthSeconds: number;
}

export const placeOf = ({ id }: StoredAuditRow): Place => ({ nanos: nanosOf(id[0]), uuid: id[1] });

export const publicRow = (row: StoredAuditRow): FullAuditRow => ({ ...row, id: auditIdText(row.id) });

const compare = (a: Place, b: Place): number =>
  a.nanos === b.nanos ? (a.uuid < b.uuid ? -1 : Number(a.uuid > b.uuid)) : a.nanos < b.nanos ? -1 : 1;

/** Puts rows into the order of the walk, without those that are not after its place. */
function inOrder(rows: StoredAuditRow[], { order, after }: Walk): StoredAuditRow[] {
  const sign = order === 'asc' ? 1 : -1;
  return rows
    .map((row) => ({ row, place: placeOf(row) }))
    .filter(({ place }) => after === undefined || sign * compare(place, after) > 0)
    .sort((a, b) => sign * compare(a.place, b.place))
    .map(({ row }) => row);
}

/** The part of the log that a walk can find rows in: nanoseconds, [since, until). */
async function bounds(db: Database, { from, to, order, after }: Walk): Promise<[since: bigint, until: bigint]> {
  const span = await db.query<{ oldest?: string; newest?: string }>('audit/span');
  if (span.oldest === undefined || span.newest === undefined) return [0n, 0n];
  // A second more: keys are not quite in the order of time within a second (surql/queries/audit/window.surql).
  let since = nanosOf(span.oldest) - MIN_WIDTH_NS;
  let until = nanosOf(span.newest) + MIN_WIDTH_NS;
  if (from !== undefined) since = later(since, nanosOf(from));
  if (to !== undefined) until = earlier(until, nanosOf(to));
  if (after !== undefined && order === 'asc') since = later(since, after.nanos);
  if (after !== undefined && order === 'desc') until = earlier(until, after.nanos + 1n);
  return [since, until];
}

interface Span {
  from: string;
  to: string;
}

/** What a look at a span of time found: rows that fit, and how many there are. */
type Found = Pick<Step, 'rows' | 'scanned'>;

/** How a walk looks at a span of time; undefined when more rows are in it than should be read at once. */
interface Look {
  maxWidthNs: bigint;
  manyRows: number;
  at(span: Span, isNarrowest: boolean): Promise<Found | undefined>;
}

/** Counts keys first: no row is read of a span that holds too many. */
function lookAtAll(db: Database, filter: AuditFilter): Look {
  return {
    maxWidthNs: DAY_NS,
    manyRows: MANY_ROWS,
    at: async (span, isNarrowest) => {
      const scanned = await db.query<number>('audit/count', { ...span });
      if (scanned > MANY_ROWS && !isNarrowest) return undefined;
      const params = { ...NO_FILTER, ...filter, ...span };
      return { scanned, rows: scanned === 0 ? [] : await db.query<StoredAuditRow[]>('audit/window', params) };
    },
  };
}

/** Goes by the index of agents: rows of others cost nothing, so a span without rows may be long. */
function lookAtAgent(db: Database, filter: AuditFilter): Look {
  return {
    maxWidthNs: MAX_WIDTH_NS,
    manyRows: MANY_OF_AGENT,
    at: async (span, isNarrowest) => {
      const limit = isNarrowest ? MAX_ROWS_OF_A_SECOND : MANY_OF_AGENT + 1;
      const params = { ...NO_FILTER, ...filter, ...span, limit };
      const { complete, ...found } = await db.query<Found & { complete: boolean }>('audit/window-of-agent', params);
      return complete || isNarrowest ? found : undefined;
    },
  };
}

/**
 * Walks through the log in windows of time, since the engine reads all of a range whatever its LIMIT says. A window
 * grows where rows are few and shrinks where they are many, down to a second.
 * @throws AcervoError `database:unavailable`
 */
export async function* walkAudit(db: Database, walk: Walk): AsyncGenerator<Step> {
  const { order, filter } = walk;
  let [since, until] = await bounds(db, walk);
  const look = filter.agent_id === undefined ? lookAtAll(db, filter) : lookAtAgent(db, filter);
  let width = BigInt(walk.widthSeconds ?? FIRST_WIDTH_SECONDS) * MIN_WIDTH_NS;
  while (since < until) {
    const begin = order === 'asc' ? since : later(since, until - width);
    const end = order === 'asc' ? earlier(until, since + width) : until;
    const found = await look.at({ from: timeOf(begin), to: timeOf(end) }, width === MIN_WIDTH_NS);
    if (found === undefined) {
      width = later(MIN_WIDTH_NS, width / 4n);
      continue;
    }
    if (order === 'asc') since = end;
    else until = begin;
    // A time without rows, however long, is passed in a few steps.
    const maxWidth = found.scanned === 0 ? MAX_WIDTH_NS : look.maxWidthNs;
    if (found.scanned < look.manyRows / 4) width = earlier(maxWidth, width * 4n);
    const place = order === 'asc' ? { nanos: end - 1n, uuid: '~' } : { nanos: begin, uuid: '' };
    const { scanned } = found;
    yield { rows: inOrder(found.rows, walk), scanned, place, widthSeconds: Number(width / MIN_WIDTH_NS) };
  }
}

/**
 * All rows of one resource that fit, in order, by its index: what this costs grows with the rows of that resource.
 * @throws AcervoError `database:unavailable`
 */
export async function rowsOfResource(
  db: Database,
  walk: Walk & { filter: { resource: string } },
): Promise<StoredAuditRow[]> {
  const [since, until] = await bounds(db, walk);
  if (since >= until) return [];
  const window = { from: timeOf(since), to: timeOf(until) };
  return inOrder(
    await db.query<StoredAuditRow[]>('audit/of-resource', { ...NO_FILTER, ...walk.filter, ...window }),
    walk,
  );
}

/** Every parameter of the queries, so that what a filter leaves out is NONE there. */
const NO_FILTER: Record<keyof AuditFilter, undefined> = {
  agent_id: undefined,
  key_id: undefined,
  user: undefined,
  action: undefined,
  status: undefined,
  resource: undefined,
  resource_kind: undefined,
};
