import { unzipSync } from 'fflate';
import { Parser } from 'htmlparser2';
import { AcervoError } from '../../errors/error.js';
import type { TextBuilder } from '../text-builder.js';
import { decodeText } from './decode.js';

/** Of all parts that are read, unpacked. A novel has about 5 MB. */
const MAX_XML_BYTES = 67_108_864;

const PROPERTIES = 'docProps/core.xml';
/** Some writers number it. */
const DOCUMENT = /^word\/document\d*\.xml$/;
const NOTES = ['word/footnotes.xml', 'word/endnotes.xml'];

/**
 * The text of a Word document (ECMA-376, WordprocessingML): paragraphs on lines of their own, the cells of a row parted
 * by `|`, notes at the end. What was deleted or moved away under tracked changes is left out.
 * @returns the title from its properties
 * @throws AcervoError `extraction:failed`, `extraction:too_costly`
 */
export function readDocx(bytes: Uint8Array, out: TextBuilder): string | undefined {
  const parts = unpacked(bytes);
  const document = Object.keys(parts).find((name) => DOCUMENT.test(name));
  if (document === undefined) throw damaged();
  for (const name of [document, ...NOTES.filter((note) => note in parts)]) {
    out.breakLines(2);
    addPart(xmlOf(parts, name), out);
  }
  return PROPERTIES in parts ? titleIn(xmlOf(parts, PROPERTIES)) : undefined;
}

const damaged = (cause?: unknown) => new AcervoError('extraction:failed', { detail: 'it is not a DOCX', cause });

/**
 * Only what is read, so no pictures. The library unpacks into a buffer of the declared size and no more, so that a bound
 * on what is declared is a bound on what is real.
 */
function unpacked(bytes: Uint8Array): Record<string, Uint8Array> {
  let sizeBytes = 0;
  const isWanted = ({ name, originalSize }: { name: string; originalSize: number }) => {
    if (name !== PROPERTIES && !DOCUMENT.test(name) && !NOTES.includes(name)) return false;
    sizeBytes += originalSize;
    if (sizeBytes > MAX_XML_BYTES)
      throw new AcervoError('extraction:too_costly', { detail: `more than ${MAX_XML_BYTES} bytes when unpacked` });
    return true;
  };
  try {
    return unzipSync(bytes, { filter: isWanted });
  } catch (error) {
    throw error instanceof AcervoError ? error : damaged(error);
  }
}

const xmlOf = (parts: Record<string, Uint8Array>, name: string) => decodeText(parts[name] ?? new Uint8Array());

/**
 * Elements without text to read: properties (where `tab` is a tab stop), what was moved away, and `Fallback`, which says
 * again what stands beside it for newer readers.
 */
const UNREAD = new Set(['pPr', 'rPr', 'tblPr', 'trPr', 'tcPr', 'sectPr', 'moveFrom', 'Fallback']);

const MARKS: ReadonlyMap<string, string> = new Map([
  ['tab', '\t'],
  ['noBreakHyphen', '-'],
]);

/** @throws AcervoError `extraction:failed` when the part ends before its root does */
function addPart(xml: string, out: TextBuilder): void {
  let unread = 0;
  let inText = false;
  let cell = 0;
  let firstCell = true;
  let complete = false;
  let depth = 0;
  const parser = new Parser(
    {
      onopentag(qualified) {
        const name = localName(qualified);
        depth += 1;
        if (unread > 0 || UNREAD.has(name)) {
          unread += 1;
          return;
        }
        inText = name === 't';
        const mark = MARKS.get(name);
        if (mark !== undefined) out.words(mark);
        if (name === 'br' || name === 'cr') out.breakLines(1);
        if (name === 'tr') firstCell = true;
        if (name === 'tc') {
          out.words(firstCell ? '' : ' | ');
          firstCell = false;
          cell += 1;
        }
      },
      ontext(text) {
        if (unread === 0 && inText) out.words(text);
      },
      onclosetag(qualified, implied) {
        const name = localName(qualified);
        depth -= 1;
        if (depth === 0) complete = !implied;
        inText = false;
        if (unread > 0) {
          unread -= 1;
          return;
        }
        if (name === 'tc') cell -= 1;
        if (name === 'p' && cell > 0) out.words(' ');
        if (name === 'tr' || (name === 'p' && cell === 0)) out.breakLines(1);
        if (name === 'tbl') out.breakLines(2);
      },
    },
    { xmlMode: true },
  );
  parser.end(xml);
  if (!complete) throw damaged();
}

const localName = (qualified: string) => qualified.slice(qualified.indexOf(':') + 1);

function titleIn(xml: string): string {
  let title = '';
  let inTitle = false;
  const parser = new Parser(
    {
      onopentag: (name) => {
        inTitle = localName(name) === 'title';
      },
      ontext: (text) => {
        if (inTitle) title += text;
      },
      onclosetag: () => {
        inTitle = false;
      },
    },
    { xmlMode: true },
  );
  parser.end(xml);
  return title;
}
