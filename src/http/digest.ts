import { createHash } from 'node:crypto';

/**
 * SHA-256 of a JSON value with its keys sorted, so that equal values have equal digests however they were written.
 * @param value JSON; its depth is bounded where it came in
 * @returns 64 hexadecimal digits
 */
export function digestOf(value: unknown): string {
  return createHash('sha256').update(canonicalJson(value)).digest('hex');
}

function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, member: unknown) => (isObject(member) ? sorted(member) : member)) ?? '';
}

/** Keys that look like array indexes come first whatever their order here: still one order for equal objects. */
function sorted(object: object): object {
  return Object.fromEntries(Object.entries(object).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
