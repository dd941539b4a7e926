import type { DocumentKey } from '../search/compile.js';
import type { Corpus } from '../search/corpus.js';
import { DECISION_COLUMNS } from '../search/filter/ast.js';
import { recordsOf } from '../surreal/values.js';
import { publicDecision } from './row.js';
import type { Decision } from './schemas.js';

interface Page {
  documents: ((Decision & { content_revision: number }) | undefined)[];
  texts: (string | undefined)[];
}

/** Decisions, as a search sees them. */
export const DECISIONS: Corpus<Decision> = {
  of: 'decision',
  kind: 'decision',
  columns: DECISION_COLUMNS,
  cursorKind: 'decision-search',
  count: async (ctx) => (await ctx.db.query<{ count: number }[]>('decisions/count'))[0]?.count ?? 0,
  keys: (ctx, ids) => ctx.db.query<DocumentKey[]>('decisions/keys', { ids }),
  page: async (ctx, { ids, passages, filled }) => {
    const page = await (filled
      ? ctx.db.query<Page>('decisions/page-filled', { ids, passages })
      : ctx.db.query<Page>('decisions/page', {
          documents: recordsOf('agent_decisions', ids),
          passages: recordsOf('decision_passages', passages),
        }));
    return {
      documents: page.documents.map((row) => row && publicDecision(row)),
      contentRevisions: page.documents.map((row) => row?.content_revision),
      texts: page.texts,
    };
  },
};
