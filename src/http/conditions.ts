import { AcervoError } from '../errors/error.js';
import type { Reply } from './route.js';

/** The header of answers that have a revision, for OpenAPI. */
export const ETAG = { etag: 'The revision; send it back as If-Match.' };

/** The ETag of a revision. RFC 9110, section 8.8.3. */
export const etagOf = (revision: number): string => `"${revision}"`;

/**
 * The revision that If-Match names; undefined without the header or for `*`.
 * @throws AcervoError `revision:mismatch` for any other tag than one of ours, which cannot be current
 */
export function revisionFromIfMatch(headers: Headers): number | undefined {
  const given = headers.get('if-match');
  if (given === null || insistsOnAny(headers)) return undefined;
  const revision = /^"([1-9]\d{0,14})"$/.exec(given.trim())?.[1];
  if (revision === undefined)
    throw new AcervoError('revision:mismatch', { detail: 'If-Match takes one of our ETags.' });
  return Number(revision);
}

/** If-Match: `*` asks that there is something, whichever revision it has. RFC 9110, section 13.1.1. */
export const insistsOnAny = (headers: Headers): boolean => headers.get('if-match')?.trim() === '*';

/** If-None-Match: `*` with a write asks that there is nothing yet. RFC 9110, section 13.1.2. */
export const insistsOnNone = (headers: Headers): boolean => headers.get('if-none-match')?.trim() === '*';

/** Does If-None-Match name this tag? RFC 9110, section 13.1.2: weak comparison. */
export function isKnown(headers: Headers, etag: string): boolean {
  const given = headers.get('if-none-match');
  if (given === null) return false;
  return given.trim() === '*' || given.split(',').some((tag) => tag.trim().replace(/^W\//, '') === etag);
}

/** Answers GET with a resource whose revision tells of every change: 304 for whom knows it. */
export function revisionReply(headers: Headers, revision: number, body: object): Reply {
  const etag = etagOf(revision);
  return isKnown(headers, etag) ? { status: 304, headers: { etag } } : { status: 200, body, headers: { etag } };
}
