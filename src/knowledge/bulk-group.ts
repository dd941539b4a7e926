import pLimit from 'p-limit';
import { v7 as uuidv7 } from 'uuid';
import type { Context } from '../context.js';
import { AcervoError } from '../errors/error.js';
import { type DocumentVectors, embedDocuments } from './embed.js';
import type { PreparedDocument } from './prepare.js';
import { bringsNewContent, isStored, type KnownState, knownStates, storePrepared } from './put.js';
import type { BulkResult } from './schemas.js';
import { LARGE_DOCUMENT_PASSAGES, storeNewDocuments } from './store.js';

/**
 * Passages of the new documents that share a transaction. The full-text index costs by the transaction: 64 documents
 * in one go in 3 to 5 times as fast as one by one (measured on both engines); more gain little and hold locks longer.
 */
const TRANSACTION_PASSAGES = 128;

/** A line of a bulk body that has passed its checks. */
export interface Job {
  line: number;
  required: boolean;
  document: PreparedDocument;
}

type Entry = Job | BulkResult;
type NewJob = { job: Job; vectors: DocumentVectors };

const isJob = (entry: Entry): entry is Job => 'document' in entry;

/** The result of a line that was not stored. */
export function failed(line: number, error: unknown, id?: string): BulkResult {
  const known = error instanceof AcervoError ? error : new AcervoError('internal:unexpected', { cause: error });
  const { code, detail, retryable, faults } = known;
  const told = { code, ...(detail === undefined ? {} : { detail }), retryable, errors: faults };
  return { line, ...(id === undefined ? {} : { id }), status: 'failed', error: told };
}

/** Why an all-or-nothing line lacks the vectors that it insists on; undefined when it does not. */
function lackOf({ required }: Job, vectors: DocumentVectors | undefined): AcervoError | undefined {
  if (!required) return undefined;
  if (vectors?.embedding_status === 'failed') return new AcervoError('embedding:rejected');
  return vectors?.embedding_status === 'pending'
    ? new AcervoError('embedding:unavailable', { retryAfterSeconds: 1 })
    : undefined;
}

/** Stores one document of a group; an operation of its own, so that a resend inside the SDK applies it once. */
async function storeJob(ctx: Context, job: Job, vectors: DocumentVectors | undefined): Promise<BulkResult> {
  const { document, required, line } = job;
  try {
    const lack = lackOf(job, vectors);
    if (lack !== undefined) throw lack;
    const operation = { id: uuidv7(), request_digest: '' };
    const stored = await storePrepared(ctx, document, vectors, { operation, required });
    return { line, id: stored.id, status: stored.status === 'unchanged' ? 'unchanged' : 'stored' };
  } catch (error) {
    if (!(error instanceof AcervoError)) ctx.log.error({ err: error, line }, 'a bulk line failed');
    return failed(line, error, document.id);
  }
}

/** Jobs whose ids are named once in the group: their order among the others does not matter. */
function namedOnce(jobs: Job[]): Job[] {
  const uses = new Map<string, number>();
  for (const { document } of jobs) uses.set(document.id, (uses.get(document.id) ?? 0) + 1);
  return jobs.filter(({ document }) => uses.get(document.id) === 1);
}

/** A line that is stored already costs no transaction: a whole file sent again is only read. */
function unchangedJobs(ctx: Context, jobs: Job[], known: ReadonlyMap<string, KnownState>): [Job, BulkResult][] {
  return jobs
    .filter(({ document, required }) => isStored(ctx, document, known.get(document.id), required))
    .map((job) => [job, { line: job.line, id: job.document.id, status: 'unchanged' }]);
}

/** Jobs whose ids are new, in sets that fit into one transaction. */
function newJobs(jobs: Job[], known: ReadonlyMap<string, unknown>, vectorsOf: Map<Job, DocumentVectors>): NewJob[][] {
  const sets: NewJob[][] = [];
  let room = 0;
  for (const job of jobs) {
    const { id, passages } = job.document;
    const vectors = vectorsOf.get(job);
    const large = passages.length > LARGE_DOCUMENT_PASSAGES;
    if (vectors === undefined || known.has(id) || large || lackOf(job, vectors) !== undefined) continue;
    if (sets.length === 0 || passages.length > room) {
      sets.push([]);
      room = TRANSACTION_PASSAGES;
    }
    sets.at(-1)?.push({ job, vectors });
    room -= passages.length;
  }
  return sets;
}

/** Stores a set of new documents together; those that turn out not to be new are left to be stored one by one. */
async function storeSet(ctx: Context, set: NewJob[]): Promise<[Job, BulkResult][]> {
  try {
    const documents = set.map(({ job, vectors }) => ({ ...job.document, vectors }));
    if (!(await storeNewDocuments(ctx, documents))) return [];
    return set.map(({ job }) => [job, { line: job.line, id: job.document.id, status: 'stored' }]);
  } catch (error) {
    if (!(error instanceof AcervoError)) ctx.log.error({ err: error }, 'a set of new documents failed');
    // One document may have spoilt it for all, unless the database is away.
    if (!(error instanceof AcervoError) || error.code !== 'database:unavailable') return [];
    return set.map(({ job }) => [job, failed(job.line, error, job.document.id)]);
  }
}

/** Stores a group: what is there already not at all, new documents together, others one by one, lines of one id in their order. */
async function storeGroup(ctx: Context, group: Entry[], signal: AbortSignal): Promise<BulkResult[]> {
  const jobs = group.filter(isJob);
  const known = await knownStates(
    ctx,
    jobs.map((job) => job.document),
  );
  const work = jobs.filter(({ document, required }) =>
    bringsNewContent(ctx, document, known.get(document.id), required),
  );
  const made = await embedDocuments(
    ctx,
    work.map((job) => job.document),
    { required: false, signal },
  );
  const vectorsOf = new Map(work.flatMap((job, index) => (made[index] ? [[job, made[index]]] : [])));
  const severalAtATime = pLimit(ctx.config.bulk.concurrency);
  const free = namedOnce(jobs);
  const sets = newJobs(free, known, vectorsOf).map((set) => severalAtATime(() => storeSet(ctx, set)));
  const together = new Map([...unchangedJobs(ctx, free, known), ...(await Promise.all(sets)).flat()]);
  const lastOfId = new Map<string, Promise<unknown>>();
  return Promise.all(
    group.map((entry) => {
      const result = isJob(entry) ? together.get(entry) : entry;
      if (result !== undefined || !isJob(entry)) return result ?? failed(entry.line, undefined);
      const before = lastOfId.get(entry.document.id);
      const alone = severalAtATime(async () => {
        // What it waits for began earlier, so the places cannot all be waiting.
        await before;
        return storeJob(ctx, entry, vectorsOf.get(entry));
      });
      lastOfId.set(entry.document.id, alone);
      return alone;
    }),
  );
}

/**
 * Stores a group of lines and returns a result for each, in order. A group whose look-up failed has stored nothing:
 * each of its lines can be sent again.
 */
export async function settleGroup(ctx: Context, group: Entry[], signal: AbortSignal): Promise<BulkResult[]> {
  try {
    return await storeGroup(ctx, group, signal);
  } catch (error) {
    if (!(error instanceof AcervoError)) ctx.log.error({ err: error }, 'a bulk group failed');
    return group.map((entry) => (isJob(entry) ? failed(entry.line, error, entry.document.id) : entry));
  }
}
