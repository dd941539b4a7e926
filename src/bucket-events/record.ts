import { createHash } from 'node:crypto';
import type { Services } from '../context.js';
import type { ErrorCode } from '../errors/codes.js';
import { type BucketEvent, eventId } from './event.js';
import type { EventRow } from './inbox.js';

/** So much of a letter that could not be read is kept. */
const MAX_RAW_BYTES = 16_384;

/**
 * Stores events, to be applied by whichever node holds the lease. Told again, an event changes nothing; those of buckets
 * that are not ours are kept as ignored.
 * @throws those of `EventInbox.record`
 */
export async function recordEvents(services: Services, events: readonly BucketEvent[]): Promise<void> {
  await record(
    services,
    events.map((event) => rowOf(services, event)),
  );
}

/** Stores rows and has them applied. */
export async function record({ bucketEvents, metrics }: Services, rows: readonly EventRow[]): Promise<void> {
  await bucketEvents.record(rows);
  for (const { outcome } of rows) if (outcome !== undefined) metrics.bucketEvents.inc({ outcome });
  if (rows.some(({ status }) => status === 'pending')) bucketEvents.wake();
}

export function rowOf({ config }: Services, event: BucketEvent): EventRow {
  const row = { ...event, id: eventId(event) };
  if (config.objects.buckets.some(({ name }) => name === event.bucket)) return { ...row, status: 'pending' };
  return { ...row, status: 'ignored', outcome: 'unknown_bucket' };
}

/** A letter that could not be read, or not be stored as what it says. The same one again is the same row. */
export function deadLetter(body: Uint8Array, error: ErrorCode): EventRow {
  return {
    id: createHash('sha256').update('letter\n').update(body).digest('hex'),
    lifecycle: false,
    status: 'dead',
    outcome: 'unreadable',
    error,
    raw: new TextDecoder().decode(body.subarray(0, MAX_RAW_BYTES)),
  };
}
