import type { Context } from '../context.js';
import { digestOf } from '../http/digest.js';
import { parseJson } from '../http/json.js';
import { compileList } from '../search/compile.js';
import { parseFilter } from '../search/filter/parse.js';
import { visibleTo } from '../search/plan.js';
import { publicDocument } from './get.js';
import type { KnowledgeDocument } from './schemas.js';

const CURSOR_KIND = 'knowledge';

export interface ListInput {
  /** The filter of a search, as JSON text. */
  filter?: string | undefined;
  order: 'asc' | 'desc';
  limit: number;
  cursor?: string | undefined;
}

/**
 * A page of documents in the order of their ids (for ids made here: of their making), without their content.
 * @throws AcervoError `filter:*`, `cursor:*`, `request:malformed_json`
 */
export async function listDocuments(
  ctx: Context,
  { filter: filterText, order, limit, cursor }: ListInput,
): Promise<{ documents: KnowledgeDocument[]; cursor?: string }> {
  const digest = digestOf([ctx.principal.key_id, filterText, order]);
  const after = cursor === undefined ? undefined : String(ctx.cursors.verify(CURSOR_KIND, cursor, digest).after);
  const filter = parseFilter(filterText === undefined ? {} : parseJson(Buffer.from(filterText)));
  const visible = visibleTo(ctx, filter) ?? filter;
  // One more than asked for tells whether there is another page.
  const statement = compileList('knowledge_index', visible, { after, descending: order === 'desc', limit: limit + 1 });
  const rows = await ctx.db.run<KnowledgeDocument[]>(statement);
  const documents = rows.slice(0, limit).map(publicDocument);
  const last = documents.at(-1);
  const more = rows.length > limit && last !== undefined;
  return { documents, ...(more ? { cursor: ctx.cursors.sign(CURSOR_KIND, { after: last.id }, digest) } : {}) };
}
