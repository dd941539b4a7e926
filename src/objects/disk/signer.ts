import { createHmac } from 'node:crypto';
import { checkDisposition, checkPartNumber, expiryOf } from '../bounds.js';
import type {
  ObjectName,
  ObjectVersion,
  PresignedRequest,
  PresignGetOptions,
  PresignOptions,
  PresignUploadOptions,
  Upload,
} from '../port.js';
import { type Grant, signGrant } from './grants.js';

const SCOPE_CHARS = 32;

interface SignerOptions {
  secret: Buffer;
  publicUrl: () => string;
  clock: () => Date;
}

/** Signed URLs that our own routes serve. The names in them have been checked. */
export class DiskSigner {
  constructor(private readonly options: SignerOptions) {}

  get scope(): string {
    const { secret, publicUrl } = this.options;
    return createHmac('sha256', secret).update(`presign-scope\n${publicUrl()}`).digest('hex').slice(0, SCOPE_CHARS);
  }

  get({ bucket, key, version_id }: ObjectVersion, options: PresignGetOptions): PresignedRequest {
    checkDisposition(options);
    const { content_disposition } = options;
    const version = version_id === undefined ? {} : { version_id };
    const disposition = content_disposition === undefined ? {} : { content_disposition };
    return this.sign({ method: 'GET', bucket, key, ...version, ...disposition }, options);
  }

  put({ bucket, key }: ObjectName, options: PresignOptions): PresignedRequest {
    return this.sign({ method: 'PUT', bucket, key }, options);
  }

  part({ bucket, key, upload_id }: Upload, part_number: number, options: PresignOptions): PresignedRequest {
    checkPartNumber(part_number);
    return this.sign({ method: 'PUT', bucket, key, upload_id, part_number }, options);
  }

  upload({ bucket, key }: ObjectName, options: PresignUploadOptions): PresignedRequest {
    const { content_type, max_size_bytes } = options;
    const request = this.sign({ method: 'PUT', bucket, key, content_type, max_size_bytes }, options);
    return { ...request, headers: { 'content-type': content_type } };
  }

  private sign(grant: Omit<Grant, 'expires_at_ms'>, options: PresignOptions): PresignedRequest {
    const { clock, secret, publicUrl } = this.options;
    const expiry = expiryOf(options, clock());
    const token = signGrant(secret, { ...grant, expires_at_ms: expiry.getTime() });
    const url = `${publicUrl()}/${token}`;
    return { method: grant.method, url, headers: {}, fields: {}, expires_at: expiry.toISOString() };
  }
}
