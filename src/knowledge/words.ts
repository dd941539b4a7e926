import { AcervoError } from '../errors/error.js';

/**
 * Letters of the longest word that is indexed. What the stemmer of the database takes grows with the square of this:
 * 2 MB of the worst words take 3 s with 10 000 letters each, 10 s with 100 000, and one of 600 000 more than a
 * transaction may (measured on 2 busy cores).
 */
export const MAX_WORD_CHARS = 10_000;

/**
 * A run of letters and digits, as the tokenizers of surql/schema/passages.surql cut. It is looked for from the first
 * letter of a word only: from each of them it would cost the square of a word's length here, too.
 */
const LONG_WORD = new RegExp(String.raw`(?<![\p{Alphabetic}\p{N}])[\p{Alphabetic}\p{N}]{${MAX_WORD_CHARS + 1}}`, 'u');

/**
 * Only passages of the caller can hold such words: those that are cut here are shorter.
 * @throws AcervoError `knowledge:word_too_long`
 */
export function refuseLongWords(passages: readonly { ordinal: number; text: string }[]): void {
  const faults = passages
    .filter(({ text }) => text.length > MAX_WORD_CHARS && LONG_WORD.test(text))
    .map(({ ordinal }) => ({
      path: `passages.${ordinal}.text`,
      message: `holds a word of more than ${MAX_WORD_CHARS} characters`,
    }));
  if (faults.length > 0) throw new AcervoError('knowledge:word_too_long', { faults });
}
