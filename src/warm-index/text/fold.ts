import { brotliDecompressSync } from 'node:zlib';
import { FOLD_TABLE } from './fold-table.js';

/** Where the table begins: what comes before is ASCII. */
const FIRST = 0x80;
const NO_READING = '[?]';
const LONE_MARK = /^[!-/:-@[-`{-~]$/;

/** By code point from U+0080 on: 0 where words are split, otherwise which of `readings` it is. */
const { readingOf, readings } = readTable();

function readTable(): { readingOf: Uint16Array; readings: string[] } {
  const runs = JSON.parse(brotliDecompressSync(Buffer.from(FOLD_TABLE, 'base64')).toString()) as readonly (
    | string
    | number
  )[];
  const numbers = new Map<string, number>();
  const readings = [''];
  const numberOf = (text: string): number => {
    const known = numbers.get(text);
    if (known !== undefined) return known;
    numbers.set(text, readings.length);
    return readings.push(text) - 1;
  };
  const length = runs.reduce<number>((sum, run) => sum + (typeof run === 'string' ? 1 : Math.abs(run)), 0);
  const readingOf = new Uint16Array(length);
  let at = 0;
  for (const run of runs) {
    if (typeof run === 'string') readingOf[at++] = numberOf(run);
    else {
      if (run < 0) readingOf.fill(numberOf(NO_READING), at, at - run);
      at += Math.abs(run);
    }
  }
  return { readingOf, readings };
}

/** Whether a character outside of ASCII is part of a word: all that are not letters or numbers split words. */
export function isOfWords(codePoint: number): boolean {
  return (readingOf[codePoint - FIRST] ?? 0) !== 0;
}

function readingFor(codePoint: number): string {
  return readings[readingOf[codePoint - FIRST] ?? 0] ?? '';
}

/**
 * The ASCII text of a word, in small letters, as the engine's `lowercase` and `ascii` filters write it. Empty where
 * nothing is left, and for a letter that reads as a punctuation mark and stands alone ("ʼ", "ь"): marks are no words.
 */
export function fold(word: string): string {
  let folded = '';
  for (let at = 0; at < word.length; ) {
    const point = word.codePointAt(at) ?? 0;
    at += point > 0xffff ? 2 : 1;
    if (point < FIRST) folded += String.fromCharCode(point);
    else {
      const reading = readingFor(point);
      // Readings of Chinese characters end with a space, which goes away before another space and at the end.
      const isTrimmed = reading.length > 1 && reading.endsWith(' ') && (at >= word.length || startsWithSpace(word, at));
      folded += isTrimmed ? reading.slice(0, -1) : reading;
    }
  }
  return LONE_MARK.test(folded) ? '' : folded.toLowerCase();
}

function startsWithSpace(word: string, at: number): boolean {
  const point = word.codePointAt(at) ?? 0;
  return point >= FIRST && readingFor(point).startsWith(' ');
}
