import { open } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { AcervoError } from '../../errors/error.js';
import { checkLimit, checkPartNumber, checkRetention, checkSize } from '../bounds.js';
import type { Bucket } from '../buckets.js';
import { checkPrefix } from '../keys.js';
import { checkLonger, isHeld } from '../object-lock.js';
import type {
  ByteRange,
  ListedPart,
  ListedVersion,
  ListOptions,
  ObjectContent,
  ObjectLockState,
  ObjectName,
  ObjectPage,
  ObjectStat,
  ObjectStore,
  ObjectVersion,
  PresignedRequest,
  PresignGetOptions,
  PresignOptions,
  PresignUploadOptions,
  PutOptions,
  Retention,
  StoredObject,
  UnfinishedUpload,
  Upload,
  UploadPart,
} from '../port.js';
import { Catalog, type Entry, type Version } from './catalog.js';
import { type Aging, Entries, lockStateOf } from './entries.js';
import { ifThere, makeDirectory } from './files.js';
import { listObjects, listVersions } from './listings.js';
import { lockDirectory } from './lock.js';
import { resolveRange } from './ranges.js';
import { DiskSigner } from './signer.js';
import { withStagedBytes, withStagedCopy } from './staging.js';
import { Uploads } from './uploads.js';

const MIN_SECRET_BYTES = 32;

export interface DiskOptions {
  /** A directory of its own; made when it is not there. */
  root: string;
  buckets: readonly Bucket[];
  /** Signs URLs; 32 bytes or more. */
  secret: Buffer;
  /** Signed URLs are this, a slash and a token for `openGrant`. A function: the port is known only after listening. */
  publicUrl: () => string;
  clock: () => Date;
}

/**
 * An object store in a directory, for one process: durable when a write returns, whole or not at all after kill -9.
 * Every bucket keeps versions.
 */
export class DiskStore implements ObjectStore {
  private readonly entries: Entries;
  private readonly signer: DiskSigner;

  private constructor(
    private readonly options: DiskOptions,
    private readonly catalog: Catalog,
    private readonly uploads: Uploads,
    /** Lets another process open the directory. Call it when nothing is being written any more. */
    readonly close: () => Promise<void>,
  ) {
    this.entries = new Entries(catalog, options.buckets, options.clock);
    this.signer = new DiskSigner(options);
  }

  /** Locks the directory, and removes what a killed process left behind. @throws Error when another process has it, RangeError for a short secret */
  static async open(options: DiskOptions): Promise<DiskStore> {
    if (options.secret.length < MIN_SECRET_BYTES)
      throw new RangeError(`The secret of signed URLs needs ${MIN_SECRET_BYTES} bytes or more.`);
    await makeDirectory(options.root);
    const release = await lockDirectory(options.root);
    const catalog = new Catalog(options.root);
    const uploads = new Uploads(options.root, catalog.staged);
    try {
      await catalog.open();
      await uploads.open();
    } catch (error) {
      await release();
      throw error;
    }
    return new DiskStore(options, catalog, uploads, release);
  }

  async put(name: ObjectName, body: Readable, options: PutOptions): Promise<StoredObject & { sha256: string }> {
    this.entries.check(name);
    checkSize(options.size_bytes);
    return withStagedBytes(this.catalog.staged, body, options, async ({ path, size_bytes, sha256 }) => {
      const { content_type, precondition } = options;
      const stored = await this.entries.add(name, { path, size_bytes, content_type, etag: sha256 }, precondition);
      return { ...stored, sha256 };
    });
  }

  async get(object: ObjectVersion, range?: ByteRange): Promise<ObjectContent> {
    const found = await this.entries.find(object);
    const content_range = range === undefined ? null : resolveRange(range, found.size_bytes);
    // An open file stays readable when its version is deleted meanwhile.
    const handle = await ifThere(open(this.catalog.bytesPath(object, found.version_id)));
    if (handle === undefined) throw new AcervoError('artifact:not_found');
    const part = content_range === null ? {} : { start: content_range.first, end: content_range.last };
    return { ...statOf(found), content_range, body: handle.createReadStream(part) };
  }

  async stat(object: ObjectVersion): Promise<ObjectStat> {
    return statOf(await this.entries.find(object));
  }

  async list(bucket: string, { prefix = '', cursor = '', limit }: ListOptions): Promise<ObjectPage> {
    this.entries.bucket(bucket);
    checkPrefix(prefix);
    checkLimit(limit);
    return listObjects(this.catalog, bucket, { prefix, cursor, limit });
  }

  async versions(name: ObjectName): Promise<ListedVersion[]> {
    this.entries.check(name);
    return listVersions(await this.catalog.read(name));
  }

  async delete(object: ObjectVersion): Promise<void> {
    this.entries.check(object);
    await this.entries.alone(object, async (entry) => {
      if (object.version_id === undefined) {
        await this.entries.hide(entry);
        return;
      }
      const version = entry.versions.find(({ version_id }) => version_id === object.version_id);
      if (version === undefined) return;
      if (isHeld(lockStateOf(version), this.options.clock())) throw new AcervoError('artifact:held');
      await this.catalog.remove(entry, [version]);
    });
  }

  async copy(from: ObjectVersion, to: ObjectName): Promise<StoredObject> {
    this.entries.check(to);
    const { version_id, size_bytes, content_type, etag } = await this.entries.find(from);
    return withStagedCopy(this.catalog.staged, this.catalog.bytesPath(from, version_id), (path) =>
      this.entries.add(to, { path, size_bytes, content_type, etag }),
    );
  }

  async startUpload(name: ObjectName, { content_type }: { content_type: string }): Promise<Upload> {
    this.entries.check(name);
    const { bucket, key } = name;
    return this.uploads.start({ bucket, key, content_type, started_at: this.options.clock().toISOString() });
  }

  async putPart(
    upload: Upload,
    part_number: number,
    body: Readable,
    options: Pick<PutOptions, 'size_bytes' | 'sha256'>,
  ): Promise<{ etag: string; sha256: string }> {
    this.entries.check(upload);
    checkPartNumber(part_number);
    checkSize(options.size_bytes);
    return this.uploads.put(upload, part_number, body, options);
  }

  async parts(upload: Upload): Promise<ListedPart[]> {
    this.entries.check(upload);
    const parts = await this.uploads.parts(upload);
    return parts.map(({ part_number, etag, size_bytes }) => ({ part_number, etag, size_bytes }));
  }

  async completeUpload(upload: Upload, parts: UploadPart[]): Promise<StoredObject> {
    this.entries.check(upload);
    return this.uploads.complete(upload, parts, (whole) => this.entries.add(upload, whole));
  }

  async abortUpload(upload: Upload): Promise<void> {
    this.entries.check(upload);
    await this.uploads.abort(upload);
  }

  async unfinishedUploads(bucket: string, startedBefore: Date): Promise<UnfinishedUpload[]> {
    this.entries.bucket(bucket);
    return this.uploads.unfinished(bucket, startedBefore);
  }

  /** For the janitor: all keys in order, hidden ones too. */
  keys(bucket: string): AsyncGenerator<string> {
    return this.catalog.keys(this.entries.bucket(bucket).name, '', '');
  }

  /** For the janitor: does what `decide` says of the newest state of a key, while nobody else changes it. */
  age(name: ObjectName, decide: (entry: Entry) => Aging): Promise<{ removed: Version[]; marker: Version | undefined }> {
    return this.entries.age(name, decide);
  }

  async lockOf(object: ObjectVersion): Promise<ObjectLockState> {
    this.entries.checkLockable(object);
    return lockStateOf(await this.entries.find(object));
  }

  async setLegalHold(object: ObjectVersion, on: boolean): Promise<void> {
    await this.entries.changeLock(object, (before) => ({ ...before, legal_hold: on }));
  }

  async setRetention(object: ObjectVersion, { mode, retain_until }: Retention): Promise<void> {
    const now = this.options.clock();
    checkRetention({ mode, retain_until }, now);
    await this.entries.changeLock(object, (before) => {
      checkLonger(before.retention, { mode, retain_until }, now);
      return { ...before, retention: { mode, retain_until: new Date(retain_until).toISOString() } };
    });
  }

  get presign_scope(): string {
    return this.signer.scope;
  }

  async presignGet(object: ObjectVersion, options: PresignGetOptions): Promise<PresignedRequest> {
    this.entries.check(object);
    return this.signer.get(object, options);
  }

  async presignPut(name: ObjectName, options: PresignOptions): Promise<PresignedRequest> {
    this.entries.check(name);
    return this.signer.put(name, options);
  }

  async presignPart(upload: Upload, part_number: number, options: PresignOptions): Promise<PresignedRequest> {
    this.entries.check(upload);
    return this.signer.part(upload, part_number, options);
  }

  async presignUpload(name: ObjectName, options: PresignUploadOptions): Promise<PresignedRequest> {
    this.entries.check(name);
    return this.signer.upload(name, options);
  }
}

function statOf({ etag, version_id, size_bytes, content_type, modified_at }: Version): ObjectStat {
  return { etag, version_id, size_bytes, content_type, modified_at };
}
