import pLimit from 'p-limit';
import { v7 as uuidv7 } from 'uuid';
import { auditDraft } from '../audit/draft.js';
import type { Context, RequestOperation } from '../context.js';
import { AcervoError, isAcervoError } from '../errors/error.js';
import type { Committed } from '../surreal/database.js';
import type { DocumentVectors } from './embed.js';
import { type PreparedDocument, salted } from './prepare.js';

/** What a write of a document answers. */
export interface StoredDocument {
  id: string;
  revision: number;
  status: 'created' | 'updated' | 'unchanged';
  embedding_status: 'ready' | 'pending' | 'failed' | 'none';
  passage_count: number;
  created_at: string;
  updated_at: string;
  audit_id?: string;
}

/**
 * The parts of a document that `knowledge/put` writes; without `content` the passages stay as they are. `rowOnly`: no
 * content was sent, so vectors that were refused stay refused; without it they are to be made again.
 */
export type Storable = Pick<PreparedDocument, 'id' | 'columns'> &
  Partial<Pick<PreparedDocument, 'content' | 'passages'>> & { vectors?: DocumentVectors; rowOnly?: true };

/** The row that `knowledge/put` writes, and the part of the audit row that may be erased later. */
function rowOf(ctx: Context, { columns, vectors }: Storable) {
  const { salt, state_digest } = salted(columns.fingerprint);
  const { title, metadata, language, agent_id, artifact_id, minio_ref } = columns;
  return {
    row: {
      ...columns,
      state_digest,
      embedding_space: ctx.embedder.space.slug,
      embedding_status: vectors?.embedding_status,
      embedding_source: vectors?.embedding_source,
      embedding_error: vectors?.embedding_error,
    },
    audit_values: { salt, columns: { title, metadata, language, agent_id, artifact_id, minio_ref } },
  };
}

/**
 * Documents of more passages than this are written one at a time. The audit log's readers allow 15 s from a row's time
 * to its commit; committing the largest document takes up to 5 s on the embedded engine (measured), so several of them
 * side by side could take longer than that.
 */
export const LARGE_DOCUMENT_PASSAGES = 64;
const MAX_WAITING_DOCUMENTS = 32;
const oneAtATime = pLimit(1);

/** @throws AcervoError `request:overloaded` when too many large documents are waiting already */
export function inTurn<Result>(passages: number, write: () => Promise<Result>): Promise<Result> {
  if (passages <= LARGE_DOCUMENT_PASSAGES) return write();
  if (oneAtATime.pendingCount >= MAX_WAITING_DOCUMENTS)
    throw new AcervoError('request:overloaded', { retryAfterSeconds: 5 });
  return oneAtATime(write);
}

/** The answer of a write, now or before, with its row of the audit log. */
export function withAuditId({ answer, audit_id }: Committed<StoredDocument>): StoredDocument {
  return audit_id === undefined ? answer : { ...answer, audit_id };
}

/** What must be so for a document to be written. */
export interface Expected {
  /** The revision that must be current; 0: none may exist. */
  expectedRevision?: number | undefined;
  /** One must exist, of whichever revision. */
  mustExist?: boolean | undefined;
}

/** What `knowledge/put` takes, and the part of its audit row that may be erased. */
export function documentParams(ctx: Context, document: Storable, { expectedRevision, mustExist }: Expected = {}) {
  const { row, audit_values } = rowOf(ctx, document);
  return {
    id: document.id,
    row,
    content: document.content,
    passages: document.passages?.map(({ ordinal, text }) => ({ ordinal, text })) ?? [],
    vectors: document.vectors?.vectors ?? [],
    bound_agent: ctx.principal.agent_id,
    expected_revision: expectedRevision,
    must_exist: mustExist,
    row_only: document.rowOnly,
    audit_values,
  };
}

/**
 * Writes a document in one transaction: row, content, passages, vectors and audit row.
 * @throws AcervoError `revision:mismatch`, `knowledge:id_unavailable`, and those of `Database.transact`
 */
export async function storeDocument(
  ctx: Context,
  document: Storable,
  { operation, ...expected }: Expected & { operation: RequestOperation },
): Promise<StoredDocument> {
  const { audit_values, ...params } = documentParams(ctx, document, expected);
  const change = {
    query: 'knowledge/put',
    params: { ...params, audit_values: [audit_values] },
    operation,
    audit: auditDraft(ctx, `knowledge:${document.id}`, document.columns.agent_id),
  };
  const { passage_count } = document.columns;
  const committed = await inTurn(passage_count, () => ctx.db.transact<StoredDocument>(change));
  if (committed.audit_id !== undefined && !committed.replayed) ctx.metrics.documentsStored.inc();
  return withAuditId(committed);
}

/**
 * Stores documents that are all new, in one transaction with an audit row each.
 * @returns false when one of them is not new: then none was stored
 * @throws AcervoError those of `Database.transact`
 */
export async function storeNewDocuments(
  ctx: Context,
  documents: (PreparedDocument & { vectors: DocumentVectors })[],
): Promise<boolean> {
  const rows = documents.map((document) => ({ document, ...rowOf(ctx, document) }));
  try {
    await ctx.db.transact({
      query: 'knowledge/insert-many',
      params: {
        documents: rows.map(({ document, row }) => ({ row: { ...row, id: document.id }, content: document.content })),
        passages: documents.flatMap(({ id, passages }) =>
          passages.map(({ ordinal, text }) => ({ document: id, ordinal, text })),
        ),
        vectors: documents.flatMap(({ id, vectors }) => vectors.vectors.map((vector) => ({ document: id, ...vector }))),
        audit_values: rows.map(({ audit_values }) => audit_values),
      },
      operation: { id: uuidv7(), request_digest: '' },
      audit: auditDraft(ctx, ''),
    });
  } catch (error) {
    if (isAcervoError(error, 'revision:mismatch')) return false;
    throw error;
  }
  ctx.metrics.documentsStored.inc(documents.length);
  return true;
}
