import type { Language } from '../config.js';

export interface SplitOptions {
  language: Language;
  /** At most this many passages; longer content makes longer passages. */
  maxPassages?: number;
  /** Length of a passage that the content does not force to be longer, in UTF-16 units. */
  targetChars?: number;
  /** About how much of a passage's end the next one repeats, in UTF-16 units. */
  overlapChars?: number;
}

/** A slice of the content: `text === content.slice(start, end)`; offsets in UTF-16 units. */
export interface Passage {
  text: string;
  start: number;
  end: number;
}

const LOCALES: Record<Language, string> = {
  english: 'en',
  portuguese: 'pt',
  spanish: 'es',
  french: 'fr',
  german: 'de',
  italian: 'it',
};

/** How much text around a possible border the segmenter sees: enough for its rules, and bounded. */
const CONTEXT_CHARS = 64;

/**
 * Slices content into overlapping passages that end on a sentence border, else between words, else between characters.
 * Every character but white space is in a passage; passages are trimmed, in order, none is empty, and none lies within
 * the one before. The work is linear in the length of the content: borders are looked for in windows only.
 * @returns 1 to `maxPassages` passages; `[]` for content of white space only
 */
export function splitText(
  content: string,
  { language, maxPassages = 512, targetChars = 1200, overlapChars = 120 }: SplitOptions,
): Passage[] {
  const segmenters = segmentersOf(language);
  const length = content.trimEnd().length;
  const overlap = Math.min(overlapChars, Math.floor(targetChars / 4));
  // More than an equal share, since passages end before their window does.
  const size = Math.max(targetChars, Math.ceil((1.1 * length) / maxPassages) + 2 * overlap);
  const passages: Passage[] = [];
  let start = nextText(content, 0);
  let covered = 0;
  while (start < length) {
    // If each step is at least an equal share of what is left, what is left needs no more passages than are left.
    const share = Math.ceil((length - start) / (maxPassages - passages.length));
    const earliest = start + Math.max(Math.floor(size * 0.6), share + 2 * overlap);
    const latest = Math.max(start + size, earliest + 2);
    const end = latest >= length ? length : borderWithin(segmenters, content, earliest, latest);
    const text = content.slice(start, end).trimEnd();
    if (start + text.length > covered) {
      covered = start + text.length;
      passages.push({ text, start, end: covered });
    }
    if (end === length) break;
    const again =
      overlap === 0
        ? end
        : borderWithin(segmenters, content, end - Math.floor(overlap * 1.5), end - Math.floor(overlap * 0.5));
    start = nextText(content, again);
  }
  return passages;
}

type Segmenters = readonly [Intl.Segmenter, ...Intl.Segmenter[]];

const made = new Map<Language, Segmenters>();

/** Making a segmenter costs milliseconds, so each language's are kept. Best borders first. */
function segmentersOf(language: Language): Segmenters {
  const kept = made.get(language);
  if (kept !== undefined) return kept;
  const locale = LOCALES[language];
  const segmenters: Segmenters = [
    new Intl.Segmenter(locale, { granularity: 'sentence' }),
    new Intl.Segmenter(locale, { granularity: 'word' }),
    new Intl.Segmenter(locale, { granularity: 'grapheme' }),
  ];
  made.set(language, segmenters);
  return segmenters;
}

/**
 * The last of the best borders from `from` to `to`, both offsets included. Where there is none, as inside a character of
 * a thousand accents, any offset that keeps surrogate pairs whole (it can lie one before `from`).
 */
function borderWithin(segmenters: Segmenters, content: string, from: number, to: number): number {
  const windowStart = Math.max(0, from - CONTEXT_CHARS);
  const window = content.slice(windowStart, to + CONTEXT_CHARS);
  for (const segmenter of segmenters) {
    const border = windowStart + (segmenter.segment(window).containing(to - windowStart)?.index ?? 0);
    // The start of the window is a border of the window only.
    if (border >= from && border > windowStart) return border;
  }
  return isLowSurrogate(content, to) && isHighSurrogate(content, to - 1) ? to - 1 : to;
}

const isHighSurrogate = (text: string, at: number) => (text.charCodeAt(at) & 0xfc00) === 0xd800;
const isLowSurrogate = (text: string, at: number) => (text.charCodeAt(at) & 0xfc00) === 0xdc00;

/** Offset of the first character at or after `from` that is not white space. */
function nextText(content: string, from: number): number {
  const text = /\S/g;
  text.lastIndex = from;
  return text.exec(content)?.index ?? content.length;
}
