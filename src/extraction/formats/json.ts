import { AcervoError } from '../../errors/error.js';
import type { TextBuilder } from '../text-builder.js';
import { decodeText } from './decode.js';

/** Paths grow with the depth, and so would the text with its square. */
const MAX_DEPTH = 64;

/**
 * Each value on a line as `path: value`; places in lists are not counted (`tags: red`), and the objects of a list are
 * parted by a blank line. Nulls and empty strings are left out.
 * @throws AcervoError `extraction:failed`, `extraction:too_costly`
 */
export function readJson(bytes: Uint8Array, out: TextBuilder): undefined {
  addValue(parsed(decodeText(bytes), 'it'), '', 0, out);
}

/**
 * A JSON value on each line, written as `readJson` writes it, with a blank line after each.
 * @throws AcervoError `extraction:failed`, `extraction:too_costly`
 */
export function readNdjson(bytes: Uint8Array, out: TextBuilder): undefined {
  let number = 0;
  for (const [line] of decodeText(bytes).matchAll(/[^\n]*\n?/g)) {
    number += 1;
    if (line.trim() === '') continue;
    out.breakLines(2);
    addValue(parsed(line, `line ${number}`), '', 0, out);
  }
}

function parsed(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new AcervoError('extraction:failed', { detail: `${what} is not JSON`, cause: error });
  }
}

function addValue(value: unknown, path: string, depth: number, out: TextBuilder): void {
  if (depth > MAX_DEPTH)
    throw new AcervoError('extraction:too_costly', { detail: `more than ${MAX_DEPTH} levels deep` });
  if (value === null || value === '') return;
  if (typeof value !== 'object') {
    out.breakLines(1);
    out.verbatim(path === '' ? String(value) : `${path}: ${value}`);
    return;
  }
  if (Array.isArray(value)) {
    for (const element of value) {
      if (element !== null && typeof element === 'object') out.breakLines(2);
      addValue(element, path, depth + 1, out);
    }
    return;
  }
  for (const [key, member] of Object.entries(value))
    addValue(member, path === '' ? key : `${path}.${key}`, depth + 1, out);
}
