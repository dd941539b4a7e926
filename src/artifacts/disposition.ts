/** Source: RFC 8187, section 3.2.1: what may stand in an extended value as it is. */
const encode = (text: string): string =>
  encodeURIComponent(text).replaceAll(/['()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);

/**
 * `Content-Disposition` that saves a file under its name and never shows it. RFC 6266, with a plain name for clients that
 * know no other.
 */
export function attachment(name: string): string {
  // Slashes too: no path for clients to follow, and MinIO refuses a query with a segment `..` in it.
  const plain = name.replaceAll(/[^\x20-\x7e]|["\\%/]/g, '_');
  return `attachment; filename="${plain}"; filename*=UTF-8''${encode(name)}`;
}
