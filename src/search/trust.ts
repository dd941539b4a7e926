import { setTimeout as sleep } from 'node:timers/promises';
import { systemContext } from '../artifacts/system.js';
import type { Context, Services } from '../context.js';
import { idsOf, readSlices } from '../warm-index/source.js';
import { type LegTrust, type Probe, readProbe, trustOf } from './adaptive.js';
import type { DocumentKey } from './compile.js';
import type { CorpusTables, PassageKey } from './corpus.js';
import { runLegs } from './legs/both.js';
import { queryWords } from './words.js';

const PROBES = 128;
/** Neighbours looked at; an agreement further down counts almost nothing. */
const DEPTH = 50;
/** So long searches of one measurement may take together; those that are left out then only widen its error. */
const MAX_SEARCH_MS = 30_000;
/** A measurement holds until there are so many times more documents, or fewer, or for so long. */
const GROWTH = 1.5;
const MAX_AGE_MS = 3_600_000;

/** A passage with its words and its vector. */
interface Sample {
  id: string;
  text: string;
  vector: number[];
}

/**
 * Documents at even distances in the order of ids, so that every node draws the same ones. Neighbours in that order do not
 * follow each other: when time runs out, what has been probed lies all over it.
 */
async function sampledIds({ db }: Context, { of }: CorpusTables, count: number): Promise<string[]> {
  const distance = Math.max(1, count / PROBES);
  const ids: string[] = [];
  let place = 0;
  for await (const page of idsOf(db, of))
    for (const id of page) {
      if (place >= (ids.length + 0.5) * distance - 0.5 && ids.length < PROBES) ids.push(id);
      place += 1;
    }
  const [even, odd] = [0, 1].map((rest) => ids.filter((_, index) => index % 2 === rest));
  return [...(even ?? []), ...(odd ?? [])];
}

/** One passage of a document, each time another one, or the whole document where only that has a vector. */
async function sampleOf(ctx: Context, corpus: CorpusTables, id: string, turn: number): Promise<Sample | undefined> {
  const [key]: (DocumentKey | undefined)[] = await corpus.keys(ctx, [id]);
  if (key === undefined || key.passage_count === 0) return undefined;
  const ordinal = turn % key.passage_count;
  const keys = [ordinal, -1].map((n): PassageKey => [id, key.content_revision, n]);
  const { passages, vectors } = await readSlices(ctx.db, corpus.of, keys);
  const [text, vector] = [passages[0]?.text, (vectors.find((row) => row.key[3] === ordinal) ?? vectors[0])?.embedding];
  return text === undefined || vector === undefined ? undefined : { id, text, vector };
}

async function probe(ctx: Context, corpus: CorpusTables, trust: LegTrust, sample: Sample): Promise<Probe> {
  const { text, vector } = await runLegs(
    ctx,
    {
      ...{ corpus, mode: 'hybrid', match: 'any', require: new Set(), fusion: 'auto', candidates: DEPTH, trust },
      ...{ filter: undefined, minScore: undefined, weights: undefined, degraded: undefined },
      words: queryWords(sample.text, ctx.config.language),
      vector: sample.vector,
      highlight: false,
      inMemory: true,
    },
    DEPTH,
  );
  return readProbe(sample.id, { vector: vector?.documents ?? [], text: text?.documents ?? [] });
}

/**
 * Measures how far the legs of a corpus can be trusted: passages of up to 128 documents are searched for by their words and
 * by their vectors. Needs no judgements and no embedder, so it costs nothing at a provider. Between two probes it rests
 * as long as the last one took, so that it takes half of the database's time at most.
 * @throws AcervoError `database:unavailable`; the reason of `signal`
 */
export async function measureTrust(
  ctx: Context,
  corpus: CorpusTables,
  { count, signal }: { count: number; signal: AbortSignal },
): Promise<LegTrust> {
  const of = { provider: ctx.embedder.space.provider, documents: count };
  const probes: Probe[] = [];
  let searchedMs = 0;
  for (const [turn, id] of (await sampledIds(ctx, corpus, count)).entries()) {
    const startedMs = performance.now();
    const sample = await sampleOf(ctx, corpus, id, turn);
    if (sample !== undefined) probes.push(await probe(ctx, corpus, trustOf([], of), sample));
    const tookMs = performance.now() - startedMs;
    searchedMs += tookMs;
    if (searchedMs > MAX_SEARCH_MS) break;
    await sleep(tookMs, undefined, { signal });
  }
  return trustOf(probes, of);
}

/** Is a measurement out of date for a corpus of `count` documents? */
export function isStale(
  measured: { documents: number; at_ms: number } | undefined,
  { count, nowMs }: { count: number; nowMs: number },
): boolean {
  if (measured === undefined) return count > 0;
  const { documents, at_ms } = measured;
  return count > documents * GROWTH || count * GROWTH < documents || nowMs - at_ms > MAX_AGE_MS;
}

/**
 * Keeps `services.legTrust` up to date, looking every `intervalMs`, until stopped. Each node measures for itself and keeps
 * the result in memory: it is made from the documents alone, and can be made again at any time. A measurement that
 * failed is logged; the next look tries again.
 * @returns stop; resolves when the measurement under way has ended
 */
export function startTrustSampler(
  services: Services,
  corpora: CorpusTables[],
  intervalMs: number,
): () => Promise<void> {
  const ctx = systemContext(services, 'search');
  const ended = new AbortController();
  const measuredAtMs = new Map<CorpusTables, number>();
  const look = async (corpus: CorpusTables) => {
    const known = services.legTrust.get(corpus.of);
    const count = await corpus.count(ctx);
    const measured = known && { documents: known.documents, at_ms: measuredAtMs.get(corpus) ?? 0 };
    if (!isStale(measured, { count, nowMs: performance.now() })) return;
    const trust = await measureTrust(ctx, corpus, { count, signal: ended.signal });
    services.legTrust.set(corpus.of, trust);
    measuredAtMs.set(corpus, performance.now());
    services.log.debug({ corpus: corpus.of, trust }, 'the legs of search were measured');
  };
  const run = async () => {
    while (!ended.signal.aborted) {
      try {
        for (const corpus of corpora) await look(corpus);
        await sleep(intervalMs, undefined, { signal: ended.signal });
      } catch (error) {
        if (ended.signal.aborted) return;
        services.log.warn({ err: error }, 'the legs of search could not be measured; the next look tries again');
        await sleep(intervalMs, undefined, { signal: ended.signal }).catch(() => undefined);
      }
    }
  };
  const running = run();
  return async () => {
    ended.abort();
    await running;
  };
}
