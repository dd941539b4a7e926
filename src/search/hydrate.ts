import type { Context } from '../context.js';
import { highlight, termsOf } from '../warm-index/text/highlight.js';
import type { Corpus, PassageKey, Searchable } from './corpus.js';
import { evaluateFilter } from './filter/evaluate.js';
import { type FoundPassage, PASSAGES_OF_A_HIT } from './leg.js';
import type { SearchRequest } from './plan.js';
import type { Ranked } from './rank.js';
import type { Hit } from './schemas.js';

/** The passages of a hit: those with the words first, then those near in meaning; each once. */
function bestPassages({ text, vector }: Ranked): FoundPassage[] {
  const chosen = new Map<number, FoundPassage>();
  for (const passage of [...(text?.passages ?? []), ...(vector?.passages ?? [])]) {
    // A vector of the whole document points at no passage: its beginning stands for it.
    const ordinal = Math.max(0, passage.ordinal);
    if (!chosen.has(ordinal)) chosen.set(ordinal, { ...passage, ordinal });
  }
  return [...chosen.values()].slice(0, PASSAGES_OF_A_HIT);
}

/** Is this not the content that a leg found it by? Its scores are then of what was, and its passages are gone. */
function wasReplaced({ text, vector }: Ranked, contentRevision: number | undefined): boolean {
  const found = [...(text?.passages ?? []), ...(vector?.passages ?? [])];
  return found.some(({ content_revision }) => content_revision !== contentRevision);
}

/**
 * Reads the documents and passages of ranked hits, in one query. A document that was deleted since it was found is
 * left out, and so is one that has changed and does not fulfil the filter any more, with which the rights of the key come.
 * @param filled gives a hit whose content was replaced since then the texts of what is there now; without it, none
 * @returns the hits, and the ids of those whose content was replaced
 */
export async function hydrate<Document extends Searchable>(
  ctx: Context,
  corpus: Corpus<Document>,
  request: Pick<SearchRequest, 'filter' | 'highlight' | 'words'>,
  ranked: Ranked[],
  { filled }: { filled: boolean },
): Promise<{ hits: Hit<Document>[]; replaced: string[] }> {
  if (ranked.length === 0) return { hits: [], replaced: [] };
  const { filter } = request;
  const chosen = ranked.map(bestPassages);
  const keys = ranked.flatMap(({ id }, place) =>
    (chosen[place] ?? []).map(({ content_revision, ordinal }): PassageKey => [id, content_revision, ordinal]),
  );
  const page = await corpus.page(ctx, { ids: ranked.map(({ id }) => id), passages: keys, filled });
  const texts = new Map(keys.map(([id, , ordinal], place) => [`${id} ${ordinal}`, page.texts[place]]));
  const marked = request.highlight ? marker(ctx, request.words) : undefined;
  const replaced: string[] = [];
  const hits = ranked.flatMap((found, place) => {
    const { id, score, scores } = found;
    const document = page.documents[place];
    if (document === undefined || (filter !== undefined && !evaluateFilter(filter, document))) return [];
    const isReplaced = wasReplaced(found, page.contentRevisions[place]);
    if (isReplaced) replaced.push(id);
    const passages = new Map<number, string>();
    for (const { ordinal } of chosen[place] ?? []) {
      const text = texts.get(`${id} ${ordinal}`);
      if (text !== undefined) passages.set(isReplaced ? Math.min(ordinal, document.passage_count - 1) : ordinal, text);
    }
    const shown = [...passages].map(([ordinal, text]) => ({ ordinal, text, ...marked?.(text) }));
    return [{ ...document, score, scores, passages: shown }];
  });
  return { hits, replaced };
}

/** Marks the words of a search in a text that holds any of them. */
function marker({ analyzer }: Context, words: string[]) {
  const terms = termsOf(words, analyzer);
  return (text: string) => {
    const marked = highlight(text, terms, analyzer);
    return marked === text ? {} : { highlight: marked };
  };
}
