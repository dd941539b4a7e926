import type { Context } from '../context.js';
import { AcervoError } from '../errors/error.js';
import { type Cut, type Level, rollupName } from './rollup-rows.js';
import { nanosOf, timeOf } from './time.js';

export const BUCKETS = ['1m', '5m', '1h', '1d'] as const;
export const GROUPINGS = ['none', 'agent', 'action', 'status', 'resource_kind'] as const;

const SECONDS: Record<(typeof BUCKETS)[number], number> = { '1m': 60, '5m': 300, '1h': 3600, '1d': 86_400 };
/** The level of rollups that a bucket is made of. */
const LEVEL: Record<(typeof BUCKETS)[number], Level> = { '1m': '1m', '5m': '5m', '1h': '1h', '1d': '1h' };
export const MAX_BUCKETS = 4_000;
export const MAX_POINTS = 20_000;

export interface SeriesQuery {
  bucket: (typeof BUCKETS)[number];
  by: (typeof GROUPINGS)[number];
  /** Of the rows that have it, in bytes. */
  field?: 'size_bytes' | undefined;
  from: string;
  /** Default: now. */
  to?: string | undefined;
  agent_id?: string | undefined;
  action?: string | undefined;
  status?: string | undefined;
  resource_kind?: string | undefined;
}

export interface SeriesPoint {
  bucket_start: string;
  /** What `by` names; absent with `none`, '' for rows without an agent. */
  key?: string;
  count: number;
  sum?: number;
  average?: number;
}

export interface Series {
  bucket: SeriesQuery['bucket'];
  from: string;
  to: string;
  by: SeriesQuery['by'];
  source: 'rollup' | 'raw' | 'both';
  points: SeriesPoint[];
}

interface Part {
  start: string;
  key: string;
  count: number;
  size_count: number;
  size_bytes: number;
}

interface Answer {
  through?: string;
  fine_from?: string;
  rolled: Part[];
  raw: Part[];
}

/** The borders of the buckets around a span of time. @throws AcervoError `request:invalid` */
function borders({ bucket, from, to }: SeriesQuery, now: Date): { from: bigint; to: bigint } {
  const length = BigInt(SECONDS[bucket]) * 1_000_000_000n;
  const begin = (nanosOf(from) / length) * length;
  const end = ((nanosOf(to ?? now.toISOString()) + length - 1n) / length) * length;
  const fault = (message: string) =>
    new AcervoError('request:invalid', { detail: `from ${message}.`, faults: [{ path: 'query.from', message }] });
  if (end <= begin) throw fault('must be before to');
  if ((end - begin) / length > BigInt(MAX_BUCKETS)) throw fault(`and to are more than ${MAX_BUCKETS} buckets apart`);
  return { from: begin, to: end };
}

/** The narrowest rollup that has the columns a series is asked by. */
function rollupOf({ bucket, by, ...query }: SeriesQuery): string {
  const filters: [Cut, unknown][] = [
    ['agent', query.agent_id],
    ['action', query.action],
    ['status', query.status],
    ['resource_kind', query.resource_kind],
  ];
  const cuts = new Set<Cut>(filters.flatMap(([cut, value]) => (value === undefined ? [] : [cut])));
  if (by !== 'none') cuts.add(by);
  const [cut = 'none', ...more] = cuts;
  return rollupName(LEVEL[bucket], more.length === 0 ? cut : 'all');
}

/** @throws AcervoError `request:invalid` for a span whose counts by the minute have been dropped */
function refuseDropped({ bucket }: SeriesQuery, from: bigint, fineFrom: unknown): void {
  if (typeof fineFrom !== 'string' || LEVEL[bucket] === '1h' || from >= nanosOf(fineFrom)) return;
  const message = `must not be before ${fineFrom} with a bucket of ${bucket}: ask for 1h or 1d`;
  throw new AcervoError('request:invalid', { detail: `from ${message}.`, faults: [{ path: 'query.from', message }] });
}

/** Adds up the parts of each point: the newest bucket can have one of each source. */
function merged(parts: readonly Part[]): Part[] {
  const points = new Map<string, Part>();
  for (const part of parts) {
    const name = `${part.start} ${part.key}`;
    const known = points.get(name);
    const { count, size_count, size_bytes } = known ?? { count: 0, size_count: 0, size_bytes: 0 };
    points.set(name, {
      ...part,
      count: count + part.count,
      size_count: size_count + part.size_count,
      size_bytes: size_bytes + part.size_bytes,
    });
  }
  return [...points.values()].sort((a, b) => (`${a.start} ${a.key}` < `${b.start} ${b.key}` ? -1 : 1));
}

function pointOf({ start, key, count, size_count, size_bytes }: Part, { by, field }: SeriesQuery): SeriesPoint {
  return {
    bucket_start: start,
    ...(by === 'none' ? {} : { key }),
    count,
    ...(field === undefined ? {} : { sum: size_bytes }),
    ...(field === undefined || size_count === 0 ? {} : { average: size_bytes / size_count }),
  };
}

/**
 * Counts of audit rows over time. Rollups answer as far as they go; newer rows are counted where they are, so the
 * answer is complete. Buckets begin on whole units of UTC, and the span is widened to their borders.
 * @param rawOnly counts the rows alone: to measure, and to compare
 * @throws AcervoError `request:invalid` for a span of more than 4 000 buckets, an answer of more than 20 000 points, or
 *   buckets finer than an hour of a time whose fine counts have been dropped
 */
export async function auditSeries(ctx: Context, query: SeriesQuery, rawOnly = false): Promise<Series> {
  const { bucket, by, field, action, status, resource_kind } = query;
  const agent_id = ctx.principal.agent_id ?? query.agent_id;
  const span = borders(query, ctx.clock());
  const bound = ctx.principal.agent_id;
  const from = timeOf(span.from);
  const to = timeOf(span.to);
  const about = { bucket, from, to, by };
  if (bound !== undefined && query.agent_id !== undefined && query.agent_id !== bound)
    return { ...about, source: 'raw', points: [] };
  const { through, fine_from, rolled, raw } = await ctx.db.query<Answer>('audit/series', {
    from,
    to,
    seconds: SECONDS[bucket],
    rollup: rollupOf({ ...query, agent_id }),
    by,
    with_size: field !== undefined,
    agent_id,
    action,
    status,
    resource_kind,
    raw_only: rawOnly,
  });
  if (!rawOnly) refuseDropped(query, span.from, fine_from);
  const points = merged([...rolled, ...raw]);
  if (points.length > MAX_POINTS)
    throw new AcervoError('request:invalid', { detail: `More than ${MAX_POINTS} points: ask for less at a time.` });
  const mark = typeof through === 'string' ? nanosOf(through) : undefined;
  const source = mark === undefined || mark <= span.from ? 'raw' : mark >= span.to ? 'rollup' : 'both';
  return { ...about, source, points: points.map((point) => pointOf(point, query)) };
}
