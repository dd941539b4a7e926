import type { Context } from '../../../../src/context.js';
import type { Corpus, Searchable } from '../../../../src/search/corpus.js';
import type { FoundDocument, LegReport, LegResult } from '../../../../src/search/leg.js';
import type { BothLegs } from '../../../../src/search/legs/both.js';
import { fakeServices } from '../../http/fake-services.js';

/** A search without a database: legs that a test makes up, and documents that are whatever the legs found. */
export const CORPUS = {
  of: 'document',
  kind: 'knowledge',
  columns: {},
  cursorKind: 'search',
  page: async (_, { ids, passages }) => ({
    documents: ids.map((id) => ({ id, passage_count: 1 })),
    contentRevisions: ids.map(() => 1),
    texts: passages.map(() => 'report'),
  }),
} as Corpus<Searchable>;

export const found = (id: string, score = 1): FoundDocument => ({
  id,
  score,
  passages: [{ content_revision: 1, ordinal: 0, score }],
});

export function legOf(leg: LegReport['leg'], documents: FoundDocument[], exhausted: boolean): LegResult {
  const report = { leg, from: 'memory', method: 'index', found: documents.length, duration_ms: 0 } as const;
  return { documents, exhausted, report: { ...report, statements: [] } };
}

/** A context whose legs are these. */
export function searching(legs: (depth: number) => BothLegs): Context {
  const { warmIndex, ...services } = fakeServices();
  return {
    ...services,
    warmIndex: { ...warmIndex, legs: async (_, depth) => legs(depth) },
    cursors: { sign: () => 'a cursor' } as unknown as Context['cursors'],
    principal: { key_id: 'k' } as Context['principal'],
    requestId: 'r',
    operation: { id: 'o', request_digest: 'd' },
  };
}
