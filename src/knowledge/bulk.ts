import pLimit from 'p-limit';
import { v7 as uuidv7 } from 'uuid';
import type { Context } from '../context.js';
import { AcervoError } from '../errors/error.js';
import { checked } from '../http/input.js';
import { parseJson } from '../http/json.js';
import { type DocumentVectors, embedDocuments } from './embed.js';
import { inGroups, type Line, readLines } from './lines.js';
import { type PreparedDocument, prepareDocument } from './prepare.js';
import { storePrepared, withNewContent } from './put.js';
import { type BulkResult, MAX_DOCUMENT_BODY_BYTES, putSchema } from './schemas.js';

/** Lines that share one call of the embedder, and the bytes that may be held for them. */
const GROUP_LINES = 64;
const GROUP_BYTES = 4_000_000;
const LINGER_MS = 20;

interface Job {
  line: number;
  required: boolean;
  document: PreparedDocument;
}

function failed(line: number, error: unknown, id?: string): BulkResult {
  const known = error instanceof AcervoError ? error : new AcervoError('internal:unexpected', { cause: error });
  const { code, detail, retryable, faults } = known;
  const told = { code, ...(detail === undefined ? {} : { detail }), retryable, errors: faults };
  return { line, ...(id === undefined ? {} : { id }), status: 'failed', error: told };
}

/** One line into a job, or into the result that says why not. */
function readJob(ctx: Context, line: Line): Job | BulkResult {
  try {
    if ('tooLong' in line)
      throw new AcervoError('bulk:line_too_large', { detail: `at most ${MAX_DOCUMENT_BODY_BYTES} bytes` });
    const input = checked(putSchema, parseJson(line.bytes));
    return {
      line: line.number,
      required: input.require_embedding ?? false,
      document: prepareDocument(ctx, input),
    };
  } catch (error) {
    return failed(line.number, error);
  }
}

const isJob = (entry: Job | BulkResult): entry is Job => 'document' in entry;

/** Stores one document of a group; an operation of its own, so that a resend inside the SDK applies it once. */
async function storeJob(ctx: Context, job: Job, vectors: DocumentVectors | undefined): Promise<BulkResult> {
  const { document, required, line } = job;
  try {
    if (required && vectors !== undefined && ['pending', 'failed'].includes(vectors.embedding_status))
      throw new AcervoError('embedding:unavailable', { retryAfterSeconds: 1 });
    const operation = { id: uuidv7(), request_digest: '' };
    const stored = await storePrepared(ctx, document, vectors, { operation, required });
    return { line, id: stored.id, status: stored.status === 'unchanged' ? 'unchanged' : 'stored' };
  } catch (error) {
    if (!(error instanceof AcervoError)) ctx.log.error({ err: error, line }, 'a bulk line failed');
    return failed(line, error, document.id);
  }
}

/** Embeds in one call what a group brings of new content. */
async function embedJobs(ctx: Context, jobs: Job[], signal: AbortSignal): Promise<Map<Job, DocumentVectors>> {
  const documents = jobs.map((job) => job.document);
  const isNew = await withNewContent(ctx, documents);
  const work = jobs.filter((job) => isNew.has(job.document));
  const made = await embedDocuments(
    ctx,
    work.map((job) => job.document),
    { required: false, signal },
  );
  return new Map(work.flatMap((job, index) => (made[index] ? [[job, made[index]]] : [])));
}

/** Stores a group: several lines at a time, lines of one id in their order, results in the order of the lines. */
async function storeGroup(ctx: Context, group: (Job | BulkResult)[], signal: AbortSignal): Promise<BulkResult[]> {
  const vectorsOf = await embedJobs(ctx, group.filter(isJob), signal);
  const severalAtATime = pLimit(ctx.config.bulk.concurrency);
  const lastOfId = new Map<string, Promise<unknown>>();
  return Promise.all(
    group.map((entry) => {
      if (!isJob(entry)) return entry;
      const before = lastOfId.get(entry.document.id);
      const result = severalAtATime(async () => {
        // What it waits for began earlier, so the places cannot all be waiting.
        await before;
        return storeJob(ctx, entry, vectorsOf.get(entry));
      });
      lastOfId.set(entry.document.id, result);
      return result;
    }),
  );
}

/** A group whose look-up failed has stored nothing: each of its lines can be sent again. */
async function settleGroup(ctx: Context, group: (Job | BulkResult)[], signal: AbortSignal): Promise<BulkResult[]> {
  try {
    return await storeGroup(ctx, group, signal);
  } catch (error) {
    if (!(error instanceof AcervoError)) ctx.log.error({ err: error }, 'a bulk group failed');
    return group.map((entry) => (isJob(entry) ? failed(entry.line, error, entry.document.id) : entry));
  }
}

/**
 * Stores documents from NDJSON, one a line, and yields one result per line, in order. Every line is a transaction of
 * its own: what was answered `stored` is there, everything else can be sent again. Holds one group of lines at a time;
 * the body is not read on while a group is being stored.
 */
export async function* bulkStore(
  ctx: Context,
  body: ReadableStream<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<BulkResult> {
  const lines = readLines(body, { maxLineBytes: MAX_DOCUMENT_BODY_BYTES, maxLines: ctx.config.bulk.maxLines });
  const groups = inGroups(lines, {
    maxItems: GROUP_LINES,
    maxSize: GROUP_BYTES,
    sizeOf: (line) => ('bytes' in line ? line.bytes.length : 0),
    lingerMs: LINGER_MS,
  });
  let last = 0;
  try {
    for await (const group of groups) {
      const entries = group.map((line) => readJob(ctx, line));
      for (const result of await settleGroup(ctx, entries, signal)) {
        last = result.line;
        ctx.metrics.bulkLines.inc({ status: result.status });
        yield result;
      }
    }
  } catch (error) {
    // The body broke off or has too many lines: said on a line of its own, after all that was stored.
    if (!(error instanceof AcervoError)) ctx.log.warn({ err: error }, 'a bulk body broke off');
    yield failed(last + 1, error);
  }
}
