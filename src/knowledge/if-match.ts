import { AcervoError } from '../errors/error.js';

/** The ETag of a revision. RFC 9110, section 8.8.3. */
export const etagOf = (revision: number): string => `"${revision}"`;

/**
 * The revision that If-Match names; undefined without the header or for `*`.
 * @throws AcervoError `revision:mismatch` for any other tag than one of ours, which cannot be current
 */
export function revisionFromIfMatch(headers: Headers): number | undefined {
  const given = headers.get('if-match');
  if (given === null || given === '*') return undefined;
  const revision = /^"(\d{1,15})"$/.exec(given.trim())?.[1];
  if (revision === undefined)
    throw new AcervoError('revision:mismatch', { detail: 'If-Match takes one of our ETags.' });
  return Number(revision);
}
