import { constants, deflateRawSync, deflateSync } from 'node:zlib';
import { strToU8, zipSync } from 'fflate';

/** A PDF by hand (ISO 32000-1): one content stream a page, Helvetica, WinAnsi; with a title if one is given. */
export function pdfOf(contents: Buffer[], { title, filter = '' }: { title?: string; filter?: string } = {}): Buffer {
  const pageIds = contents.map((_, index) => 4 + 2 * index);
  const objects: Buffer[] = [
    Buffer.from('<< /Type /Catalog /Pages 2 0 R >>'),
    Buffer.from(
      `<< /Type /Pages /Count ${contents.length} /Kids [${pageIds.map((id) => `${id} 0 R`).join(' ')}] /MediaBox [0 0 600 800] >>`,
    ),
    Buffer.from('<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>'),
    ...contents.flatMap((content, index) => [
      Buffer.from(
        `<< /Type /Page /Parent 2 0 R /Resources << /Font << /F1 3 0 R >> >> /Contents ${5 + 2 * index} 0 R >>`,
      ),
      Buffer.concat([
        Buffer.from(`<< /Length ${content.length} ${filter} >>\nstream\n`),
        content,
        Buffer.from('\nendstream'),
      ]),
    ]),
    Buffer.from(`<< /Title (${title ?? ''}) >>`, 'latin1'),
  ];
  const offsets: number[] = [];
  const pieces: Buffer[] = [Buffer.from('%PDF-1.4\n')];
  const size = () => pieces.reduce((sum, piece) => sum + piece.length, 0);
  for (const [index, body] of objects.entries()) {
    offsets.push(size());
    pieces.push(Buffer.from(`${index + 1} 0 obj\n`), body, Buffer.from('\nendobj\n'));
  }
  const xref = size();
  const entries = offsets.map((offset) => `${String(offset).padStart(10, '0')} 00000 n \n`).join('');
  pieces.push(
    Buffer.from(
      `xref\n0 ${objects.length + 1}\n0000000000 65535 f \n${entries}` +
        `trailer\n<< /Size ${objects.length + 1} /Root 1 0 R /Info ${objects.length} 0 R >>\nstartxref\n${xref}\n%%EOF\n`,
    ),
  );
  return Buffer.concat(pieces);
}

/** Content of a page that shows these lines one below the other. */
export const linesOfPage = (lines: string[]) =>
  Buffer.from(
    `BT /F1 12 Tf 14 TL 50 750 Td ${lines.map((line) => `(${line.replace(/[()\\]/g, '\\$&')}) Tj T*`).join(' ')} ET`,
    'latin1',
  );

/** `block` repeated, as a zlib stream (RFC 1950) that takes no more work to make than one block. */
export function deflatedRepeat(block: Buffer, times: number): Buffer {
  const once = deflateRawSync(block, { finishFlush: constants.Z_FULL_FLUSH });
  return Buffer.concat([Buffer.from([0x78, 0x9c]), ...Array<Buffer>(times).fill(once), Buffer.from([0x03, 0x00])]);
}

/** A PDF of a few MB with one page whose content is `block`, repeated. */
export const repetitivePdf = (block: Buffer, times: number) =>
  pdfOf([deflateSync(deflatedRepeat(block, times))], { filter: '/Filter [/FlateDecode /FlateDecode]' });

const NAMESPACES =
  'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" ' +
  'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"';

export const documentXml = (body: string) =>
  `<?xml version="1.0" encoding="UTF-8"?><w:document ${NAMESPACES}><w:body>${body}</w:body></w:document>`;

/** A Word document whose parts are these. */
export const docxOf = (parts: Record<string, string>) =>
  zipSync(Object.fromEntries(Object.entries(parts).map(([name, text]) => [name, strToU8(text)])));
