import { randomUUID } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import type { Services } from '../context.js';
import { isAcervoError } from '../errors/error.js';
import type { Change, Database } from '../surreal/database.js';
import { withLease } from '../surreal/lease.js';

const PAGE_DOCUMENTS = 32;
const ADOPT_DOCUMENTS = 500;
const LEASE_TTL_MS = 30_000;
/** So many are the provider's fault, not the texts'. */
const MAX_FAILURES_IN_A_ROW = 3;

export interface Pending {
  id: string;
  content_revision: number;
}

/** Documents of one kind that may wait for their vectors, and the queries that read and fill them. */
export interface PendingVectors {
  /** As in the names of resources. */
  kind: 'knowledge' | 'decision';
  fill: Pick<Change, 'query'>;
  /** Marks documents of other spaces as pending in this one. @returns how many */
  adopt(db: Database, params: { space: string; limit: number }): Promise<number>;
  page(db: Database, params: { space: string; limit: number }): Promise<Pending[]>;
  count(db: Database, params: { space: string }): Promise<number>;
  texts(db: Database, params: { id: string; content_revision: number }): Promise<string[]>;
}

export const PENDING_DOCUMENTS: PendingVectors = {
  kind: 'knowledge',
  fill: { query: 'knowledge/fill' },
  adopt: (db, params) => db.query<number>('knowledge/adopt-space', params),
  page: (db, params) => db.query<Pending[]>('knowledge/pending', params),
  count: (db, params) => db.query<number>('knowledge/count-pending', params),
  texts: (db, params) => db.query<string[]>('knowledge/passage-texts', params),
};

/** Adds one document's vectors, if it still is what was embedded. */
async function fill(
  services: Services,
  { of, pending, vectors, error }: { of: PendingVectors; pending: Pending; vectors: number[][]; error?: string },
): Promise<void> {
  await services.db.transact({
    ...of.fill,
    params: {
      ...pending,
      vectors: vectors.map((embedding, ordinal) => ({ ordinal, embedding })),
      embedding_status: error === undefined ? 'ready' : 'failed',
      embedding_error: error,
    },
    operation: { id: uuidv7(), request_digest: '' },
    audit: { resource: `${of.kind}:${pending.id}` },
  });
}

/** @throws AcervoError `embedding:unavailable`, `database:unavailable`: the next round goes on from here */
async function embedOne(services: Services, of: PendingVectors, pending: Pending): Promise<void> {
  const texts = await of.texts(services.db, { ...pending });
  try {
    const vectors = texts.length === 0 ? [] : await services.embedder.embed(texts, 'document');
    await fill(services, { of, pending, vectors });
  } catch (error) {
    if (!isAcervoError(error, 'embedding:rejected')) throw error;
    await fill(services, { of, pending, vectors: [], error: error.code });
  }
}

/** Documents with vectors of another space, from before the embedder was changed, become pending in this one. */
async function adoptSpace(services: Services, of: PendingVectors, signal: AbortSignal): Promise<void> {
  const params = { space: services.embedder.space.slug, limit: ADOPT_DOCUMENTS };
  while (!signal.aborted && (await of.adopt(services.db, params)) === ADOPT_DOCUMENTS);
}

/** @returns how many documents got their vectors */
async function fillPages(services: Services, of: PendingVectors, signal: AbortSignal): Promise<number> {
  const { slug: space } = services.embedder.space;
  let count = 0;
  let failures = 0;
  while (services.embedder.available) {
    const page = await of.page(services.db, { space, limit: PAGE_DOCUMENTS });
    let filled = 0;
    for (const pending of page) {
      if (signal.aborted) return count;
      try {
        await embedOne(services, of, pending);
        filled += 1;
        failures = 0;
      } catch (error) {
        // One document that always fails must not hold up those behind it.
        failures += 1;
        if (!isAcervoError(error, 'embedding:unavailable') || failures === MAX_FAILURES_IN_A_ROW) throw error;
      }
    }
    count += filled;
    if (filled < PAGE_DOCUMENTS) break;
  }
  return count;
}

/**
 * One round: makes the vectors of documents that were stored while the embedder was down. Whichever node holds the
 * lease does it.
 * @returns how many documents got their vectors
 */
async function embedPending(
  services: Services,
  kinds: PendingVectors[],
  { holder, adopt }: { holder: string; adopt: boolean },
): Promise<number> {
  const { slug: space } = services.embedder.space;
  const lease = { name: 'embed-pending', holder, ttlMs: LEASE_TTL_MS };
  try {
    const filled = await withLease(services.control, lease, async (signal) => {
      if (adopt) for (const of of kinds) await adoptSpace(services, of, signal);
      let count = 0;
      for (const of of kinds) count += await fillPages(services, of, signal);
      return count;
    });
    return filled ?? 0;
  } finally {
    // Also after a round that failed: that is when the number matters.
    const pending = await Promise.all(kinds.map((of) => of.count(services.db, { space })));
    services.metrics.embeddingPendingDocuments.set(pending.reduce((sum, count) => sum + count, 0));
  }
}

/**
 * Runs rounds for ever, `intervalMs` apart, until stopped. A failed round is logged and tried again.
 * @returns stop; resolves when the round under way has ended
 */
export function startEmbeddingWorker(
  services: Services,
  kinds: PendingVectors[],
  intervalMs: number,
): () => Promise<void> {
  const holder = randomUUID();
  let stopped = false;
  let adopt = true;
  let timer: NodeJS.Timeout | undefined;
  let round: Promise<void> = Promise.resolve();
  const run = async () => {
    try {
      const count = await embedPending(services, kinds, { holder, adopt });
      adopt = false;
      if (count > 0) services.log.info({ documents: count }, 'pending vectors were made');
    } catch (error) {
      services.log.warn({ err: error }, 'pending vectors could not be made; the next round tries again');
    }
    if (!stopped) timer = setTimeout(next, intervalMs);
  };
  const next = () => {
    round = run();
  };
  next();
  return async () => {
    stopped = true;
    clearTimeout(timer);
    await round;
  };
}
