import { Readable } from 'node:stream';
import { AcervoError } from '../errors/error.js';
import { isKnown } from './conditions.js';
import type { Reply } from './route.js';

/** RFC 9110, section 14.1.2: `first-last` (both included), `first-`, or `-suffix`. */
export type RequestedRange = { first: number; last?: number } | { suffix: number };

/** Bytes that can be sent whole or in part. */
export interface SendableBytes {
  /** With its quotes; another for other bytes. */
  etag: string;
  size_bytes: number;
  /** Sent along in every case. */
  headers: Record<string, string>;
  /** Opens the bytes. @throws AcervoError `artifact:range_not_satisfiable` */
  open(range?: RequestedRange): Promise<{ body: Readable; content_range: { first: number; last: number } | null }>;
}

/** What strangers' bytes are sent with: browsers neither guess a type for them nor run anything in them. */
const HARMLESS = {
  'content-security-policy': "sandbox; default-src 'none'",
  'x-content-type-options': 'nosniff',
  'accept-ranges': 'bytes',
};

/**
 * The one range that a request asks for. Several ranges, another unit, or what cannot be read: the whole is sent, as
 * RFC 9110, section 14.2, allows; and If-Range with another tag means that the client's part is of other bytes.
 */
function rangeOf(headers: Headers, etag: string): RequestedRange | undefined {
  const condition = headers.get('if-range');
  if (condition !== null && condition !== etag) return undefined;
  const [, first = '', last = ''] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(headers.get('range')?.trim() ?? '') ?? [];
  if (first === '') return last === '' ? undefined : { suffix: Number(last) };
  if (last !== '' && Number(last) < Number(first)) return undefined;
  return { first: Number(first), ...(last === '' ? {} : { last: Number(last) }) };
}

/**
 * Answers GET and HEAD for bytes: 200, 206 for a range, 304 for a tag that the client knows.
 * @throws AcervoError `artifact:range_not_satisfiable`, and what `open` throws
 */
export async function bytesReply(request: Request, bytes: SendableBytes): Promise<Reply> {
  const { etag, size_bytes } = bytes;
  const headers = { ...HARMLESS, ...bytes.headers, etag };
  if (isKnown(request.headers, etag)) return { status: 304, headers };
  if (request.method === 'HEAD') return { status: 200, headers: { ...headers, 'content-length': String(size_bytes) } };
  const { body, content_range } = await bytes.open(rangeOf(request.headers, etag));
  const stream = Readable.toWeb(body) as ReadableStream;
  if (content_range === null)
    return { status: 200, body: stream, headers: { ...headers, 'content-length': String(size_bytes) } };
  const { first, last } = content_range;
  const part = { 'content-range': `bytes ${first}-${last}/${size_bytes}`, 'content-length': String(last - first + 1) };
  return { status: 206, body: stream, headers: { ...headers, ...part } };
}

/** How many bytes a request says that it brings; undefined when it does not say. */
export function contentLength(headers: Headers): number | undefined {
  const given = headers.get('content-length');
  return given === null ? undefined : Number(given);
}

/**
 * The SHA-256 that a request names for its bytes, as 64 hexadecimal digits. RFC 9530: `Content-Digest` or `Repr-Digest`
 * with `sha-256=:<base64>:`; other algorithms are passed over.
 * @throws AcervoError `request:invalid`
 */
export function declaredSha256(headers: Headers): string | undefined {
  const field = headers.get('content-digest') ?? headers.get('repr-digest');
  const value = /(?:^|,)\s*sha-256=([^,]*)/.exec(field ?? '')?.[1];
  if (value === undefined) return undefined;
  const digest = Buffer.from(/^:([A-Za-z0-9+/]*={0,2}):\s*$/.exec(value)?.[1] ?? '', 'base64');
  if (digest.length !== 32)
    throw new AcervoError('request:invalid', {
      faults: [{ path: 'headers.content-digest', message: 'must be sha-256=:<base64 of 32 bytes>:' }],
    });
  return digest.toString('hex');
}

/** So much of a body that was refused is still read, so that its connection can go on; then it is cut. */
const MAX_DRAINED_BYTES = 64 * 1024 * 1024;
/** A sender that takes its time learns soon that there is no use in it. */
const MAX_DRAIN_MS = 2_000;

/** Hands a request's bytes to `work` as a stream of Node. What `work` has not begun to read is read away. */
export async function withBytes<Result>(
  body: ReadableStream<Uint8Array>,
  work: (bytes: Readable) => Promise<Result>,
): Promise<Result> {
  const bytes = Readable.fromWeb(body as Parameters<typeof Readable.fromWeb>[0]);
  try {
    return await work(bytes);
  } finally {
    if (!bytes.readableDidRead && !bytes.destroyed) await drain(bytes);
  }
}

async function drain(bytes: Readable): Promise<void> {
  const cut = setTimeout(() => bytes.destroy(), MAX_DRAIN_MS);
  let drained = 0;
  try {
    for await (const chunk of bytes) {
      drained += (chunk as Uint8Array).byteLength;
      // Leaving the loop destroys the stream, and with it the connection.
      if (drained > MAX_DRAINED_BYTES) break;
    }
  } catch {
    // The client has left: there is nobody to go on with.
  } finally {
    clearTimeout(cut);
  }
}
