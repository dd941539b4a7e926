import { AcervoError } from '../errors/error.js';
import { readCsv } from './formats/csv.js';
import { readDocx } from './formats/docx.js';
import { readHtml } from './formats/html.js';
import { readJson, readNdjson } from './formats/json.js';
import { readText } from './formats/text.js';
import type { Kind } from './kinds.js';
import { TextBuilder, titleOf } from './text-builder.js';

/** The text of a file; `title` is what the file itself says its title is. */
export interface Extracted {
  text: string;
  title?: string;
}

/** Adds the text of a file and returns its title, if its format has one. */
type Reader = (bytes: Uint8Array, out: TextBuilder) => Promise<string | undefined> | string | undefined;

const READERS: Record<Kind, Reader> = {
  text: readText,
  html: readHtml,
  csv: readCsv,
  json: readJson,
  ndjson: readNdjson,
  docx: readDocx,
  // It takes longer to load than all others together.
  pdf: async (bytes, out) => (await import('./formats/pdf.js')).readPdf(bytes, out),
};

/**
 * Takes the text out of a file, without bounds of its own on time and memory: `createExtractor` sets these around it.
 * @param maxTextBytes of the text as UTF-8
 * @throws AcervoError `extraction:failed`, `extraction:empty`, `extraction:too_costly`
 */
export async function readFile(kind: Kind, bytes: Uint8Array, maxTextBytes: number): Promise<Extracted> {
  const out = new TextBuilder(maxTextBytes);
  const title = titleOf(await READERS[kind](bytes, out));
  const text = out.toString();
  if (text === '') throw new AcervoError('extraction:empty');
  return title === undefined ? { text } : { text, title };
}
