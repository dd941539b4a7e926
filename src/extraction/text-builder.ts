import { AcervoError } from '../errors/error.js';

/** Gathers the text of a file, piece by piece, and stops the work as soon as there is more than may be kept. */
export class TextBuilder {
  readonly #pieces: string[] = [];
  #sizeBytes = 0;
  #breaks = 0;
  #space = false;

  /** @param maxBytes of the text as UTF-8 */
  constructor(readonly maxBytes: number) {}

  /**
   * Adds text whose white space only parts words, as in HTML.
   * @throws AcervoError `extraction:too_costly`
   */
  words(text: string): void {
    const collapsed = text.replace(/\s+/g, ' ');
    const words = collapsed.trim();
    if (collapsed.startsWith(' ')) this.#space = true;
    if (words === '') return;
    this.verbatim(words);
    this.#space = collapsed.endsWith(' ');
  }

  /**
   * Adds text as it is.
   * @throws AcervoError `extraction:too_costly`
   */
  verbatim(text: string): void {
    const between = this.#breaks > 0 ? '\n'.repeat(this.#breaks) : this.#space ? ' ' : '';
    const piece = this.#pieces.length === 0 ? text : between + text;
    this.#sizeBytes += Buffer.byteLength(piece);
    if (this.#sizeBytes > this.maxBytes)
      throw new AcervoError('extraction:too_costly', { detail: `more than ${this.maxBytes} bytes of text` });
    this.#pieces.push(piece);
    this.#breaks = 0;
    this.#space = false;
  }

  /** What comes next stands at least `count` lines below; 2 leaves a blank line. */
  breakLines(count: 1 | 2): void {
    this.#breaks = Math.max(this.#breaks, count);
  }

  /** All of it, without control characters and broken surrogates, which databases and JSON readers refuse. */
  toString(): string {
    return wellFormed(this.#pieces.join('')).trim();
  }
}

/** Longest title that a document may have, in UTF-16 units. */
const MAX_TITLE_CHARS = 1000;

/** A title on one line. @returns undefined for one of white space only */
export function titleOf(text: string | undefined): string | undefined {
  const line = wellFormed((text ?? '').slice(0, MAX_TITLE_CHARS).replace(/\s+/g, ' ')).trim();
  return line === '' ? undefined : line;
}

function wellFormed(text: string): string {
  return text.replace(/[^\P{Cc}\n\t]/gu, '').replace(/\p{Cs}/gu, '\uFFFD');
}
