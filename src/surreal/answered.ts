import type { RequestOperation } from '../context.js';
import type { AuditDraft, Committed, Database } from './database.js';
import { replay } from './transact.js';

/**
 * What this very request answered before. For verbs that do more than one transaction, or read before they write: what
 * they found the first time may be gone or changed by now. Undefined without an Idempotency-Key.
 * @throws AcervoError `idempotency:key_reused`, before the first step rather than at the last
 */
export async function answeredBefore<Answer>(
  db: Database,
  operation: RequestOperation | undefined,
): Promise<Committed<Answer> | undefined> {
  if (operation === undefined || operation.request_digest === '') return undefined;
  return replay<Answer>(db, operation);
}

/**
 * Keeps that a request found nothing to change: sent again later, it might find something. Nothing without an
 * Idempotency-Key.
 * @throws AcervoError those of `Database.transact`
 */
export async function keepUnchanged(
  db: Database,
  operation: RequestOperation | undefined,
  { id, audit }: { id: string; audit: AuditDraft },
): Promise<void> {
  if (operation === undefined || operation.request_digest === '') return;
  await db.transact({ query: 'idempotency/unchanged', params: { id }, operation, audit });
}
