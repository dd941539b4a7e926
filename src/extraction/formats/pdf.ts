import { getDocumentProxy } from 'unpdf';
import { AcervoError } from '../../errors/error.js';
import type { TextBuilder } from '../text-builder.js';

const MAX_PAGES = 5_000;

/**
 * The text layer of a PDF, page by page; a scan without one has no text.
 * @returns the title from its properties
 * @throws AcervoError `extraction:failed`, `extraction:too_costly`
 */
export async function readPdf(bytes: Uint8Array, out: TextBuilder): Promise<string | undefined> {
  const pdf = await opened(bytes);
  if (pdf.numPages > MAX_PAGES)
    throw new AcervoError('extraction:too_costly', { detail: `more than ${MAX_PAGES} pages` });
  for (let number = 1; number <= pdf.numPages; number += 1) {
    const page = await pdf.getPage(number);
    const { items } = await page.getTextContent();
    out.breakLines(2);
    for (const item of items) {
      if (!('str' in item)) continue;
      out.words(item.str);
      if (item.hasEOL) out.breakLines(1);
    }
    page.cleanup();
  }
  const { info } = await pdf.getMetadata();
  return 'Title' in info && typeof info.Title === 'string' ? info.Title : undefined;
}

async function opened(bytes: Uint8Array): ReturnType<typeof getDocumentProxy> {
  try {
    // A copy, since the library takes the memory for itself and refuses a Buffer. Fonts and forms are for display.
    return await getDocumentProxy(new Uint8Array(bytes), { useSystemFonts: false, enableXfa: false, verbosity: 0 });
  } catch (error) {
    const locked = error instanceof Error && error.name === 'PasswordException';
    throw new AcervoError('extraction:failed', {
      detail: locked ? 'it needs a password' : 'it is not a PDF',
      cause: error,
    });
  }
}
