import type { Context } from '../context.js';
import { AcervoError } from '../errors/error.js';
import { maySee } from '../keys/bound-agent.js';
import type { KnowledgeDocument } from './schemas.js';

/** A row as the database has it. */
export type KnowledgeRow = KnowledgeDocument & {
  content: string;
  content_digest: string;
  fingerprint: string;
  state_digest: string;
  passages_source: 'split' | 'caller';
  embedding_source: 'embedder' | 'caller';
};

/**
 * The row of a document that this key may read.
 * @throws AcervoError `knowledge:not_found` when there is none, or it belongs to another agent than the key's
 */
export async function readRow(ctx: Context, id: string): Promise<KnowledgeRow> {
  const row = await ctx.db.query<KnowledgeRow | undefined | null>('knowledge/get', { id });
  if (!row || !maySee(ctx.principal, row)) throw new AcervoError('knowledge:not_found');
  return row;
}

/** The columns that clients see. */
export function publicDocument(row: KnowledgeDocument): KnowledgeDocument {
  const { id, title, metadata, language, agent_id, artifact_id, minio_ref, created_at, updated_at } = row;
  const { revision, passage_count, size_bytes, embedding_status, embedding_error } = row;
  const shown = { id, title, metadata, language, agent_id, artifact_id, minio_ref, created_at, updated_at };
  return { ...shown, revision, passage_count, size_bytes, embedding_status, embedding_error };
}

/** @throws AcervoError `knowledge:not_found` */
export async function getDocument(ctx: Context, id: string): Promise<KnowledgeDocument & { content: string }> {
  const row = await readRow(ctx, id);
  return { ...publicDocument(row), content: row.content };
}
