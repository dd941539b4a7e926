import type { IncomingHttpHeaders } from 'node:http';
import { AcervoError } from '../../errors/error.js';
import type { ByteRange, ObjectStat, ObjectVersion, Precondition, StoredObject } from '../port.js';

/** Source: S3 user guide, version IDs: opaque, ready for URLs, at most 1 024 bytes. */
const VERSION_ID = /^[A-Za-z0-9_-][A-Za-z0-9._~-]{0,1023}$/;

export function conditionOf(precondition: Precondition | undefined): Record<string, string> {
  if (precondition === undefined) return {};
  return 'if_match' in precondition ? { 'if-match': `"${precondition.if_match}"` } : { 'if-none-match': '*' };
}

export function rangeHeader(range: ByteRange): string {
  return 'suffix' in range ? `bytes=-${range.suffix}` : `bytes=${range.first}-${range.last ?? ''}`;
}

/** @throws AcervoError `artifact:not_found` for an id that no version has: MinIO takes such for a fault in the path */
export function versionQuery({ version_id }: ObjectVersion): Record<string, string> {
  if (version_id === undefined) return {};
  if (!VERSION_ID.test(version_id)) throw new AcervoError('artifact:not_found');
  return { versionId: version_id };
}

export function storedOf(headers: IncomingHttpHeaders): StoredObject {
  const version = headers['x-amz-version-id'];
  return { etag: (headers.etag ?? '').replace(/"/g, ''), version_id: version === undefined ? null : String(version) };
}

export function statOf(headers: IncomingHttpHeaders): ObjectStat {
  return {
    ...storedOf(headers),
    size_bytes: Number(headers['content-length']),
    content_type: headers['content-type'] ?? 'application/octet-stream',
    modified_at: new Date(headers['last-modified'] ?? 0).toISOString(),
  };
}
