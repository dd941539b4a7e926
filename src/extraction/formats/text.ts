import type { TextBuilder } from '../text-builder.js';
import { decodeText } from './decode.js';

/** Plain text and Markdown, kept as they are but for the ends of lines. */
export function readText(bytes: Uint8Array, out: TextBuilder): undefined {
  out.verbatim(decodeText(bytes).replace(/\r\n?/g, '\n'));
}
