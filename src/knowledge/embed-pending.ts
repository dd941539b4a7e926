import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { v7 as uuidv7 } from 'uuid';
import type { Services } from '../context.js';
import { type AcervoError, isAcervoError } from '../errors/error.js';
import type { Change, Database } from '../surreal/database.js';
import { type LeaseOptions, withLease } from '../surreal/lease.js';

const PAGE_DOCUMENTS = 32;
const ADOPT_DOCUMENTS = 500;
const LEASE_TTL_MS = 30_000;
/** So many are the provider's fault, not the texts'. */
const MAX_FAILURES_IN_A_ROW = 3;
/** Of documents that failed so many are remembered. */
const MAX_FAILED = 1_000;

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
  /** @param params.skip ids of those that are to be left out */
  page(db: Database, params: { space: string; limit: number; skip: string[] }): Promise<Pending[]>;
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

/** @throws AcervoError `embedding:unavailable`, `database:*`: a later round tries again; the reason of `signal` */
async function embedOne(services: Services, of: PendingVectors, pending: Pending, signal: AbortSignal): Promise<void> {
  const texts = await of.texts(services.db, { ...pending });
  try {
    const vectors = texts.length === 0 ? [] : await services.embedder.embed(texts, 'document', signal);
    await fill(services, { of, pending, vectors });
  } catch (error) {
    if (!isAcervoError(error, 'embedding:rejected')) throw error;
    await fill(services, { of, pending, vectors: [], error: error.code });
  }
}

/** May the documents behind this one fare better? */
const isItsOwn = (error: unknown): error is AcervoError =>
  isAcervoError(error, 'embedding:unavailable') || isAcervoError(error, 'database:too_slow');

/** The rounds of one worker over the documents of one kind. */
class Rounds {
  readonly #services: Services;
  readonly #of: PendingVectors;
  #adopted = false;
  /** Documents that come last: they could not be embedded when it was their turn. */
  readonly #failed = new Set<string>();

  constructor(services: Services, of: PendingVectors) {
    this.#services = services;
    this.#of = of;
  }

  /**
   * @param signal aborts when another node may do it, and when the worker is stopped
   * @returns how many documents got their vectors
   * @throws AcervoError what the last of several failures in a row was; `database:*`
   */
  async next(signal: AbortSignal): Promise<number> {
    if (!this.#adopted) await this.#adopt(signal);
    return this.#services.embedder.available ? this.#fillPages(signal) : 0;
  }

  /** Documents with vectors of another space, from before the embedder was changed, become pending in this one. */
  async #adopt(signal: AbortSignal): Promise<void> {
    const { db, embedder } = this.#services;
    const params = { space: embedder.space.slug, limit: ADOPT_DOCUMENTS };
    while (!signal.aborted && !this.#adopted) this.#adopted = (await this.#of.adopt(db, params)) < ADOPT_DOCUMENTS;
  }

  async #fillPages(signal: AbortSignal): Promise<number> {
    const { db, embedder } = this.#services;
    let count = 0;
    let failures = 0;
    for (;;) {
      if (this.#failed.size > MAX_FAILED) this.#failed.clear();
      const params = { space: embedder.space.slug, limit: PAGE_DOCUMENTS, skip: [...this.#failed] };
      const page = await this.#of.page(db, params);
      if (page.length === 0) {
        // All others have their vectors: the next round tries those that failed again.
        this.#failed.clear();
        return count;
      }
      for (const pending of page) {
        if (signal.aborted) return count;
        try {
          await embedOne(this.#services, this.#of, pending, signal);
          count += 1;
          failures = 0;
        } catch (error) {
          if (!isItsOwn(error)) throw error;
          this.#failed.add(pending.id);
          failures += 1;
          if (failures === MAX_FAILURES_IN_A_ROW) throw error;
          // What comes next is not to be refused without having been tried.
          await sleep((error.retryAfterSeconds ?? 0) * 1000, undefined, { signal }).catch(() => undefined);
        }
      }
    }
  }
}

/**
 * One round: makes the vectors of documents that were stored while the embedder was down. Whichever node holds the
 * lease does it; each kind has its turn, whatever becomes of the others.
 * @returns how many documents got their vectors
 */
async function embedPending(
  services: Services,
  rounds: Rounds[],
  who: Pick<LeaseOptions, 'holder' | 'stop'>,
): Promise<number> {
  const lease = { ...who, name: 'embed-pending', ttlMs: LEASE_TTL_MS };
  const filled = await withLease(services.control, lease, async (signal) => {
    let count = 0;
    let failure: unknown;
    for (const kind of rounds) {
      try {
        count += await kind.next(signal);
      } catch (error) {
        failure ??= error;
      }
    }
    if (failure !== undefined) throw failure;
    return count;
  });
  return filled ?? 0;
}

async function countPending(services: Services, kinds: PendingVectors[]): Promise<void> {
  const { slug: space } = services.embedder.space;
  const pending = await Promise.all(kinds.map((of) => of.count(services.db, { space })));
  services.metrics.embeddingPendingDocuments.set(pending.reduce((sum, count) => sum + count, 0));
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
  const stopping = new AbortController();
  const who = { holder: randomUUID(), stop: stopping.signal };
  const rounds = kinds.map((of) => new Rounds(services, of));
  let timer: NodeJS.Timeout | undefined;
  let round: Promise<void> = Promise.resolve();
  const run = async () => {
    try {
      // Also after a round that failed: that is when the number matters.
      const count = await embedPending(services, rounds, who).finally(() => countPending(services, kinds));
      if (count > 0) services.log.info({ documents: count }, 'pending vectors were made');
    } catch (error) {
      if (!stopping.signal.aborted)
        services.log.warn({ err: error }, 'pending vectors could not be made; the next round tries again');
    }
    if (!stopping.signal.aborted) timer = setTimeout(next, intervalMs);
  };
  const next = () => {
    round = run();
  };
  next();
  return async () => {
    stopping.abort(new Error('the server stops'));
    clearTimeout(timer);
    await round;
  };
}
