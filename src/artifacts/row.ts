import type { Context } from '../context.js';
import { AcervoError } from '../errors/error.js';
import { maySee } from '../keys/bound-agent.js';
import type { Artifact } from './schemas.js';

export type ArtifactStatus = 'reserved' | 'stored' | 'deleting' | 'deleted' | 'abandoned' | 'expired';

/** An upload that has been begun and not completed. */
export interface PendingUpload {
  method: 'PUT' | 'POST' | 'multipart';
  /** As declared: what arrives must have this size, and this digest if there is one. */
  size_bytes: number;
  content_type: string;
  sha256?: string;
  /** Of the object store, for `multipart`; missing between the reservation and the store's answer. */
  upload_id?: string;
  part_size_bytes?: number;
  /** Of the URLs that were signed last. */
  urls_expire_at: string;
}

/** A version whose bytes have been acknowledged. */
export interface Version {
  version_id: string;
  etag: string;
  size_bytes: number;
  content_type: string;
  sha256: string | undefined;
  checksum: 'verified' | 'unverified';
}

export interface Retention {
  mode: 'GOVERNANCE' | 'COMPLIANCE';
  retain_until: string;
}

/** A cached download URL; `scope` is the store's `presign_scope`. */
export interface PresignedUrl {
  url: string;
  expires_at: string;
  scope: string;
  version_id: string;
}

/** What a change decides of a pointer; the query adds id, times and revision. */
export interface ArtifactColumns {
  bucket: string;
  key: string;
  name: string;
  entity?: string | undefined;
  user?: string | undefined;
  agent_id?: string | undefined;
  session_id?: string | undefined;
  metadata: Record<string, unknown>;
  status: ArtifactStatus;
  content_type: string;
  size_bytes: number;
  sha256?: string | undefined;
  checksum: 'verified' | 'unverified';
  version_id?: string | undefined;
  etag?: string | undefined;
  version_count: number;
  legal_hold: boolean;
  retention?: Retention | undefined;
  upload?: PendingUpload | undefined;
  /** The last upload of a further version became none: what is stored must not be taken for it. */
  upload_superseded?: boolean | undefined;
  settle_after?: string | undefined;
  stored_at?: string | undefined;
}

/** A pointer as the database has it. */
export interface ArtifactRow extends ArtifactColumns {
  id: string;
  created_at: string;
  updated_at: string;
  revision: number;
  state_digest: string;
  presigned?: PresignedUrl;
}

/**
 * The pointer of an artifact that this key may read, whatever its status.
 * @throws AcervoError `artifact:not_found` when there is none, or it belongs to another agent than the key's
 */
export async function readArtifact(ctx: Context, id: string): Promise<ArtifactRow> {
  const row = await ctx.db.query<ArtifactRow | null | undefined>('artifacts/get', { id });
  if (!row || !maySee(ctx.principal, row)) throw new AcervoError('artifact:not_found');
  return row;
}

/**
 * The version that an artifact is.
 * @throws AcervoError `artifact:not_stored` before its bytes have arrived, `artifact:not_found` when they are deleted
 */
export function storedVersion(row: ArtifactRow): { bucket: string; key: string; version_id: string } {
  const { bucket, key, version_id, status } = row;
  if (status === 'stored' && version_id !== undefined) return { bucket, key, version_id };
  throw new AcervoError(status === 'reserved' ? 'artifact:not_stored' : 'artifact:not_found', {
    detail: `The artifact is ${status}.`,
  });
}

/** The version that an artifact is, or was when it was deleted; undefined before its bytes have arrived. */
export function ownVersion(row: ArtifactRow): Version | undefined {
  const { version_id, etag, size_bytes, content_type, sha256, checksum } = row;
  if (version_id === undefined || etag === undefined) return undefined;
  return { version_id, etag, size_bytes, content_type, sha256, checksum };
}

/** The columns that clients see. */
export function publicArtifact(row: ArtifactRow): Artifact {
  const { id, bucket, key, name, entity, user, agent_id, session_id, metadata, status, content_type } = row;
  const { size_bytes, sha256, checksum, version_id, etag, version_count, legal_hold, retention } = row;
  const { created_at, updated_at, stored_at, revision, upload } = row;
  const whose = { id, bucket, key, name, entity, user, agent_id, session_id, metadata, status };
  const bytes = { content_type, size_bytes, sha256, checksum, version_id, etag, version_count };
  const pending = upload && {
    method: upload.method,
    size_bytes: upload.size_bytes,
    part_size_bytes: upload.part_size_bytes,
    expires_at: upload.urls_expire_at,
  };
  return { ...whose, ...bytes, legal_hold, retention, created_at, updated_at, stored_at, revision, upload: pending };
}
