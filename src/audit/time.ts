/** RFC 3339 in parts: up to the seconds, the fraction, the zone. */
const TIME = /^([^.Zz+]+?)(?:\.(\d+))?([Zz]|[+-]\d\d:\d\d)$/;

/** Nanoseconds since 1970 of an RFC 3339 time; what is finer is cut off. @throws RangeError for anything else */
export function nanosOf(time: string): bigint {
  const [, whole, fraction = '', zone] = TIME.exec(time) ?? [];
  const wholeMs = Date.parse(`${whole}${zone?.toUpperCase()}`);
  if (Number.isNaN(wholeMs)) throw new RangeError(`This is no time: ${time}`);
  return BigInt(wholeMs) * 1_000_000n + BigInt(fraction.slice(0, 9).padEnd(9, '0'));
}

/** RFC 3339 in UTC with nine digits of a second. */
export function timeOf(nanos: bigint): string {
  const seconds = nanos / 1_000_000_000n;
  const fraction = String(nanos % 1_000_000_000n).padStart(9, '0');
  return `${new Date(Number(seconds) * 1000).toISOString().slice(0, 19)}.${fraction}Z`;
}

/** `Math.min` and `Math.max` for times in nanoseconds, which are too large for them. */
export const earlier = (a: bigint, b: bigint): bigint => (a < b ? a : b);
export const later = (a: bigint, b: bigint): bigint => (a < b ? b : a);
