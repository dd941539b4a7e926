import type { Context } from '../context.js';
import { COLUMNS } from '../search/filter/ast.js';
import { type ListInput, listRows } from '../search/list-rows.js';
import { publicDocument } from './get.js';
import type { KnowledgeDocument } from './schemas.js';

const LISTED = { table: 'knowledge_index', columns: COLUMNS, cursorKind: 'knowledge' } as const;

/** A page of documents, without their content. @throws AcervoError `filter:*`, `cursor:*` */
export async function listDocuments(
  ctx: Context,
  input: ListInput,
): Promise<{ documents: KnowledgeDocument[]; cursor?: string }> {
  const { rows, ...page } = await listRows<KnowledgeDocument>(ctx, LISTED, input);
  return { documents: rows.map(publicDocument), ...page };
}
