import type { DocumentKey } from '../search/compile.js';
import type { Corpus } from '../search/corpus.js';
import { COLUMNS } from '../search/filter/ast.js';
import { recordsOf } from '../surreal/values.js';
import { publicDocument } from './get.js';
import type { KnowledgeDocument } from './schemas.js';

interface Page {
  documents: ((KnowledgeDocument & { content_revision: number }) | undefined)[];
  texts: (string | undefined)[];
}

/** Documents, as a search sees them. */
export const KNOWLEDGE: Corpus<KnowledgeDocument> = {
  of: 'document',
  kind: 'knowledge',
  columns: COLUMNS,
  cursorKind: 'search',
  count: async (ctx) => (await ctx.db.query<{ count: number }[]>('search/count'))[0]?.count ?? 0,
  keys: (ctx, ids) => ctx.db.query<DocumentKey[]>('search/keys', { ids }),
  page: async (ctx, { ids, passages, filled }) => {
    const page = await (filled
      ? ctx.db.query<Page>('search/documents-filled', { ids, passages })
      : ctx.db.query<Page>('search/documents', {
          documents: recordsOf('knowledge_index', ids),
          passages: recordsOf('passages', passages),
        }));
    return {
      documents: page.documents.map((row) => row && publicDocument(row)),
      contentRevisions: page.documents.map((row) => row?.content_revision),
      texts: page.texts,
    };
  },
};
