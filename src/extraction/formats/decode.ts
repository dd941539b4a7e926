import { AcervoError } from '../../errors/error.js';

/** What windows-1252 has at 0x80 to 0x9f; `?` where it has nothing (WHATWG Encoding, index windows-1252). */
const WINDOWS_1252 = '€?‚ƒ„…†‡ˆ‰Š‹Œ?Ž??‘’“”•–—˜™š›œ?žŸ';

/**
 * Bytes as text: UTF-16 where a byte order mark says so, else UTF-8, else windows-1252, of which Latin-1's text is a
 * part. Labels of charsets are not asked: they are wrong as often as they are needed.
 * @throws AcervoError `extraction:failed` for what is no text
 */
export function decodeText(bytes: Uint8Array): string {
  const text = decoded(bytes);
  // No text has these, and all bytes can be read as windows-1252: without this, images would become "text".
  if (text.includes('\0')) throw new AcervoError('extraction:failed', { detail: 'it is not text' });
  return text;
}

function decoded(bytes: Uint8Array): string {
  const [first, second] = bytes;
  if (first === 0xff && second === 0xfe) return new TextDecoder('utf-16le').decode(bytes);
  if (first === 0xfe && second === 0xff) return new TextDecoder('utf-16be').decode(bytes);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    // Not TextDecoder: in Node 20 it reads windows-1252 as Latin-1.
    const latin1 = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
    return latin1.replace(/[\u0080-\u009f]/g, (control) => WINDOWS_1252[control.charCodeAt(0) - 0x80] ?? control);
  }
}
