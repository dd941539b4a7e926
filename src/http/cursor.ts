import { createHmac, timingSafeEqual } from 'node:crypto';
import { AcervoError } from '../errors/error.js';

const MIN_SECRET_BYTES = 32;
const MAC_BYTES = 32;
const MAX_CURSOR_CHARS = 2000;
/** One that comes in a body, not in a URL, may be longer: that of a search holds up to a thousand digests. */
export const MAX_BODY_CURSOR_CHARS = 12_000;

export interface CursorOptions {
  /** 32 bytes or more, the same on every node. */
  secret: Buffer;
  clock: () => Date;
  ttlSeconds: number;
}

/** What a cursor carries; JSON that the client can read but not change. */
export type CursorPayload = Record<string, unknown>;

/**
 * Makes and opens cursors: base64url of an HMAC-SHA-256 (RFC 2104) and the JSON `[expires_at_ms, payload]`. The MAC
 * covers the kind of cursor and the digest of the request too: the cursor of one query does not open another.
 * @throws RangeError for a secret below 32 bytes
 */
export class CursorSigner {
  constructor(private readonly options: CursorOptions) {
    if (options.secret.length < MIN_SECRET_BYTES)
      throw new RangeError(`The secret of cursors needs ${MIN_SECRET_BYTES} bytes or more.`);
  }

  /**
   * @param requestDigest `digestOf` what the cursor belongs to: query, filter, principal
   * @throws RangeError for a payload that makes a cursor of more than `maxChars`
   */
  sign(kind: string, payload: CursorPayload, requestDigest?: string, maxChars = MAX_CURSOR_CHARS): string {
    const expiresAtMs = this.options.clock().getTime() + this.options.ttlSeconds * 1000;
    const body = Buffer.from(JSON.stringify([expiresAtMs, payload]));
    const text = Buffer.concat([this.mac(kind, requestDigest, body), body]).toString('base64url');
    if (text.length > maxChars) throw new RangeError(`This cursor has at most ${maxChars} characters.`);
    return text;
  }

  /** @throws AcervoError `cursor:invalid` (not ours, changed, or of another request), `cursor:expired` */
  verify(kind: string, text: string, requestDigest?: string): CursorPayload {
    if (text.length > MAX_BODY_CURSOR_CHARS) throw new AcervoError('cursor:invalid');
    const bytes = Buffer.from(text, 'base64url');
    // Decoding forgives foreign characters and loose last bits: only the text that we would write is ours.
    if (bytes.length <= MAC_BYTES || bytes.toString('base64url') !== text) throw new AcervoError('cursor:invalid');
    const body = bytes.subarray(MAC_BYTES);
    if (!timingSafeEqual(bytes.subarray(0, MAC_BYTES), this.mac(kind, requestDigest, body)))
      throw new AcervoError('cursor:invalid');
    const [expiresAtMs, payload] = JSON.parse(body.toString()) as [number, CursorPayload];
    if (this.options.clock().getTime() >= expiresAtMs) throw new AcervoError('cursor:expired');
    return payload;
  }

  private mac(kind: string, requestDigest: string | undefined, body: Buffer): Buffer {
    // JSON of the two keeps them apart; a newline ends it, since JSON text holds none.
    const bound = JSON.stringify([kind, requestDigest ?? null]);
    return createHmac('sha256', this.options.secret).update(`${bound}\n`).update(body).digest();
  }
}
