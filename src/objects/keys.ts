import { AcervoError } from '../errors/error.js';
import type { ObjectName } from './port.js';

/** Source: S3 user guide, general purpose bucket naming rules. */
const BUCKET = /^(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;
export const MAX_KEY_BYTES = 1024;
/** MinIO takes a backslash for a separator too when it looks for these, and white space around them for nothing. */
const DOTS = /(^|[/\\])\s*\.{1,2}\s*($|[/\\])/;
/** MinIO's own mark of a key that ends with a slash: it assembles parts under another key. */
const DIRECTORY_MARK = /__XLDIR__$/;
/** MinIO and most file systems keep a segment as a file name. */
export const MAX_SEGMENT_BYTES = 255;

function refuse(detail: string): never {
  throw new AcervoError('artifact:key_invalid', { detail });
}

function checkText(text: string): void {
  if (Buffer.byteLength(text) > MAX_KEY_BYTES) refuse(`A key has at most ${MAX_KEY_BYTES} bytes.`);
  if (/[\p{Cc}\p{Cs}]/u.test(text)) refuse('A key has no control characters and no lone surrogates.');
  if (DOTS.test(text)) refuse('A key has no segments . or ..');
}

/** A piece of a key as every store takes it: dots alone and MinIO's own mark become something else. */
export const harmlessPiece = (piece: string): string =>
  (DOTS.test(piece) ? piece.replaceAll('.', '_') : piece).replace(DIRECTORY_MARK, '__XLDIR_');

/**
 * Is this a key that every store takes, and that stays itself in URLs and on file systems? 1 to 1 024 bytes of UTF-8 in
 * segments of 1 to 255 bytes between slashes, none of them `.` or `..`, not between backslashes either. Keys that look
 * alike are different keys: nothing is folded, decoded or normalised.
 * @throws AcervoError `artifact:key_invalid`
 */
function checkKey(key: string): void {
  checkText(key);
  if (DIRECTORY_MARK.test(key)) refuse('A key does not end with __XLDIR__.');
  for (const segment of key.split('/')) {
    if (segment === '') refuse('A key has no empty segments, and no slash at its ends.');
    if (Buffer.byteLength(segment) > MAX_SEGMENT_BYTES) refuse(`A segment has at most ${MAX_SEGMENT_BYTES} bytes.`);
  }
}

/** @throws AcervoError `artifact:bucket_not_found` for a name that no bucket can have */
export function checkBucket(bucket: string): void {
  if (!BUCKET.test(bucket)) throw new AcervoError('artifact:bucket_not_found');
}

/** @throws AcervoError `artifact:bucket_not_found`, `artifact:key_invalid` */
export function checkName({ bucket, key }: ObjectName): void {
  checkBucket(bucket);
  checkKey(key);
}

/**
 * A beginning of keys, which may end anywhere but behind a segment `.` or `..`: there are keys that begin so (`...`),
 * but MinIO refuses to list them.
 * @throws AcervoError `artifact:key_invalid`
 */
export function checkPrefix(prefix: string): void {
  checkText(prefix);
  if (prefix.startsWith('/')) refuse('No key begins so.');
}
