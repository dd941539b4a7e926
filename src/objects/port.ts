import type { Readable } from 'node:stream';
import type { ObjectLockState, Retention } from './object-lock.js';

export type { ObjectLockState, Retention };

/** Where an object lies. Both obey `checkName` of keys.ts: what one driver takes, the other takes too. */
export interface ObjectName {
  bucket: string;
  key: string;
}

/** One version of an object; without `version_id` the newest. */
export interface ObjectVersion extends ObjectName {
  version_id?: string;
}

/** Write only if there is no object, or only over the object that has this etag. */
export type Precondition = { if_none_match: '*' } | { if_match: string };

export interface PutOptions {
  /** The body must have exactly so many. */
  size_bytes: number;
  content_type: string;
  /** 64 hexadecimal digits; bytes with another digest are never stored. */
  sha256?: string;
  precondition?: Precondition;
}

/** What a write made. `etag` is opaque, without quotes; `version_id` is null in a bucket that keeps no versions. */
export interface StoredObject {
  etag: string;
  version_id: string | null;
}

export interface ObjectStat extends StoredObject {
  /** Of the whole object, also when only a range is read. */
  size_bytes: number;
  content_type: string;
  modified_at: string;
}

/** RFC 9110, section 14.1.2: `first-last` (both included), `first-`, or `-suffix`. */
export type ByteRange = { first: number; last?: number } | { suffix: number };

export interface ObjectContent extends ObjectStat {
  /** Breaks with an error when the store breaks off; destroy it when it is not read to its end. */
  body: Readable;
  /** The part that `body` brings: `content_range` is null for the whole object. */
  content_range: { first: number; last: number } | null;
}

export interface ListOptions {
  prefix?: string;
  /** As the page before gave it. */
  cursor?: string;
  /** 1 to 1 000. */
  limit: number;
}

export interface ListedObject {
  key: string;
  size_bytes: number;
  etag: string;
  modified_at: string;
}

export interface ObjectPage {
  /** In the order of the UTF-8 bytes of their keys. */
  objects: ListedObject[];
  cursor: string | null;
}

export interface ListedVersion {
  /** 'null' for one that was written before the bucket kept versions. */
  version_id: string;
  size_bytes: number;
  etag: string;
  modified_at: string;
  /** A marker: the object was deleted then. It has no bytes. */
  deleted: boolean;
}

/** An upload in parts. Parts may come in any order, at once, and again: the last one counts. */
export interface Upload extends ObjectName {
  upload_id: string;
}

export interface UploadPart {
  /** 1 to 10 000. */
  part_number: number;
  etag: string;
}

export interface ListedPart extends UploadPart {
  size_bytes: number;
}

export interface UnfinishedUpload extends Upload {
  started_at: string;
}

export interface PresignOptions {
  /** 1 second to 7 days. */
  expires_in_seconds: number;
}

export interface PresignGetOptions extends PresignOptions {
  /** The answer has this header (RFC 6266); printable ASCII, at most 2 000 characters. */
  content_disposition?: string;
}

export interface PresignUploadOptions extends PresignOptions {
  content_type: string;
  max_size_bytes: number;
}

/** A request that whoever has it may send until it expires, without a key of ours. */
export interface PresignedRequest {
  method: 'GET' | 'PUT' | 'POST';
  url: string;
  /** To be sent as they are. */
  headers: Record<string, string>;
  /** For POST: the form's fields, to be sent before the field `file`. */
  fields: Record<string, string>;
  expires_at: string;
}

/** Bytes of parts other than the last: S3 refuses smaller ones when the upload is completed. */
export const MIN_PART_BYTES = 5 * 1024 * 1024;
export const MAX_PART_NUMBER = 10_000;
export const MAX_LIST_LIMIT = 1000;
export const MAX_PRESIGN_SECONDS = 7 * 24 * 3600;

/**
 * Bytes by bucket and key. The database is right about what exists, this about bytes. Every method throws AcervoError:
 * `artifact:key_invalid`, `artifact:bucket_not_found`, `artifact:not_found` (also for a version that is not there, and
 * for a delete marker), `objects:unavailable` (retryable: no answer, or 5xx), or `objects:refused` (wrong credentials,
 * missing rights, or a request that the store does not take). Reads are tried again inside of the driver, writes never.
 *
 * One thing S3 servers do differently: MinIO stores `a` beside `a/b`, but lists only `a` then. Give keys that are no
 * folder of one another.
 */
export interface ObjectStore {
  /**
   * Streams `body` into the store, in constant memory. Readers see the old content or the new, never a part.
   * @returns `sha256` of the bytes, in hexadecimal
   * @throws AcervoError `artifact:size_mismatch`, `artifact:checksum_mismatch`, `artifact:precondition_failed`
   */
  put(name: ObjectName, body: Readable, options: PutOptions): Promise<StoredObject & { sha256: string }>;

  /** @throws AcervoError `artifact:range_not_satisfiable` for a range that begins at or behind the end */
  get(object: ObjectVersion, range?: ByteRange): Promise<ObjectContent>;

  stat(object: ObjectVersion): Promise<ObjectStat>;

  list(bucket: string, options: ListOptions): Promise<ObjectPage>;

  /** The newest 1 000 versions of one key, newest first. Empty when there is none. */
  versions(name: ObjectName): Promise<ListedVersion[]>;

  /**
   * With `version_id` its bytes are gone for good. Without, where versions are kept, a marker hides the object and old
   * versions stay, held ones too; deleting the marker by its own `version_id` brings the object back. What is not there
   * is no error.
   * @throws AcervoError `artifact:held` for a version under a legal hold or a retention
   */
  delete(object: ObjectVersion): Promise<void>;

  /** Content and content type. S3 copies up to 5 GiB in one request; more is refused. */
  copy(from: ObjectVersion, to: ObjectName): Promise<StoredObject>;

  startUpload(name: ObjectName, options: { content_type: string }): Promise<Upload>;

  /** @throws AcervoError `artifact:upload_not_found`, and what `put` throws about the bytes */
  putPart(
    upload: Upload,
    part_number: number,
    body: Readable,
    options: Pick<PutOptions, 'size_bytes' | 'sha256'>,
  ): Promise<{ etag: string; sha256: string }>;

  /** By number. @throws AcervoError `artifact:upload_not_found` */
  parts(upload: Upload): Promise<ListedPart[]>;

  /**
   * Makes one object of the parts named, in the order of their numbers; parts that are not named are dropped.
   * @throws AcervoError `artifact:upload_not_found`, `artifact:part_invalid` (missing, of another etag, not in ascending
   *   order, or smaller than `MIN_PART_BYTES` without being the last)
   */
  completeUpload(upload: Upload, parts: UploadPart[]): Promise<StoredObject>;

  /** An upload that is not there (any more) is no error. */
  abortUpload(upload: Upload): Promise<void>;

  /** At most 1 000, for the janitor, which aborts them and asks again. */
  unfinishedUploads(bucket: string, startedBefore: Date): Promise<UnfinishedUpload[]>;

  /**
   * What keeps this version from being deleted.
   * @throws AcervoError `artifact:lock_unsupported` in a bucket without object lock, as the next two do
   */
  lockOf(object: ObjectVersion): Promise<ObjectLockState>;

  setLegalHold(object: ObjectVersion, on: boolean): Promise<void>;

  /**
   * @throws AcervoError `artifact:held` when a running retention would become shorter or get another mode
   * @throws RangeError when `retain_until` is not in the future
   */
  setRetention(object: ObjectVersion, retention: Retention): Promise<void>;

  /**
   * A digest of all that signed URLs depend on: those made under another one do not work any more. Hexadecimal, the
   * same on all nodes of an installation.
   */
  readonly presign_scope: string;

  presignGet(object: ObjectVersion, options: PresignGetOptions): Promise<PresignedRequest>;

  /** Any size and type: an S3 signature of a PUT covers neither. Use `presignUpload` where that matters. */
  presignPut(name: ObjectName, options: PresignOptions): Promise<PresignedRequest>;

  presignPart(upload: Upload, part_number: number, options: PresignOptions): Promise<PresignedRequest>;

  /** At most `max_size_bytes` of that type: a POST policy on S3, a signed PUT of ours on disk. */
  presignUpload(name: ObjectName, options: PresignUploadOptions): Promise<PresignedRequest>;
}
