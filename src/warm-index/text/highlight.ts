import type { Analyzer } from './analyzer.js';

/** The text with `<b>…</b>` around every word that the index knows by one of the given words. The rest stays as it is. */
export function highlight(text: string, words: readonly string[], analyzer: Analyzer): string {
  const terms = new Set(words.flatMap((word) => analyzer.terms(word)));
  let marked = '';
  let copied = 0;
  for (const { term, start, end } of analyzer.tokens(text)) {
    if (!terms.has(term)) continue;
    marked += `${text.slice(copied, start)}<b>${text.slice(start, end)}</b>`;
    copied = end;
  }
  return marked + text.slice(copied);
}
