import { constants } from 'node:fs';
import { copyFile, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { v7 as uuidv7 } from 'uuid';
import { AcervoError } from '../../errors/error.js';
import { checkLimit, checkPartNumber, checkSize, expiryOf } from '../bounds.js';
import { checkName, checkPrefix } from '../keys.js';
import type {
  ByteRange,
  ListedObject,
  ListedPart,
  ListedVersion,
  ListOptions,
  ObjectContent,
  ObjectName,
  ObjectPage,
  ObjectStat,
  ObjectStore,
  ObjectVersion,
  Precondition,
  PresignedRequest,
  PresignOptions,
  PresignUploadOptions,
  PutOptions,
  StoredObject,
  UnfinishedUpload,
  Upload,
  UploadPart,
} from '../port.js';
import { MAX_LIST_LIMIT } from '../port.js';
import { Catalog, type Entry, type Version } from './catalog.js';
import { ifThere, makeDirectory } from './files.js';
import { type Grant, signGrant } from './grants.js';
import { lockDirectory } from './lock.js';
import { Mutex } from './mutex.js';
import { resolveRange } from './ranges.js';
import { withStagedBytes } from './staging.js';
import { concatenated, Uploads } from './uploads.js';

/** An entry is read and written whole. */
export const MAX_VERSIONS = 1000;
const MIN_SECRET_BYTES = 32;

export interface DiskOptions {
  /** A directory of its own; made when it is not there. */
  root: string;
  buckets: string[];
  /** Signs URLs; 32 bytes or more. */
  secret: Buffer;
  /** Signed URLs are this, a slash and a token for `openGrant`. */
  publicUrl: string;
  clock: () => Date;
}

/**
 * An object store in a directory, for one process: durable when a write returns, whole or not at all after kill -9.
 * Every bucket keeps versions.
 */
export class DiskStore implements ObjectStore {
  private readonly mutex = new Mutex();

  private constructor(
    private readonly options: DiskOptions,
    private readonly catalog: Catalog,
    private readonly uploads: Uploads,
    /** Lets another process open the directory. Call it when nothing is being written any more. */
    readonly close: () => Promise<void>,
  ) {}

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
    this.check(name);
    checkSize(options.size_bytes);
    return withStagedBytes(this.catalog.staged, body, options, async ({ path, size_bytes, sha256 }) => {
      const { content_type, precondition } = options;
      const stored = await this.add(name, { path, size_bytes, content_type, etag: sha256 }, precondition);
      return { ...stored, sha256 };
    });
  }

  async get(object: ObjectVersion, range?: ByteRange): Promise<ObjectContent> {
    const found = await this.find(object);
    const content_range = range === undefined ? null : resolveRange(range, found.size_bytes);
    // An open file stays readable when its version is deleted meanwhile.
    const handle = await ifThere(open(this.catalog.bytesPath(object, found.version_id)));
    if (handle === undefined) throw new AcervoError('artifact:not_found');
    const part = content_range === null ? {} : { start: content_range.first, end: content_range.last };
    return { ...statOf(found), content_range, body: handle.createReadStream(part) };
  }

  async stat(object: ObjectVersion): Promise<ObjectStat> {
    return statOf(await this.find(object));
  }

  async list(bucket: string, { prefix = '', cursor = '', limit }: ListOptions): Promise<ObjectPage> {
    this.checkBucket(bucket);
    checkPrefix(prefix);
    checkPrefix(cursor);
    checkLimit(limit);
    const objects: ListedObject[] = [];
    for await (const key of this.catalog.keys(bucket, prefix, cursor)) {
      const current = (await this.catalog.read({ bucket, key })).versions.at(-1);
      if (current === undefined || current.deleted) continue;
      const last = objects.at(-1);
      if (last !== undefined && objects.length === limit) return { objects, cursor: last.key };
      const { size_bytes, etag, modified_at } = current;
      objects.push({ key, size_bytes, etag, modified_at });
    }
    return { objects, cursor: null };
  }

  async versions(name: ObjectName): Promise<ListedVersion[]> {
    this.check(name);
    const { versions } = await this.catalog.read(name);
    return versions
      .toReversed()
      .slice(0, MAX_LIST_LIMIT)
      .map(({ version_id, size_bytes, etag, modified_at, deleted = false }) => ({
        version_id,
        size_bytes,
        etag,
        modified_at,
        deleted,
      }));
  }

  async delete(object: ObjectVersion): Promise<void> {
    this.check(object);
    await this.alone(object, async (entry) => {
      if (object.version_id === undefined) {
        const current = entry.versions.at(-1);
        if (current === undefined || current.deleted) return;
        const marker = this.version({ size_bytes: 0, etag: '', content_type: '', deleted: true });
        await this.catalog.commit({ ...entry, versions: [...entry.versions, marker] });
      } else {
        const version = entry.versions.find(({ version_id }) => version_id === object.version_id);
        if (version !== undefined) await this.catalog.remove(entry, version);
      }
    });
  }

  async copy(from: ObjectVersion, to: ObjectName): Promise<StoredObject> {
    this.check(to);
    const { version_id, size_bytes, content_type, etag } = await this.find(from);
    const path = join(this.catalog.staged, uuidv7());
    try {
      // On file systems that can, both share their bytes.
      const source = this.catalog.bytesPath(from, version_id);
      const copied = await ifThere(copyFile(source, path, constants.COPYFILE_FICLONE).then(() => true));
      if (copied === undefined) throw new AcervoError('artifact:not_found');
      const handle = await open(path, 'r+');
      await handle.sync().finally(() => handle.close());
      return await this.add(to, { path, size_bytes, content_type, etag });
    } finally {
      await rm(path, { force: true });
    }
  }

  async startUpload(name: ObjectName, { content_type }: { content_type: string }): Promise<Upload> {
    this.check(name);
    const { bucket, key } = name;
    return this.uploads.start({ bucket, key, content_type, started_at: this.options.clock().toISOString() });
  }

  async putPart(
    upload: Upload,
    part_number: number,
    body: Readable,
    options: Pick<PutOptions, 'size_bytes' | 'sha256'>,
  ): Promise<{ etag: string; sha256: string }> {
    this.check(upload);
    checkPartNumber(part_number);
    checkSize(options.size_bytes);
    await this.uploads.about(upload);
    return withStagedBytes(this.catalog.staged, body, options, async (staged) => {
      await this.mutex.run(upload.upload_id, () => this.uploads.take(upload, part_number, staged));
      return { etag: staged.sha256, sha256: staged.sha256 };
    });
  }

  async parts(upload: Upload): Promise<ListedPart[]> {
    this.check(upload);
    const parts = await this.uploads.parts(upload);
    return parts.map(({ part_number, etag, size_bytes }) => ({ part_number, etag, size_bytes }));
  }

  async completeUpload(upload: Upload, parts: UploadPart[]): Promise<StoredObject> {
    this.check(upload);
    return this.mutex.run(upload.upload_id, async () => {
      const { content_type } = await this.uploads.about(upload);
      const files = await this.uploads.chosen(upload, parts);
      if (files.length === 0) throw new AcervoError('artifact:part_invalid', { detail: 'An upload has parts.' });
      const size_bytes = files.reduce((sum, file) => sum + file.size_bytes, 0);
      const whole = concatenated(files);
      const stored = await withStagedBytes(this.catalog.staged, whole, { size_bytes }, ({ path, sha256 }) =>
        this.add(upload, { path, size_bytes, content_type, etag: sha256 }),
      );
      await this.uploads.abort(upload);
      return stored;
    });
  }

  async abortUpload(upload: Upload): Promise<void> {
    this.check(upload);
    await this.mutex.run(upload.upload_id, async () => {
      const mine = await this.uploads.about(upload).catch(() => undefined);
      if (mine !== undefined) await this.uploads.abort(upload);
    });
  }

  async unfinishedUploads(bucket: string, startedBefore: Date): Promise<UnfinishedUpload[]> {
    this.checkBucket(bucket);
    return this.uploads.unfinished(bucket, startedBefore);
  }

  async presignGet(object: ObjectVersion, options: PresignOptions): Promise<PresignedRequest> {
    this.check(object);
    const { bucket, key, version_id } = object;
    return this.sign({ method: 'GET', bucket, key, ...(version_id === undefined ? {} : { version_id }) }, options);
  }

  async presignPut({ bucket, key }: ObjectName, options: PresignOptions): Promise<PresignedRequest> {
    this.check({ bucket, key });
    return this.sign({ method: 'PUT', bucket, key }, options);
  }

  async presignPart(upload: Upload, part_number: number, options: PresignOptions): Promise<PresignedRequest> {
    this.check(upload);
    checkPartNumber(part_number);
    const { bucket, key, upload_id } = upload;
    return this.sign({ method: 'PUT', bucket, key, upload_id, part_number }, options);
  }

  async presignUpload({ bucket, key }: ObjectName, options: PresignUploadOptions): Promise<PresignedRequest> {
    this.check({ bucket, key });
    const { content_type, max_size_bytes } = options;
    const request = this.sign({ method: 'PUT', bucket, key, content_type, max_size_bytes }, options);
    return { ...request, headers: { 'content-type': content_type } };
  }

  private sign(grant: Omit<Grant, 'expires_at_ms'>, options: PresignOptions): PresignedRequest {
    const { clock, secret, publicUrl } = this.options;
    const expiry = expiryOf(options, clock());
    const token = signGrant(secret, { ...grant, expires_at_ms: expiry.getTime() });
    const url = `${publicUrl}/${token}`;
    return { method: grant.method, url, headers: {}, fields: {}, expires_at: expiry.toISOString() };
  }

  /** Makes staged bytes the newest version of an object. */
  private async add(
    name: ObjectName,
    { path, ...about }: { path: string; size_bytes: number; etag: string; content_type: string },
    precondition?: Precondition,
  ): Promise<StoredObject> {
    return this.alone(name, async (entry) => {
      checkPrecondition(entry, precondition);
      if (entry.versions.length >= MAX_VERSIONS) throw new AcervoError('artifact:too_many_versions');
      const version = this.version(about);
      await this.catalog.commit({ ...entry, versions: [...entry.versions, version] }, path);
      return { etag: version.etag, version_id: version.version_id };
    });
  }

  private version(about: Omit<Version, 'version_id' | 'modified_at'>): Version {
    return { version_id: uuidv7(), modified_at: this.options.clock().toISOString(), ...about };
  }

  private alone<Result>({ bucket, key }: ObjectName, work: (entry: Entry) => Promise<Result>): Promise<Result> {
    return this.mutex.run(`${bucket}/${key}`, async () => work(await this.catalog.read({ bucket, key })));
  }

  /** @throws AcervoError `artifact:not_found` */
  private async find(object: ObjectVersion): Promise<Version> {
    this.check(object);
    const { versions } = await this.catalog.read(object);
    const { version_id } = object;
    const found = version_id === undefined ? versions.at(-1) : versions.find((one) => one.version_id === version_id);
    if (found === undefined || found.deleted) throw new AcervoError('artifact:not_found');
    return found;
  }

  private check(name: ObjectName): void {
    checkName(name);
    this.checkBucket(name.bucket);
  }

  private checkBucket(bucket: string): void {
    if (!this.options.buckets.includes(bucket)) throw new AcervoError('artifact:bucket_not_found');
  }
}

function statOf({ etag, version_id, size_bytes, content_type, modified_at }: Version): ObjectStat {
  return { etag, version_id, size_bytes, content_type, modified_at };
}

function checkPrecondition({ versions }: Entry, precondition: Precondition | undefined): void {
  if (precondition === undefined) return;
  const current = versions.at(-1);
  const etag = current === undefined || current.deleted ? undefined : current.etag;
  const holds = 'if_match' in precondition ? etag === precondition.if_match : etag === undefined;
  if (!holds) throw new AcervoError('artifact:precondition_failed');
}
