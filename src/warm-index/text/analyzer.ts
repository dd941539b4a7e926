import snowball from 'snowball-stemmers';
import type { Language } from '../../config.js';
import { fold, isOfWords } from './fold.js';

/** A word of a text, where it stands (UTF-16 offsets) and what the index knows it as. */
export interface Token {
  term: string;
  start: number;
  end: number;
}

/** Cuts texts into terms as the engine's analyzer `passage_words` does. */
export interface Analyzer {
  /** Library and rules: terms of another version are other terms. */
  readonly version: string;
  /**
   * The terms of a text in their order, with repetitions: its words, folded to ASCII and stemmed. The engine also makes
   * a term of every ASCII punctuation mark; those are left out, as nobody asks for them.
   */
  terms(text: string): string[];
  /** The same, with their places. */
  tokens(text: string): Token[];
}

const RULES = 'snowball-stemmers 0.6.0, fold 1, ends 1';

/**
 * Of a longer word its beginning and its end are stemmed, each of half so many characters, as if nothing stood between them:
 * stems differ in their ends, and where those begin shows in the first syllables. The time that the library takes grows with
 * the square of the length, or faster: 30 s for 200 000 characters.
 */
const LONGEST_STEMMED = 256;

/** Words that are remembered with their terms, at most twice as many. */
const REMEMBERED = 100_000;
const LONGEST_REMEMBERED = 64;

/** ASCII letters and digits: 1. */
const IS_ASCII_OF_WORDS = Uint8Array.from({ length: 0x80 }, (_, code) =>
  /[0-9A-Za-z]/.test(String.fromCharCode(code)) ? 1 : 0,
);

export function createAnalyzer(language: Language): Analyzer {
  const stemmer = snowball.newStemmer(language);
  const termOf = remembering((word) => {
    const folded = fold(word);
    return folded === '' ? '' : stemOf(folded, stemmer);
  });
  return {
    version: `${language}, ${RULES}`,
    terms: (text) => {
      const terms: string[] = [];
      eachWord(text, (start, end) => {
        const term = termOf(text.slice(start, end));
        if (term !== '') terms.push(term);
      });
      return terms;
    },
    tokens: (text) => {
      const tokens: Token[] = [];
      eachWord(text, (start, end) => {
        const term = termOf(text.slice(start, end));
        if (term !== '') tokens.push({ term, start, end });
      });
      return tokens;
    },
  };
}

function stemOf(word: string, stemmer: { stem(word: string): string }): string {
  if (word.length <= LONGEST_STEMMED) return stemmer.stem(word);
  const half = LONGEST_STEMMED / 2;
  const [beginning, middle, end] = [word.slice(0, half), word.slice(half, -half), word.slice(-half)];
  const stem = stemmer.stem(beginning + end);
  return beginning + middle + stem.slice(half);
}

/** Calls `visit` with every run of letters and numbers. */
function eachWord(text: string, visit: (start: number, end: number) => void): void {
  let start = -1;
  for (let at = 0; at < text.length; ) {
    const code = text.charCodeAt(at);
    const width = (code & 0xfc00) === 0xd800 && (text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1;
    const isPart = code < 0x80 ? IS_ASCII_OF_WORDS[code] === 1 : isOfWords(text.codePointAt(at) ?? 0);
    if (isPart) {
      if (start < 0) start = at;
    } else if (start >= 0) {
      visit(start, at);
      start = -1;
    }
    at += width;
  }
  if (start >= 0) visit(start, text.length);
}

/** Remembers results in two generations: when the younger is full, the older goes. */
function remembering(compute: (word: string) => string): (word: string) => string {
  let young = new Map<string, string>();
  let old = new Map<string, string>();
  return (word) => {
    const known = young.get(word);
    if (known !== undefined) return known;
    const term = old.get(word) ?? ownCopy(compute(word));
    if (word.length > LONGEST_REMEMBERED) return term;
    if (young.size >= REMEMBERED) [old, young] = [young, new Map()];
    young.set(ownCopy(word), term);
    return term;
  };
}

/** A slice holds on to the text that it was cut from, which must not live as long as the slice does. */
function ownCopy(text: string): string {
  return Buffer.from(text, 'utf16le').toString('utf16le');
}
