import type { Readable } from 'node:stream';
import { AcervoError, isAcervoError } from '../../errors/error.js';
import { checkLimit, checkPartNumber, checkRetention, checkSize } from '../bounds.js';
import { CheckedBody } from '../checked-body.js';
import { checkBucket, checkName, checkPrefix } from '../keys.js';
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
import { CopyDestinationOptions, CopySourceOptions, type S3Client, type S3Options } from './client.js';
import { once, retried } from './failures.js';
import { conditionOf, rangeHeader, statOf, storedOf, versionQuery } from './headers.js';
import { listObjects, listUploads, listVersions } from './listings.js';
import { explained, readLock, writeLegalHold, writeRetention } from './locks.js';
import { Sender } from './send.js';
import { S3Signer } from './signer.js';

/** Any S3-compatible server. Buckets, and whether they keep versions, are the server's. */
export class S3Store implements ObjectStore {
  private readonly sender: Sender;
  private readonly client: S3Client;
  private readonly signer: S3Signer;

  /** @throws TypeError for an endpoint that is no URL. Connects to nothing yet. */
  constructor(options: S3Options) {
    this.sender = new Sender(options);
    this.client = this.sender.client;
    this.signer = new S3Signer(options);
  }

  async put(name: ObjectName, body: Readable, options: PutOptions): Promise<StoredObject & { sha256: string }> {
    checkName(name);
    const { content_type, precondition } = options;
    const headers = { 'content-type': content_type, ...conditionOf(precondition) };
    try {
      return await this.upload({ ...name, query: {}, headers }, body, options);
    } catch (error) {
      // So an object to be replaced that is not there is answered.
      if (precondition !== undefined && isAcervoError(error, 'artifact:not_found'))
        throw new AcervoError('artifact:precondition_failed', { cause: error });
      throw error;
    }
  }

  async get(object: ObjectVersion, range?: ByteRange): Promise<ObjectContent> {
    checkName(object);
    const headers = range === undefined ? {} : { range: rangeHeader(range) };
    const request = { method: 'GET', ...object, query: versionQuery(object), headers } as const;
    const body = await retried(() => this.sender.send(request));
    const [, first, last, size] = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(body.headers['content-range'] ?? '') ?? [];
    const content_range = first === undefined ? null : { first: Number(first), last: Number(last) };
    const stat = statOf(body.headers);
    return { ...stat, size_bytes: size === undefined ? stat.size_bytes : Number(size), content_range, body };
  }

  async stat(object: ObjectVersion): Promise<ObjectStat> {
    checkName(object);
    const request = { method: 'HEAD', ...object, query: versionQuery(object) } as const;
    return statOf(await retried(() => this.sender.sendForHeaders(request)));
  }

  async list(bucket: string, options: ListOptions): Promise<ObjectPage> {
    checkBucket(bucket);
    checkPrefix(options.prefix ?? '');
    checkLimit(options.limit);
    return retried(() => listObjects(this.sender, bucket, options));
  }

  async versions(name: ObjectName): Promise<ListedVersion[]> {
    checkName(name);
    return retried(() => listVersions(this.sender, name));
  }

  async delete(object: ObjectVersion): Promise<void> {
    checkName(object);
    try {
      const request = { method: 'DELETE', ...object, query: versionQuery(object) } as const;
      await explained(this.sender, object, () => once(() => this.sender.sendForHeaders(request)));
    } catch (error) {
      // So a version that there cannot be is answered.
      if (!isAcervoError(error, 'artifact:not_found')) throw error;
    }
  }

  async copy(from: ObjectVersion, to: ObjectName): Promise<StoredObject> {
    checkName(from);
    checkName(to);
    const source = new CopySourceOptions({
      Bucket: from.bucket,
      Object: from.key,
      VersionID: versionQuery(from).versionId ?? '',
    });
    const path = `${from.bucket}/${from.key}`.split('/').map(encodeURIComponent).join('/');
    const version = from.version_id === undefined ? '' : `?versionId=${encodeURIComponent(from.version_id)}`;
    // The SDK's own escapes with encodeURI, which leaves `?`, `#` and `+` as they are.
    source.getHeaders = () => ({ 'x-amz-copy-source': path + version });
    const target = new CopyDestinationOptions({ Bucket: to.bucket, Object: to.key });
    return once(async () => {
      const copied = await this.client.copyObject(source, target);
      if (!('VersionId' in copied)) throw new Error('the SDK answered a copy in its old form');
      const { etag } = await this.stat({ ...to, ...(copied.VersionId ? { version_id: copied.VersionId } : {}) });
      return { etag, version_id: copied.VersionId ?? null };
    });
  }

  async startUpload({ bucket, key }: ObjectName, { content_type }: { content_type: string }): Promise<Upload> {
    checkName({ bucket, key });
    const headers = { 'content-type': content_type };
    const upload_id = await once(() => this.client.initiateNewMultipartUpload(bucket, key, headers));
    return { bucket, key, upload_id };
  }

  async putPart(
    { upload_id, ...name }: Upload,
    part_number: number,
    body: Readable,
    options: Pick<PutOptions, 'size_bytes' | 'sha256'>,
  ): Promise<{ etag: string; sha256: string }> {
    checkName(name);
    checkPartNumber(part_number);
    const query = { uploadId: upload_id, partNumber: String(part_number) };
    const { etag, sha256 } = await this.upload({ ...name, query, headers: {} }, body, options);
    return { etag, sha256 };
  }

  async parts({ bucket, key, upload_id }: Upload): Promise<ListedPart[]> {
    checkName({ bucket, key });
    const parts = await retried(() => this.client.listParts(bucket, key, upload_id));
    return parts.map(({ part, etag, size }) => ({ part_number: part, etag, size_bytes: size }));
  }

  async completeUpload({ bucket, key, upload_id }: Upload, parts: UploadPart[]): Promise<StoredObject> {
    checkName({ bucket, key });
    if (parts.length === 0) throw new AcervoError('artifact:part_invalid', { detail: 'An upload has parts.' });
    const named = parts.map(({ part_number, etag }) => ({ part: part_number, etag }));
    const { etag, versionId } = await once(() => this.client.completeMultipartUpload(bucket, key, upload_id, named));
    return { etag, version_id: versionId ?? null };
  }

  async abortUpload({ bucket, key, upload_id }: Upload): Promise<void> {
    checkName({ bucket, key });
    try {
      await once(() => this.client.abortMultipartUpload(bucket, key, encodeURIComponent(upload_id)));
    } catch (error) {
      if (!isAcervoError(error, 'artifact:upload_not_found')) throw error;
    }
  }

  async unfinishedUploads(bucket: string, startedBefore: Date): Promise<UnfinishedUpload[]> {
    checkBucket(bucket);
    const uploads = await retried(() => listUploads(this.sender, bucket));
    return uploads.filter(({ started_at }) => new Date(started_at) < startedBefore);
  }

  async lockOf(object: ObjectVersion): Promise<ObjectLockState> {
    checkName(object);
    return readLock(this.sender, object);
  }

  async setLegalHold(object: ObjectVersion, on: boolean): Promise<void> {
    checkName(object);
    await writeLegalHold(this.sender, object, on);
  }

  async setRetention(object: ObjectVersion, retention: Retention): Promise<void> {
    checkName(object);
    checkRetention(retention, new Date());
    await writeRetention(this.sender, object, retention);
  }

  get presign_scope(): string {
    return this.signer.scope;
  }

  async presignGet(object: ObjectVersion, options: PresignGetOptions): Promise<PresignedRequest> {
    return this.signer.get(object, options);
  }

  async presignPut(name: ObjectName, options: PresignOptions): Promise<PresignedRequest> {
    return this.signer.put(name, options);
  }

  async presignPart(upload: Upload, part_number: number, options: PresignOptions): Promise<PresignedRequest> {
    return this.signer.part(upload, part_number, options);
  }

  async presignUpload(name: ObjectName, options: PresignUploadOptions): Promise<PresignedRequest> {
    return this.signer.upload(name, options);
  }

  /** One PUT of a checked body: the store gets the last bytes only when all of them are right. */
  private async upload(
    target: ObjectName & { query: Record<string, string>; headers: Record<string, string> },
    body: Readable,
    expected: Pick<PutOptions, 'size_bytes' | 'sha256'>,
  ): Promise<StoredObject & { sha256: string }> {
    checkSize(expected.size_bytes);
    const checked = new CheckedBody(expected);
    const headers = { ...target.headers, 'content-length': String(expected.size_bytes) };
    try {
      const answer = await once(() =>
        this.sender.sendForHeaders({ ...target, method: 'PUT', headers, body: { bytes: body, checked } }),
      );
      return { ...storedOf(answer), sha256: checked.sha256 };
    } finally {
      body.destroy();
    }
  }
}
