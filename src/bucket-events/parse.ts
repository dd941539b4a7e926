import { z } from 'zod';
import { AcervoError } from '../errors/error.js';
import { parseJson } from '../http/json.js';
import type { BucketEvent } from './event.js';

/** More than an S3 server puts into one body. */
export const MAX_RECORDS = 1000;
const MAX_KEY_BYTES = 1024;
const MAX_TEXT_CHARS = 256;

/** For people only: cut rather than refused. */
const note = z
  .string()
  .nullish()
  .transform((text) => text?.slice(0, MAX_TEXT_CHARS) || undefined);
/** A part of the identity. */
const name = z
  .string()
  .max(1024)
  .nullish()
  .transform((text) => (text === '' || text === 'null' ? undefined : (text ?? undefined)));

/** Source: S3 user guide, event message structure; MinIO writes the same, and its user agent beside it. */
const recordSchema = z.object({
  eventName: z.string().regex(/^[\w:*-]{1,128}$/),
  eventTime: z.string().max(64).nullish(),
  s3: z.object({
    bucket: z.object({ name: z.string().min(1).max(255) }),
    object: z.object({
      key: z
        .string()
        .min(1)
        .max(MAX_KEY_BYTES * 3),
      size: z.int().min(0).nullish(),
      eTag: note,
      contentType: note,
      versionId: name,
      sequencer: name,
    }),
  }),
  source: z.object({ userAgent: note }).nullish(),
});

export interface ReadEvents {
  events: BucketEvent[];
  /** Records that are not of this shape, as bodies of one. */
  unreadable: string[];
}

/**
 * The events in a body of MinIO's or AWS S3's webhooks. One record that cannot be read does not take the others with it.
 * @throws AcervoError `request:malformed_json`, `request:malformed_utf8`, `request:forbidden_key`, `request:invalid` for
 *   what is no such body, `request:too_large` for more than 1 000 records
 */
export function readEvents(body: Uint8Array): ReadEvents {
  const letter = parseJson(body);
  if (isTestEvent(letter)) return { events: [], unreadable: [] };
  const records = recordsOf(letter);
  const read: ReadEvents = { events: [], unreadable: [] };
  for (const record of records) {
    const event = readRecord(record);
    if (event === undefined) read.unreadable.push(JSON.stringify({ Records: [record] }));
    else read.events.push(event);
  }
  return read;
}

/** AWS sends it once when notifications are set up. */
function isTestEvent(letter: unknown): boolean {
  return z.object({ Event: z.literal('s3:TestEvent') }).safeParse(letter).success;
}

function recordsOf(letter: unknown): unknown[] {
  const parsed = z.object({ Records: z.array(z.unknown()).min(1) }).safeParse(letter);
  if (!parsed.success) throw new AcervoError('request:invalid', { detail: 'It holds no bucket events.' });
  const { Records } = parsed.data;
  if (Records.length > MAX_RECORDS)
    throw new AcervoError('request:too_large', { detail: `At most ${MAX_RECORDS} records.` });
  return Records;
}

function readRecord(record: unknown): BucketEvent | undefined {
  const parsed = recordSchema.safeParse(record);
  if (!parsed.success) return undefined;
  const { eventName, eventTime, s3, source } = parsed.data;
  const { object } = s3;
  const key = decodedKey(object.key);
  if (key === undefined) return undefined;
  const event_name = eventName.startsWith('s3:') ? eventName : `s3:${eventName}`;
  const sequencer = object.sequencer !== undefined && /^[0-9a-f]{1,64}$/i.test(object.sequencer);
  return {
    bucket: s3.bucket.name,
    key,
    version_id: object.versionId,
    sequencer: sequencer ? object.sequencer : undefined,
    event_name,
    event_time: timeOf(eventTime),
    etag: object.eTag,
    // MinIO leaves the size of an empty object out.
    size_bytes: object.size ?? (event_name.startsWith('s3:ObjectCreated:') ? 0 : undefined),
    content_type: object.contentType,
    lifecycle: isLifecycle(event_name, source?.userAgent),
    user_agent: source?.userAgent,
  };
}

/** Keys are escaped as in a query: a plus sign is a space. Undefined for what cannot be a key. */
function decodedKey(escaped: string): string | undefined {
  try {
    const key = decodeURIComponent(escaped.replaceAll('+', ' '));
    return Buffer.byteLength(key) <= MAX_KEY_BYTES ? key : undefined;
  } catch {
    return undefined;
  }
}

function timeOf(text: string | null | undefined): string | undefined {
  const time = new Date(text ?? Number.NaN);
  return Number.isNaN(time.getTime()) ? undefined : time.toISOString();
}

/** MinIO tells a lifecycle rule's removals from others by their user agent alone. */
function isLifecycle(event_name: string, user_agent: string | undefined): boolean {
  return event_name.startsWith('s3:Lifecycle') || (user_agent?.startsWith('Internal: [ILM-Expiry]') ?? false);
}
