import { createHmac, timingSafeEqual } from 'node:crypto';
import { AcervoError } from '../../errors/error.js';

const MAC_BYTES = 32;
/** A key of 1 024 bytes, a disposition of 2 000 and all other members fit in, and the URL into Node's 16 KiB of headers. */
const MAX_TOKEN_CHARS = 10_000;

/** What a signed URL allows whoever has it. The key stands in here, not in the path: URL parsers collapse `%2e%2e`. */
export interface Grant {
  method: 'GET' | 'PUT';
  bucket: string;
  key: string;
  expires_at_ms: number;
  version_id?: string;
  /** The answer to a GET has this header. */
  content_disposition?: string;
  /** With `part_number`: a part of this upload, not the object. */
  upload_id?: string;
  part_number?: number;
  /** The request must have this type, */
  content_type?: string;
  /** and at most so many bytes; the route checks both. */
  max_size_bytes?: number;
}

/** base64url of an HMAC-SHA-256 (RFC 2104) and the grant as JSON; fits into one segment of a URL's path. */
export function signGrant(secret: Buffer, grant: Grant): string {
  const body = Buffer.from(JSON.stringify(grant));
  return Buffer.concat([mac(secret, body), body]).toString('base64url');
}

/**
 * @param method of the request at hand; HEAD may use what GET may
 * @throws AcervoError `artifact:url_invalid` (not ours, changed, or for another method), `artifact:url_expired`
 */
export function openGrant(secret: Buffer, token: string, method: string, now: Date): Grant {
  const bytes = Buffer.from(token.slice(0, MAX_TOKEN_CHARS), 'base64url');
  // Decoding forgives foreign characters and loose last bits: only the text that we would write is ours.
  if (bytes.length <= MAC_BYTES || bytes.toString('base64url') !== token) throw new AcervoError('artifact:url_invalid');
  const body = bytes.subarray(MAC_BYTES);
  if (!timingSafeEqual(bytes.subarray(0, MAC_BYTES), mac(secret, body))) throw new AcervoError('artifact:url_invalid');
  const grant = JSON.parse(body.toString()) as Grant;
  if (grant.method !== (method === 'HEAD' ? 'GET' : method)) throw new AcervoError('artifact:url_invalid');
  if (now.getTime() >= grant.expires_at_ms) throw new AcervoError('artifact:url_expired');
  return grant;
}

/** The word in front keeps tokens apart from anything else that is signed with the same secret. */
function mac(secret: Buffer, body: Buffer): Buffer {
  return createHmac('sha256', secret).update('object-url\n').update(body).digest();
}
