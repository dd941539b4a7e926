import { createHmac } from 'node:crypto';
import { checkDisposition, checkPartNumber, expiryOf } from '../bounds.js';
import { checkName } from '../keys.js';
import type {
  ObjectName,
  ObjectVersion,
  PresignedRequest,
  PresignGetOptions,
  PresignOptions,
  PresignUploadOptions,
  Upload,
} from '../port.js';
import { createClient, PostPolicy, type S3Client, type S3Options } from './client.js';
import { once } from './failures.js';
import { versionQuery } from './headers.js';

const SCOPE_CHARS = 32;

/** URLs for clients: signed offline, for the public endpoint, as the host is part of a signature. */
export class S3Signer {
  readonly scope: string;
  private readonly client: S3Client;

  constructor(options: S3Options) {
    const endpoint = options.publicEndpoint ?? options.endpoint;
    this.client = createClient(endpoint, options);
    // Not a plain digest of the secret: like a signature, this tells no more of it than the URLs do.
    this.scope = createHmac('sha256', options.secretKey)
      .update(`presign-scope\n${JSON.stringify([endpoint, options.region, options.accessKey])}`)
      .digest('hex')
      .slice(0, SCOPE_CHARS);
  }

  get(object: ObjectVersion, options: PresignGetOptions): Promise<PresignedRequest> {
    checkDisposition(options);
    const { content_disposition } = options;
    const header = content_disposition === undefined ? {} : { 'response-content-disposition': content_disposition };
    return this.sign('GET', object, { ...versionQuery(object), ...header }, options);
  }

  put(name: ObjectName, options: PresignOptions): Promise<PresignedRequest> {
    return this.sign('PUT', name, {}, options);
  }

  part(upload: Upload, part_number: number, options: PresignOptions): Promise<PresignedRequest> {
    checkPartNumber(part_number);
    return this.sign('PUT', upload, { uploadId: upload.upload_id, partNumber: String(part_number) }, options);
  }

  async upload({ bucket, key }: ObjectName, options: PresignUploadOptions): Promise<PresignedRequest> {
    checkName({ bucket, key });
    const expiry = expiryOf(options, new Date());
    const policy = new PostPolicy();
    policy.setBucket(bucket);
    policy.setKey(key);
    policy.setExpires(expiry);
    policy.setContentType(options.content_type);
    policy.setContentLengthRange(0, options.max_size_bytes);
    const { postURL, formData } = await once(() => this.client.presignedPostPolicy(policy));
    const fields = Object.fromEntries(Object.entries(formData).map(([name, value]) => [name, String(value)]));
    return { method: 'POST', url: postURL, headers: {}, fields, expires_at: expiry.toISOString() };
  }

  private async sign(
    method: 'GET' | 'PUT',
    { bucket, key }: ObjectName,
    query: Record<string, string>,
    options: PresignOptions,
  ): Promise<PresignedRequest> {
    checkName({ bucket, key });
    const now = new Date();
    const expires_at = expiryOf(options, now).toISOString();
    const sign = () => this.client.presignedUrl(method, bucket, key, options.expires_in_seconds, query, now);
    return { method, url: await once(sign), headers: {}, fields: {}, expires_at };
  }
}
