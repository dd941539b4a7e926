import { AcervoError } from '../../errors/error.js';
import type { ByteRange } from '../port.js';

/**
 * The first and last byte that a range means in an object of this size; null for the end of an empty one, which is all
 * of it, though no range can say so. Source: RFC 9110, section 14.1.2.
 * @throws AcervoError `artifact:range_not_satisfiable`
 */
export function resolveRange(range: ByteRange, size_bytes: number): { first: number; last: number } | null {
  if (size_bytes === 0 && 'suffix' in range && range.suffix > 0) return null;
  const first = 'suffix' in range ? Math.max(0, size_bytes - range.suffix) : range.first;
  const last = Math.min('suffix' in range ? size_bytes - 1 : (range.last ?? size_bytes - 1), size_bytes - 1);
  if (first > last) throw new AcervoError('artifact:range_not_satisfiable', { detail: `It has ${size_bytes} bytes.` });
  return { first, last };
}
