import { createHash, timingSafeEqual } from 'node:crypto';
import type { Context } from '../context.js';
import { AcervoError, isAcervoError } from '../errors/error.js';
import { readEvents } from './parse.js';
import { deadLetter, record, rowOf } from './record.js';

const MAX_BODY_BYTES = 1_000_000;
/** What is behind that is read and dropped: who is cut off while sending may miss the answer, and send it again. */
const MAX_DROPPED_BYTES = 64_000_000;

/**
 * Stores what a webhook brings: when this returns it is on disk. What cannot be read is kept as a dead letter, since the
 * store sends a letter that was not taken again for ever, and all others behind it.
 * @throws AcervoError `auth:missing`, `auth:invalid`, and `database:*`: nothing was stored, send it again
 */
export async function receiveLetter(ctx: Context, headers: Headers, body: ReadableStream<Uint8Array>): Promise<void> {
  requireToken(ctx, headers.get('authorization'));
  const { bytes, whole } = await readBeginning(body);
  try {
    if (!whole) throw new AcervoError('request:too_large');
    const { events, unreadable } = readEvents(bytes);
    const letters = unreadable.map((text) => deadLetter(Buffer.from(text), 'request:invalid'));
    await record(ctx, [...events.map((event) => rowOf(ctx, event)), ...letters]);
  } catch (error) {
    const code = isAcervoError(error) ? error.code : 'internal:unexpected';
    if (isAcervoError(error) && error.retryable) throw error;
    ctx.log.warn({ err: error }, 'a letter of the object store was put with the dead ones');
    await record(ctx, [deadLetter(bytes, code)]);
  }
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/** Digests have one length, and comparing them takes one time. @throws AcervoError `auth:missing`, `auth:invalid` */
function requireToken({ config, metrics }: Context, header: string | null): void {
  const expected = config.objects.webhookToken;
  const given = /^bearer +(\S.*)$/i.exec(header ?? '')?.[1];
  if (expected !== undefined && given !== undefined && timingSafeEqual(digest(given), digest(expected))) return;
  const code = header === null ? 'auth:missing' : 'auth:invalid';
  metrics.authDenied.inc({ code });
  throw new AcervoError(code, { detail: 'Send the webhook token as Authorization: Bearer.' });
}

/**
 * Up to 1 MB of a body.
 * @throws AcervoError `request:invalid` when it breaks off: whoever sent it does not hear of it, and sends it again
 */
async function readBeginning(body: ReadableStream<Uint8Array>): Promise<{ bytes: Buffer; whole: boolean }> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of body) {
      if (size <= MAX_BODY_BYTES) chunks.push(chunk);
      size += chunk.byteLength;
      if (size > MAX_BODY_BYTES + MAX_DROPPED_BYTES) break;
    }
  } catch (error) {
    throw new AcervoError('request:invalid', { detail: 'The body broke off.', cause: error });
  }
  // Cut exactly: the same letter again must have the same digest.
  return { bytes: Buffer.concat(chunks).subarray(0, MAX_BODY_BYTES), whole: size <= MAX_BODY_BYTES };
}
