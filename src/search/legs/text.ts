import type { Context } from '../../context.js';
import { compileText } from '../compile.js';
import { byDocument, LegRecorder, type LegResult, type LegRow } from '../leg.js';
import type { SearchRequest } from '../plan.js';

/** A document of 512 passages may fill a small page alone: then more passages are asked for. */
const GROWTH = 4;

/**
 * Documents that hold the words, by the BM25 score of their best passage.
 * @param depth how many documents are wanted; fewer come only when there are no more
 */
export async function searchText(
  ctx: Context,
  request: Pick<SearchRequest, 'corpus' | 'words' | 'match' | 'filter'>,
  depth: number,
): Promise<LegResult> {
  const recorder = new LegRecorder(ctx, 'text');
  if (request.words.length === 0) return recorder.result([], true, 'index');
  for (let limit = depth; ; limit *= GROWTH) {
    const words = request.words.join(' ');
    const rows = await recorder.run<LegRow>(compileText({ ...request, of: request.corpus.of, words, limit }));
    const documents = byDocument(rows);
    const exhausted = rows.length < limit;
    if (exhausted || documents.length >= depth)
      return recorder.result(documents.slice(0, depth), exhausted && documents.length <= depth, 'index');
  }
}
