import type { Context } from '../context.js';
import { AcervoError } from '../errors/error.js';
import { maySee } from '../keys/bound-agent.js';
import { checkedUnitVector } from '../knowledge/vectors.js';
import {
  compileKnn,
  compileScan,
  compileSessionExact,
  compileSessionMatches,
  type SessionKey,
  type VectorStatement,
} from '../search/compile.js';
import { type Filter, SESSION_COLUMNS } from '../search/filter/ast.js';
import { parseFilter } from '../search/filter/parse.js';
import { visibleTo } from '../search/plan.js';
import { type SessionRow, sessionSummary } from './row.js';
import { MAX_VECTORS, type SearchSessionsInput, type SessionHit } from './schemas.js';

/** So few sessions, and so few vectors of them, are compared one by one rather than looked for in the index. */
const FEW_SESSIONS = 500;
const FEW_VECTORS = 2_000;
/** Neighbours asked of the index: at first so many for each hit, then more and more while the filter leaves too few. */
const FIRST_NEIGHBOURS = 4;
const GROWTH = 4;
/** Beyond this the index is slower than the scan that it stands for. */
const MAX_NEIGHBOURS = 4_096;

/** A vector that was found: `key` is [session id, vectors_revision, name]. */
interface Row {
  key: [string, number, string];
  score: number;
  kept?: boolean;
}

interface Found {
  id: string;
  score: number;
  vector_name: string;
}

/** Sessions by their best vector, best first. */
function bySession(rows: Row[]): Found[] {
  const found = new Map<string, Found>();
  const sorted = [...rows].sort((a, b) => b.score - a.score || (String(a.key) < String(b.key) ? -1 : 1));
  for (const { key, score } of sorted) {
    const [id, , vector_name] = key;
    if (!found.has(id)) found.set(id, { id, score, vector_name });
  }
  return [...found.values()];
}

/** Exact, over the few that a filter keeps. Undefined: they are not few. */
async function among(
  ctx: Context,
  statement: VectorStatement,
  filter: Filter,
  limit: number,
): Promise<Found[] | undefined> {
  const sessions = await ctx.db.run<SessionKey[]>(compileSessionMatches(filter, FEW_SESSIONS + 1));
  const vectors = sessions.reduce((sum, { vector_names }) => sum + vector_names.length, 0);
  if (sessions.length > FEW_SESSIONS || vectors > FEW_VECTORS) return undefined;
  const rows = await ctx.db.run<Row[] | undefined>(compileSessionExact(statement, sessions));
  return bySession(rows ?? []).slice(0, limit);
}

/** From the index, with the filter applied afterwards. Undefined: it came back short. */
async function nearest(
  ctx: Context,
  statement: VectorStatement,
  filter: Filter | undefined,
  limit: number,
): Promise<Found[] | undefined> {
  const ef = ctx.config.vectorIndex.searchEf;
  for (let k = limit * FIRST_NEIGHBOURS; k <= MAX_NEIGHBOURS; k *= GROWTH) {
    const rows = (await ctx.db.run<Row[] | undefined>(compileKnn(statement, { k, ef, filter }))) ?? [];
    const found = bySession(rows.filter(({ kept }) => kept ?? true));
    if (found.length >= limit) return found.slice(0, limit);
    // Either these are all vectors there are, or the graph lost some. A scan tells.
    if (rows.length < k) return undefined;
  }
  return undefined;
}

/** Exact, over all that the filter keeps. */
async function scan(
  ctx: Context,
  statement: VectorStatement,
  filter: Filter | undefined,
  limit: number,
): Promise<Found[]> {
  // A session has so many vectors at most: these hold the best of `limit` sessions.
  const rows = await ctx.db.run<Row[] | undefined>(compileScan(statement, { filter, limit: limit * MAX_VECTORS }));
  return bySession(rows ?? []).slice(0, limit);
}

async function vectorOf(ctx: Context, { vector, query }: SearchSessionsInput, signal: AbortSignal): Promise<number[]> {
  if (vector !== undefined) return checkedUnitVector(vector, ctx.embedder.space.dimensions, 'vector');
  if (query === undefined) throw new AcervoError('search:nothing_to_search');
  if (!ctx.embedder.available) throw new AcervoError('embedding:vector_required');
  const [made] = await ctx.embedder.embed([query], 'query', signal);
  return made ?? [];
}

/**
 * Sessions by the cosine of their best vector, best first. Fewer than `limit` come only when no more match (or are
 * deleted while this runs).
 * @throws AcervoError `search:nothing_to_search`, `vector:*`, `embedding:*`, `filter:*`
 */
export async function searchSessions(
  ctx: Context,
  input: SearchSessionsInput,
  signal: AbortSignal,
): Promise<SessionHit[]> {
  const { limit } = input;
  const filter = visibleTo(ctx, input.filter && parseFilter(input.filter, SESSION_COLUMNS));
  const statement: VectorStatement = {
    slug: ctx.embedder.space.slug,
    vector: await vectorOf(ctx, input, signal),
    of: 'session',
  };
  const indexed = ctx.db.engine.vectorIndex !== 'none';
  const found =
    (filter && (await among(ctx, statement, filter, limit))) ??
    (indexed ? await nearest(ctx, statement, filter, limit) : undefined) ??
    (await scan(ctx, statement, filter, limit));
  if (found.length === 0) return [];
  type Summary = Omit<SessionRow, 'state'>;
  const rows = await ctx.db.query<Summary[]>('sessions/get-many', { ids: found.map(({ id }) => id) });
  const readable = new Map(rows.filter((row) => maySee(ctx.principal, row)).map((row) => [row.id, row]));
  return found.flatMap(({ id, score, vector_name }) => {
    const row = readable.get(id);
    return row === undefined ? [] : [{ ...sessionSummary(row), score, vector_name }];
  });
}
