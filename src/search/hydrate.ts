import type { Context } from '../context.js';
import type { Corpus, PassageKey } from './corpus.js';
import { type FoundPassage, PASSAGES_OF_A_HIT } from './leg.js';
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

/**
 * Reads the documents and passages of ranked hits, in one query. A document that was deleted since it was found is
 * left out.
 */
export async function hydrate<Document extends { id: string }>(
  ctx: Context,
  corpus: Corpus<Document>,
  ranked: Ranked[],
): Promise<Hit<Document>[]> {
  if (ranked.length === 0) return [];
  const chosen = new Map(ranked.map((entry) => [entry.id, bestPassages(entry)]));
  const page = await corpus.page(ctx, {
    ids: ranked.map(({ id }) => id),
    passages: [...chosen].flatMap(([id, passages]) =>
      passages.flatMap((passage): PassageKey[] =>
        passage.text === undefined ? [[id, passage.content_revision, passage.ordinal]] : [],
      ),
    ),
  });
  const documents = new Map(page.documents.map((document) => [document.id, document]));
  const texts = new Map(page.passages.map(({ key, text }) => [`${key[0]} ${key[2]}`, text]));
  return ranked.flatMap(({ id, score, scores }) => {
    const document = documents.get(id);
    if (document === undefined) return [];
    const passages = (chosen.get(id) ?? []).flatMap(({ ordinal, text, highlight }) => {
      const own = text ?? texts.get(`${id} ${ordinal}`);
      return own === undefined ? [] : [{ ordinal, text: own, ...(highlight === undefined ? {} : { highlight }) }];
    });
    return [{ ...document, score, scores, passages }];
  });
}
