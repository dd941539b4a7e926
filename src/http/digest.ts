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
  return JSON.stringify(ordered(value)) ?? '';
}

/** With the keys of all objects in it sorted. Those that look like array indexes come first whatever their order here. */
function ordered(value: unknown): unknown {
  if (Array.isArray(value)) return value.some(isObject) ? value.map(ordered) : value;
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, member]) => [key, ordered(member)]),
  );
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
