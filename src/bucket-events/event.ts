import { createHash } from 'node:crypto';

/** What an object store told us happened to one of its objects, in the words that we store it in. */
export interface BucketEvent {
  bucket: string;
  /** As it is, without the escapes of the event. */
  key: string;
  /** Missing in a bucket that keeps no versions. */
  version_id?: string | undefined;
  /** A hexadecimal number that orders the events of one object. */
  sequencer?: string | undefined;
  /** With `s3:` in front, as MinIO writes it. */
  event_name: string;
  /** RFC 3339, UTC. */
  event_time?: string | undefined;
  etag?: string | undefined;
  size_bytes?: number | undefined;
  content_type?: string | undefined;
  /** Did a lifecycle rule cause it? */
  lifecycle: boolean;
  user_agent?: string | undefined;
}

/**
 * What makes an event itself: one that is sent again has the same id. Without a sequencer its time and etag have to tell
 * it from others of its object.
 * @returns 64 hexadecimal digits
 */
export function eventId(event: BucketEvent): string {
  const { bucket, key, version_id = null, sequencer = null, event_name, event_time = null, etag = null } = event;
  const identity = [bucket, key, version_id, sequencer, event_name];
  if (sequencer === null) identity.push(event_time, etag);
  return createHash('sha256').update(JSON.stringify(identity)).digest('hex');
}

/** Has an object, or a version of one, come to be? Events of tags, retention and holds begin with ObjectCreated too. */
export function isCreation({ event_name }: { event_name: string }): boolean {
  return /^s3:ObjectCreated:(Put|Post|Copy|CompleteMultipartUpload)$/.test(event_name);
}

/** Has one gone away? MinIO calls what its lifecycle rules remove ObjectRemoved, AWS LifecycleExpiration. */
export function isRemoval({ event_name }: { event_name: string }): boolean {
  return /^s3:(ObjectRemoved|LifecycleExpiration|LifecycleDelMarkerExpiration):/.test(event_name);
}

interface Ordered {
  sequencer?: string | undefined;
  event_time?: string | undefined;
  received_at: string;
}

/** Text of RFC 3339 in UTC with the same number of digits, or none. */
const byTime = (a: Ordered, b: Ordered): number =>
  compare(a.event_time ?? '', b.event_time ?? '') || compare(a.received_at, b.received_at);

const compare = <Value extends string | bigint>(a: Value, b: Value): number => (a < b ? -1 : a > b ? 1 : 0);

/**
 * The events of one object as they happened: by their sequencers, which are numbers of any length; by their times where
 * these are the same, and for all where one has none.
 */
export function inOrder<Event extends Ordered>(events: readonly Event[]): Event[] {
  if (events.some(({ sequencer }) => sequencer === undefined)) return events.toSorted(byTime);
  const placed = events.map((event) => ({ event, place: BigInt(`0x${event.sequencer}`) }));
  return placed.sort((a, b) => compare(a.place, b.place) || byTime(a.event, b.event)).map(({ event }) => event);
}
