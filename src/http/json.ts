import { AcervoError } from '../errors/error.js';

export const MAX_JSON_DEPTH = 64;
/** Names that reach an object's prototype when a careless assignment copies them. */
const FORBIDDEN_KEYS = new Set(['__proto__', 'constructor', 'prototype']);
const LONE_SURROGATE = /\p{Surrogate}/u;

function refuseText(text: string): void {
  if (LONE_SURROGATE.test(text))
    throw new AcervoError('request:malformed_utf8', { detail: 'A string holds half of a surrogate pair.' });
}

/** @throws AcervoError `request:forbidden_key` */
export function refuseKey(key: string): void {
  if (FORBIDDEN_KEYS.has(key)) throw new AcervoError('request:forbidden_key', { detail: `The key is ${key}.` });
  refuseText(key);
}

function refuse(path: (string | number)[], message: string): never {
  throw new AcervoError('request:invalid', { faults: [{ path: path.join('.').slice(0, 256), message }] });
}

/** Recursion is bounded by MAX_JSON_DEPTH, so the stack is safe. */
function walk(value: unknown, path: (string | number)[]): void {
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) refuse(path, 'is a number beyond what a double can hold');
  } else if (typeof value === 'string') refuseText(value);
  else if (typeof value === 'object' && value !== null) {
    if (path.length >= MAX_JSON_DEPTH) refuse([], `is nested deeper than ${MAX_JSON_DEPTH}`);
    const visit = (key: string | number, child: unknown) => {
      path.push(key);
      walk(child, path);
      path.pop();
    };
    if (Array.isArray(value)) value.forEach((child, index) => void visit(index, child));
    else
      for (const [key, child] of Object.entries(value)) {
        refuseKey(key);
        visit(key, child);
      }
  }
}

/** @throws AcervoError `request:malformed_utf8` */
export function decodeUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw new AcervoError('request:malformed_utf8', { cause: error });
  }
}

function parse(text: string): unknown {
  if (text.trim() === '') throw new AcervoError('request:malformed_json', { detail: 'The body is empty.' });
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof RangeError) refuse([], `is nested deeper than ${MAX_JSON_DEPTH}`);
    throw new AcervoError('request:malformed_json', { cause: error });
  }
}

/**
 * JSON from outside: a body, or a line of one. Strict UTF-8, no key that reaches a prototype, at most 64 levels, only
 * finite numbers and well-formed strings.
 * @throws AcervoError `request:malformed_utf8`, `request:malformed_json`, `request:forbidden_key`, `request:invalid`
 */
export function parseJson(bytes: Uint8Array): unknown {
  const value = parse(decodeUtf8(bytes));
  walk(value, []);
  return value;
}
