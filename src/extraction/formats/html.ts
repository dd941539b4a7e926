import { Parser } from 'htmlparser2';
import type { TextBuilder } from '../text-builder.js';
import { decodeText } from './decode.js';

/** Elements whose content nobody reads. */
const UNREAD = new Set(['script', 'style', 'noscript', 'template', 'svg', 'iframe', 'object', 'canvas', 'select']);

/** How many line breaks stand around an element. */
const BREAKS: ReadonlyMap<string, 1 | 2> = new Map([
  ...['address', 'caption', 'dd', 'div', 'dt', 'figcaption', 'legend', 'li', 'tr'].map((name) => [name, 1] as const),
  ...['article', 'aside', 'blockquote', 'body', 'dl', 'fieldset', 'figure', 'footer', 'form', 'header', 'hr'].map(
    (name) => [name, 2] as const,
  ),
  ...['h1', 'h2', 'h3', 'h4', 'h5', 'h6', 'main', 'nav', 'ol', 'p', 'pre', 'section', 'table', 'ul'].map(
    (name) => [name, 2] as const,
  ),
]);

/**
 * The text that a reader of the page sees: blocks on lines of their own, the cells of a row parted by `|`.
 * Parsed as a stream, without a tree.
 * @returns the page's title
 */
export function readHtml(bytes: Uint8Array, out: TextBuilder): string {
  let title = '';
  let hasTitle = false;
  let inTitle = false;
  let unread = 0;
  let preformatted = 0;
  let firstCell = true;
  const parser = new Parser({
    onopentag(name, attributes) {
      if (unread > 0 || UNREAD.has(name) || 'hidden' in attributes) {
        unread += 1;
        return;
      }
      if (name === 'title') inTitle = !hasTitle;
      if (name === 'pre') preformatted += 1;
      if (name === 'br') out.breakLines(1);
      if (name === 'tr') firstCell = true;
      const breaks = BREAKS.get(name);
      if (breaks !== undefined) out.breakLines(breaks);
      if (name === 'li') out.words('- ');
      if (name === 'img' && attributes.alt) out.words(` ${attributes.alt} `);
      if (name === 'td' || name === 'th') {
        if (!firstCell) out.words(' | ');
        firstCell = false;
      }
    },
    ontext(text) {
      if (unread > 0) return;
      if (inTitle) title += text;
      else if (preformatted > 0) out.verbatim(text);
      else out.words(text);
    },
    onclosetag(name) {
      if (unread > 0) {
        unread -= 1;
        return;
      }
      if (name === 'title') {
        hasTitle ||= inTitle;
        inTitle = false;
      }
      if (name === 'pre') preformatted -= 1;
      const breaks = BREAKS.get(name);
      if (breaks !== undefined) out.breakLines(breaks);
    },
  });
  parser.end(decodeText(bytes));
  return title;
}
