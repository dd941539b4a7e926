import type { Analyzer } from './analyzer.js';

/** What the index knows words as. */
export function termsOf(words: readonly string[], analyzer: Analyzer): Set<string> {
  return new Set(words.flatMap((word) => analyzer.terms(word)));
}

/** The text with `<b>…</b>` around every word that the index knows as one of these terms. The rest stays as it is. */
export function highlight(text: string, terms: ReadonlySet<string>, analyzer: Analyzer): string {
  let marked = '';
  let copied = 0;
  for (const { term, start, end } of analyzer.tokens(text)) {
    if (!terms.has(term)) continue;
    marked += `${text.slice(copied, start)}<b>${text.slice(start, end)}</b>`;
    copied = end;
  }
  return marked + text.slice(copied);
}
