import { setImmediate as nextTurn } from 'node:timers/promises';
import { z } from 'zod';
import type { Context } from '../context.js';
import { AcervoError } from '../errors/error.js';
import { checked } from '../http/input.js';
import { parseJson } from '../http/json.js';
import { failed, type Job, settleGroup } from './bulk-group.js';
import { inGroups, type Line, readLines } from './lines.js';
import { prepareDocument } from './prepare.js';
import { type BulkResult, idSchema, MAX_DOCUMENT_BODY_BYTES, putSchema } from './schemas.js';
import { withSource } from './source.js';

/** Lines that share one call of the embedder and a transaction, and the bytes that may be held for them. */
const GROUP_LINES = 64;
const GROUP_BYTES = 4_000_000;
const LINGER_MS = 20;
/** Lines are read for so long at a stretch, half a millisecond each with 1 024 dimensions: then others get their turn. */
const TURN_MS = 5;

/** A line that is refused is answered with its id all the same, where it has one. */
const lineIdSchema = z.object({ id: idSchema });

/** One line into a job, or into the result that says why not. */
async function readLine(ctx: Context, line: Line, signal: AbortSignal): Promise<Job | BulkResult> {
  let id: string | undefined;
  try {
    if ('tooLong' in line)
      throw new AcervoError('bulk:line_too_large', { detail: `at most ${MAX_DOCUMENT_BODY_BYTES} bytes` });
    const sent = parseJson(line.bytes);
    id = lineIdSchema.safeParse(sent).data?.id;
    const input = checked(putSchema, sent);
    const document = prepareDocument(ctx, await withSource(ctx, input, signal));
    return { line: line.number, required: input.require_embedding ?? false, document };
  } catch (error) {
    return failed(line.number, error, id);
  }
}

/**
 * Stores documents from NDJSON, one a line, and yields one result per line, in order. What was
 * answered `stored` is there, everything else can be sent again. Holds one group of lines at a time;
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
      const entries: (Job | BulkResult)[] = [];
      let turnMs = performance.now();
      // One after the other: a file that a line names is held in memory while its text is taken.
      for (const line of group) {
        entries.push(await readLine(ctx, line, signal));
        if (performance.now() - turnMs < TURN_MS) continue;
        await nextTurn();
        turnMs = performance.now();
      }
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
