import { AcervoError } from '../errors/error.js';
import type { ArtifactColumns, ArtifactRow, ArtifactStatus, PendingUpload, Retention, Version } from './row.js';

/**
 * The life of a pointer. A late event revives an abandoned reservation; a deleted or
 * expired artifact comes back while its bytes are there.
 */
const NEXT: Record<ArtifactStatus, readonly ArtifactStatus[]> = {
  reserved: ['stored', 'deleting', 'abandoned'],
  stored: ['deleting', 'deleted', 'expired'],
  deleting: ['deleted', 'stored'],
  deleted: ['stored'],
  expired: ['stored', 'deleting'],
  abandoned: ['stored', 'reserved', 'deleting'],
};

/** How many acknowledged versions an artifact may have; the disk driver keeps as many of a key. */
export const MAX_VERSIONS = 1000;

/** What one change writes: the new pointer, and what it says of versions. */
export interface Next {
  row: ArtifactColumns;
  action: 'CREATE' | 'UPDATE' | 'DELETE';
  status: 'SUCCESS' | 'EXPIRED' | 'FAILURE';
  /** Acknowledged by this change. */
  version?: Version;
  /** Ids of versions that are no longer in the store. */
  gone?: string[];
}

/** @throws AcervoError `artifact:not_reserved`, or `artifact:not_found` for what is deleted */
function columnsFor(row: ArtifactRow, status: ArtifactStatus): ArtifactColumns {
  if (row.status !== status && !NEXT[row.status].includes(status))
    throw new AcervoError(status === 'stored' ? 'artifact:not_reserved' : 'artifact:not_found', {
      detail: `The artifact is ${row.status}.`,
    });
  const { id: _id, created_at: _created, updated_at: _updated, revision: _revision, ...columns } = row;
  const { state_digest: _digest, presigned: _presigned, ...kept } = columns;
  return { ...kept, status };
}

/** What the store keeps a version with. */
export interface Lock {
  legal_hold: boolean;
  retention: Retention | undefined;
}

/** The upload under way, if there is one, ends and becomes no version. */
const uploadEnded = ({ upload, upload_superseded }: ArtifactRow) => ({
  upload: undefined,
  upload_superseded: upload === undefined ? upload_superseded : true,
});

/**
 * The bytes of a version are there, and it is what the artifact is from now on, kept as it was.
 * @param isUpload are they those of the upload under way? Those of a reservation are, however they came.
 * @throws AcervoError `artifact:not_reserved` (deleted meanwhile), `artifact:too_many_versions`
 */
export function stored(row: ArtifactRow, version: Version, now: Date, isUpload = row.status !== 'stored'): Next {
  // Only `broughtBack` takes a delete back: bytes that come late do not.
  if (['deleting', 'deleted', 'expired'].includes(row.status))
    throw new AcervoError('artifact:not_reserved', { detail: `The artifact is ${row.status}.` });
  const columns = columnsFor(row, 'stored');
  const { version_id, etag, size_bytes, content_type, sha256, checksum } = version;
  const isNew = row.version_id !== version_id;
  if (isNew && row.version_count >= MAX_VERSIONS) throw new AcervoError('artifact:too_many_versions');
  return {
    row: {
      ...columns,
      ...{ version_id, etag, size_bytes, content_type, sha256, checksum },
      version_count: row.version_count + (isNew ? 1 : 0),
      ...(isUpload ? { upload: undefined, upload_superseded: undefined } : uploadEnded(row)),
      settle_after: undefined,
      stored_at: now.toISOString(),
    },
    version,
    action: 'UPDATE',
    status: 'SUCCESS',
  };
}

/** The version that it was is gone for good; what it is now is the acknowledged one that was under it. */
export function fallenBack(row: ArtifactRow, { version_id, ...of }: Version, lock: Lock): Next {
  const gone = row.version_id === undefined ? [] : [row.version_id];
  const version_count = row.version_count - gone.length;
  const { etag, size_bytes, content_type, sha256, checksum } = of;
  const columns = { version_id, etag, size_bytes, content_type, sha256, checksum, ...lock, version_count };
  return { row: { ...columnsFor(row, 'stored'), ...columns }, gone, action: 'UPDATE', status: 'FAILURE' };
}

/** An upload is awaited until `settle_after`: the first one, or one of a further version. */
export function awaiting(row: ArtifactRow, upload: PendingUpload, settle_after: Date): Next {
  const status = row.status === 'stored' ? 'stored' : 'reserved';
  return {
    row: {
      ...columnsFor(row, status),
      ...{ upload, upload_superseded: undefined, settle_after: settle_after.toISOString() },
    },
    action: 'UPDATE',
    status: 'SUCCESS',
  };
}

/** The upload that was awaited did not come. */
export function abandoned(row: ArtifactRow): Next {
  const status = row.status === 'stored' ? 'stored' : 'abandoned';
  return {
    row: { ...columnsFor(row, status), ...uploadEnded(row), settle_after: undefined },
    action: 'UPDATE',
    status: 'FAILURE',
  };
}

/** @throws AcervoError `artifact:held`, `artifact:not_found` */
export function deleting(row: ArtifactRow, now: Date, settle_after: Date): Next {
  refuseHeld(row, now);
  return {
    row: { ...columnsFor(row, 'deleting'), settle_after: settle_after.toISOString() },
    action: 'UPDATE',
    status: 'SUCCESS',
  };
}

/** The object is not there any more: by our own delete, a rule of lifecycle.xml, or somebody else's hand. */
export function removed(row: ArtifactRow, as: 'deleted' | 'expired', gone: string[] = []): Next {
  return {
    row: {
      ...columnsFor(row, as),
      ...uploadEnded(row),
      settle_after: undefined,
      version_count: row.version_count - gone.length,
      version_id: row.version_id !== undefined && gone.includes(row.version_id) ? undefined : row.version_id,
    },
    gone,
    action: 'DELETE',
    status: as === 'expired' ? 'EXPIRED' : 'SUCCESS',
  };
}

/** It is being brought back; until `settle_after` whoever finds its object is not to delete it again. */
export function comingBack(row: ArtifactRow, settle_after: Date): Next {
  return {
    row: { ...columnsFor(row, row.status), settle_after: settle_after.toISOString() },
    action: 'UPDATE',
    status: 'SUCCESS',
  };
}

/** What was begun is over, and nothing has come of it. */
export function endedAsIs(row: ArtifactRow): Next {
  return {
    row: { ...columnsFor(row, row.status), settle_after: undefined },
    action: 'UPDATE',
    status: 'FAILURE',
  };
}

/** The object is there again as it was. @throws AcervoError `artifact:not_reserved` */
export function broughtBack(row: ArtifactRow): Next {
  return {
    row: { ...columnsFor(row, 'stored'), ...uploadEnded(row), settle_after: undefined },
    action: 'UPDATE',
    status: 'SUCCESS',
  };
}

/**
 * The object is there again, as a further version of the same bytes.
 * @throws AcervoError `artifact:not_reserved`, `artifact:too_many_versions`
 */
export function renewed(row: ArtifactRow, version: Version, now: Date): Next {
  if (row.version_count >= MAX_VERSIONS) throw new AcervoError('artifact:too_many_versions');
  const { version_id, etag } = version;
  const columns = { version_id, etag, version_count: row.version_count + 1, stored_at: now.toISOString() };
  const back = broughtBack(row);
  return { ...back, version, row: { ...back.row, ...columns } };
}

/** What the store keeps the artifact's version with has changed. */
export function locked(row: ArtifactRow, lock: Lock): Next {
  return { row: { ...columnsFor(row, row.status), ...lock }, action: 'UPDATE', status: 'SUCCESS' };
}

/** What is said about it has changed. */
export function described(row: ArtifactRow, columns: Pick<ArtifactColumns, 'metadata' | 'session_id'>): Next {
  return { row: { ...columnsFor(row, row.status), ...columns }, action: 'UPDATE', status: 'SUCCESS' };
}

/** Old versions are gone; the artifact is as before. */
export function withoutVersions(row: ArtifactRow, gone: string[]): Next {
  const columns = columnsFor(row, row.status);
  return {
    row: { ...columns, version_count: row.version_count - gone.length },
    gone,
    action: 'UPDATE',
    status: 'SUCCESS',
  };
}

/** @throws AcervoError `artifact:held` */
export function refuseHeld({ legal_hold, retention }: ArtifactRow, now: Date): void {
  if (legal_hold) throw new AcervoError('artifact:held', { detail: 'A legal hold is on it.' });
  if (retention !== undefined && new Date(retention.retain_until) > now)
    throw new AcervoError('artifact:held', {
      detail: `It is retained (${retention.mode}) until ${retention.retain_until}.`,
    });
}
