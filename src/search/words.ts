import { stopwords as english } from '@orama/stopwords/english';
import { stopwords as french } from '@orama/stopwords/french';
import { stopwords as german } from '@orama/stopwords/german';
import { stopwords as italian } from '@orama/stopwords/italian';
import { stopwords as portuguese } from '@orama/stopwords/portuguese';
import { stopwords as spanish } from '@orama/stopwords/spanish';
import type { Language } from '../config.js';
import { fold } from '../warm-index/text/fold.js';

const MAX_WORDS = 64;

/** Letters that have no accent to take away. */
const LETTERS: Record<string, string> = { ß: 'ss', æ: 'ae', œ: 'oe', ø: 'o', đ: 'd', ł: 'l', ı: 'i' };

/** Words of grammar that the library's lists forget. */
const MISSING: Partial<Record<Language, string>> = {
  english: 'a',
  portuguese: 'uns umas é ser onde',
  french: 'où dont elles être a',
  german: 'dass wer',
  italian: 'fra quando',
};

/** Nouns and verbs that the Spanish list of the library holds, yet that people search for. */
const SPANISH_CONTENT = new Set(
  `acuerdo conocer cuenta día días dia dias ejemplo emplear empleo estado estados final general horas informo informó
  intento lado lugar manera mayor medio modo momento país pais paìs parte partir poder principalmente proximo próximo
  próximos realizar saber segunda segundo tarde temprano tercera tiempo total trabajar trabajo trabajas trabaja trabajan
  trabajamos trabajais uso usar valor verdad verdadera verdadero`.split(/\s+/),
);

const STOP_WORDS: Record<Language, ReadonlySet<string>> = {
  english: keysOf('english', english),
  portuguese: keysOf('portuguese', portuguese),
  spanish: keysOf(
    'spanish',
    spanish.filter((word) => !SPANISH_CONTENT.has(word)),
  ),
  french: keysOf('french', french),
  german: keysOf('german', german),
  italian: keysOf('italian', italian),
};

/** A run of letters, numbers and marks; such runs joined by an apostrophe are looked up together first ("don't"). */
const TOKEN = /[\p{L}\p{N}\p{M}]+(?:['’][\p{L}\p{N}\p{M}]+)*/gu;

/**
 * The words of a query as they are sent to the full-text index: NFC, lowercase, without punctuation, stop words and
 * repetitions, at most 64; where there are only stop words, they stay. SurrealDB's analyzer makes tokens of punctuation
 * and knows no stop words, so both are taken away here; folding of accents and stemming are left to it.
 */
export function queryWords(query: string, language: Language): string[] {
  const stopWords = STOP_WORDS[language];
  const words = new Map<string, string>();
  const dropped = new Map<string, string>();
  for (const [token] of query.normalize('NFC').matchAll(TOKEN)) {
    const isContraction = stopWords.has(keyOf(token));
    for (const part of token.split(/['’]/u)) {
      // "İ" becomes two in lowercase, and the index would cut there.
      const word = part.toLowerCase().normalize('NFC').replaceAll('i\u0307', 'i');
      const key = foldAccents(word);
      const into = isContraction || stopWords.has(key) ? dropped : words;
      // A lone accent folds to nothing; a lone "ь" would be looked up as a punctuation mark.
      if (fold(word) !== '' && into.size < MAX_WORDS && !into.has(key)) into.set(key, word);
    }
    if (words.size === MAX_WORDS) break;
  }
  return [...(words.size > 0 ? words : dropped).values()];
}

/** Lowercase text without the accents of Latin letters, as the `ascii` filter of the index writes it: `ação` → `acao`. */
export function foldAccents(text: string): string {
  return text
    .toLowerCase()
    .normalize('NFD')
    .replace(/[\u0300-\u036f]/g, '')
    .replace(/[ßæœøđłı]/g, (letter) => LETTERS[letter] ?? letter)
    .normalize('NFC');
}

function keyOf(token: string): string {
  return foldAccents(token).replaceAll('’', "'");
}

/**
 * A language's stop words by key. What stands behind an apostrophe ("t", "ll") is one of its own: it is what remains
 * where the word before it is none.
 */
function keysOf(language: Language, listed: readonly string[]): Set<string> {
  const keys = [...listed, ...(MISSING[language]?.split(' ') ?? [])].map(keyOf);
  return new Set(keys.flatMap((key) => [key, ...key.split("'").slice(1)]));
}
