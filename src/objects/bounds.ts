import {
  MAX_LIST_LIMIT,
  MAX_PART_NUMBER,
  MAX_PRESIGN_SECONDS,
  type PresignGetOptions,
  type PresignOptions,
  type Retention,
} from './port.js';

const MAX_DISPOSITION_CHARS = 2000;

function checkWhole(what: string, value: number, from: number, to: number): void {
  if (!Number.isSafeInteger(value) || value < from || value > to)
    throw new RangeError(`${what} is a whole number from ${from} to ${to}, not ${value}.`);
}

/** Bounds that callers keep; breaking one is a fault of ours, not of a client. @throws RangeError */
export const checkLimit = (limit: number) => checkWhole('limit', limit, 1, MAX_LIST_LIMIT);

/** @throws RangeError */
export const checkPartNumber = (number: number) => checkWhole('part_number', number, 1, MAX_PART_NUMBER);

/** @throws RangeError */
export const checkSize = (bytes: number) => checkWhole('size_bytes', bytes, 0, Number.MAX_SAFE_INTEGER);

/** When a URL signed now ends. @throws RangeError */
export function expiryOf({ expires_in_seconds }: PresignOptions, now: Date): Date {
  checkWhole('expires_in_seconds', expires_in_seconds, 1, MAX_PRESIGN_SECONDS);
  return new Date(now.getTime() + expires_in_seconds * 1000);
}

/** A header that goes into a URL. @throws RangeError */
export function checkDisposition({ content_disposition = '' }: PresignGetOptions): void {
  if (content_disposition.length > MAX_DISPOSITION_CHARS || !/^[\x20-\x7e]*$/.test(content_disposition))
    throw new RangeError(`content_disposition has at most ${MAX_DISPOSITION_CHARS} printable characters of ASCII.`);
}

/** @throws RangeError */
export function checkRetention({ retain_until }: Retention, now: Date): void {
  // Also for what is no date.
  if (!(Date.parse(retain_until) > now.getTime())) throw new RangeError('retain_until is a time in the future.');
}
