import { setTimeout as sleep } from 'node:timers/promises';
import type { QueryResponse } from 'surrealdb';
import { auditIdText } from '../audit/id.js';
import type { RequestOperation } from '../context.js';
import { AcervoError, isAcervoError } from '../errors/error.js';
import type { Change, Committed, Database } from './database.js';
import { causeOf, type Failure } from './failures.js';
import { conflictBackoffMs, MAX_CONFLICT_TRIES } from './retry-conflicts.js';
import type { CommittedChange, DatabaseEvents, SessionDatabase } from './session-database.js';
import { toPlain } from './values.js';

/**
 * A transaction whose statements took longer throws before its audit row. Readers re-read 15 s (audit/reader.ts), and
 * the row's time is taken last, so what must fit into those 15 s is the commit alone; its length grows with what was
 * written. The largest document, 512 passages with vectors, takes 6-8 s on the embedded engine (measured).
 */
export const MAX_TRANSACTION_SECONDS = 12;

export interface TransactOptions {
  timeoutMs: number;
  operationTtlSeconds: number;
  events?: DatabaseEvents;
}

interface StoredOperation<Answer> {
  request_digest: string;
  answer: Answer;
  audit_id?: [string, string];
}

/**
 * What an earlier run of an operation answered; undefined when there was none.
 * @throws AcervoError `idempotency:key_reused` when it was another request
 */
export async function replay<Answer>(
  db: Database,
  { id, request_digest }: RequestOperation,
): Promise<Committed<Answer> | undefined> {
  const stored = await db.query<StoredOperation<Answer> | undefined | null>('idempotency/get', { op: id });
  if (!stored) return undefined;
  if (stored.request_digest !== request_digest) throw new AcervoError('idempotency:key_reused');
  const audit_id = stored.audit_id ? auditIdText(stored.audit_id) : undefined;
  return { answer: stored.answer, audit_id, replayed: true };
}

/** What was committed, and what those are told who follow changes. */
function committedBy<Answer>(responses: QueryResponse[]): { committed: Committed<Answer>; change: CommittedChange } {
  // COMMIT itself answers too; the result is the last statement before it that answered an object.
  const results = responses.map((response) => (response.success ? toPlain(response.result) : undefined));
  const result = results.findLast((value) => value !== null && typeof value === 'object' && 'answer' in value);
  const {
    answer,
    audit_ids = [],
    resources = [],
  } = (result ?? {}) as { answer: Answer; audit_ids?: [string, string][]; resources?: string[] };
  const ids = audit_ids.map(auditIdText);
  return { committed: { answer, audit_id: ids.at(-1), replayed: false }, change: { resources, audit_ids: ids } };
}

async function attempt(db: SessionDatabase, text: string, params: Record<string, unknown>) {
  try {
    const responses = await db.send(text, params);
    return { responses, failure: causeOf(responses) };
  } catch (error) {
    if (!isAcervoError(error, 'database:unavailable')) throw error;
    return { responses: [], failure: { kind: 'unreachable', cause: error } satisfies Failure };
  }
}

/**
 * Runs a change as one `BEGIN … COMMIT`: operation id, data, audit row.
 * A conflict runs the whole of it again. A connection that breaks leaves the outcome unknown; the operation id makes
 * the second run find the first one's answer.
 */
export async function transact<Answer>(
  db: SessionDatabase,
  change: Change,
  options: TransactOptions,
): Promise<Committed<Answer>> {
  const text = [db.text('transact/begin'), db.text(change.query), db.text('transact/commit')].join('\n');
  const params = {
    audit_values: undefined,
    ...change.params,
    op: change.operation.id,
    request_digest: change.operation.request_digest,
    op_ttl_seconds: options.operationTtlSeconds,
    audit: change.audit,
    max_seconds: MAX_TRANSACTION_SECONDS,
  };
  const deadline = performance.now() + options.timeoutMs;
  let failure: Failure | undefined;
  for (let tries = 0; tries < MAX_CONFLICT_TRIES && performance.now() < deadline; tries += 1) {
    const outcome = await attempt(db, text, params);
    failure = outcome.failure;
    if (failure === undefined) {
      options.events?.transaction?.('committed');
      const { committed, change } = committedBy<Answer>(outcome.responses);
      if (change.audit_ids.length > 0) await options.events?.changed?.(change);
      return committed;
    }
    if (failure.kind === 'operation_exists') {
      const replayed = await replay<Answer>(db, change.operation);
      if (replayed !== undefined) {
        options.events?.transaction?.('replayed');
        await options.events?.changed?.(undefined);
        return replayed;
      }
    } else if (failure.kind === 'conflict') options.events?.conflict?.();
    else if (failure.kind !== 'unreachable') break;
    await sleep(conflictBackoffMs(tries));
  }
  options.events?.transaction?.('failed');
  if (failure?.kind === 'refused')
    throw new AcervoError(failure.code, failure.code === 'database:too_slow' ? { retryAfterSeconds: 5 } : {});
  if (failure?.kind === 'unreachable') throw new AcervoError('database:unavailable', { retryAfterSeconds: 1 });
  if (failure?.kind === 'unexpected') throw failure.cause;
  throw new AcervoError('database:conflict', { retryAfterSeconds: 1 });
}
