import type { Context } from '../context.js';
import { AcervoError, isAcervoError } from '../errors/error.js';
import { checkedUnitVector } from '../knowledge/vectors.js';
import { type LegTrust, trustOf, type Weights } from './adaptive.js';
import type { CorpusTables } from './corpus.js';
import type { Filter } from './filter/ast.js';
import { parseFilter } from './filter/parse.js';
import type { SearchInput } from './schemas.js';
import { queryWords } from './words.js';

/** A search with all its choices made. */
export interface SearchRequest {
  corpus: CorpusTables;
  mode: 'hybrid' | 'vector' | 'text';
  words: string[];
  /** float[dimensions] of unit length; present in the modes vector and hybrid. */
  vector: number[] | undefined;
  filter: Filter | undefined;
  match: 'any' | 'all';
  /** Legs in which a hit must match. */
  require: ReadonlySet<'text' | 'vector'>;
  minScore: number | undefined;
  fusion: 'auto' | 'rrf' | 'weighted';
  /** undefined: fusion `auto` finds them when it sees the legs. */
  weights: Weights | undefined;
  /** What `auto` goes by. */
  trust: LegTrust;
  /** Depth of each leg before fusion, in documents. */
  candidates: number;
  highlight: boolean;
  /** May the warm index answer? Not when it has not come to the change that the search asks for. */
  inMemory: boolean;
  /** Why a leg was left out. */
  degraded: string | undefined;
}

const DEFAULT_WEIGHTS = { auto: undefined, rrf: { vector: 1, text: 1 }, weighted: { vector: 0.6, text: 0.4 } } as const;
const MIN_CANDIDATES = 50;

/** A key that is bound to an agent sees only what is that agent's. */
export function visibleTo(ctx: Context, filter: Filter | undefined): Filter | undefined {
  const bound = ctx.principal.agent_id;
  if (bound === undefined) return filter;
  const own = parseFilter({ agent_id: bound });
  return filter === undefined ? own : { kind: 'and', of: [own, filter] };
}

function chosenMode(ctx: Context, input: SearchInput): SearchRequest['mode'] {
  const hasWords = input.query !== undefined;
  const hasVector = input.vector !== undefined || (hasWords && ctx.embedder.available);
  const mode = input.mode ?? (hasWords && hasVector ? 'hybrid' : hasVector ? 'vector' : 'text');
  if (!hasWords && (mode !== 'vector' || !hasVector))
    throw new AcervoError('search:nothing_to_search', {
      detail: `mode ${mode} needs ${hasVector ? 'a query' : 'a query or a vector'}`,
    });
  if (mode !== 'text' && !hasVector) throw new AcervoError('embedding:vector_required');
  const missing = input.require?.find((leg) => mode !== 'hybrid' && mode !== leg);
  if (missing !== undefined) {
    const message = `names ${missing}, but mode ${mode} has no such leg`;
    throw new AcervoError('request:invalid', { detail: `require ${message}`, faults: [{ path: 'require', message }] });
  }
  return mode;
}

/** The query's vector, given or made; in a hybrid search that does not insist on it, words alone will do. */
async function vectorOf(ctx: Context, input: SearchInput, mode: SearchRequest['mode'], signal: AbortSignal) {
  if (mode === 'text') return { vector: undefined, degraded: undefined };
  const { dimensions } = ctx.embedder.space;
  if (input.vector !== undefined)
    return { vector: checkedUnitVector(input.vector, dimensions, 'vector'), degraded: undefined };
  try {
    const [vector] = await ctx.embedder.embed([input.query ?? ''], 'query', signal);
    return { vector, degraded: undefined };
  } catch (error) {
    const insists = mode === 'vector' || input.require?.includes('vector') || input.min_score !== undefined;
    if (insists || !isAcervoError(error)) throw error;
    return { vector: undefined, degraded: error.code };
  }
}

/**
 * Makes the choices that a request leaves open.
 * @throws AcervoError `filter:*`, `vector:*`, `search:nothing_to_search`, `embedding:*`; `request:invalid` when `require`
 *   names a leg that the mode does not have
 */
export async function planSearch(
  ctx: Context,
  corpus: CorpusTables,
  input: SearchInput,
  signal: AbortSignal,
): Promise<SearchRequest> {
  const filter = visibleTo(ctx, input.filter === undefined ? undefined : parseFilter(input.filter, corpus.columns));
  const wanted = chosenMode(ctx, input);
  const words = input.query === undefined ? [] : queryWords(input.query, ctx.config.language);
  const { vector, degraded } = await vectorOf(ctx, input, wanted, signal);
  const mode = degraded === undefined ? wanted : 'text';
  return {
    corpus,
    mode,
    words: mode === 'vector' ? [] : words,
    vector,
    filter,
    match: input.match,
    require: new Set(mode === 'hybrid' ? input.require : []),
    minScore: input.min_score,
    fusion: input.fusion,
    weights: input.weights ?? DEFAULT_WEIGHTS[input.fusion],
    trust: ctx.legTrust.get(corpus.of) ?? trustOf([], { provider: ctx.embedder.space.provider, documents: 0 }),
    candidates: input.candidates ?? Math.max(MIN_CANDIDATES, 3 * input.limit),
    highlight: input.highlight,
    inMemory: input.after === undefined || (await ctx.warmIndex.reaches(input.after)),
    degraded,
  };
}
