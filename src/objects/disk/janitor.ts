import { daysHavePassed, expiresBy, type LifecycleRule, rulesFor } from '../lifecycle.js';
import { isHeld } from '../object-lock.js';
import type { ObjectName } from '../port.js';
import { abortUnfinished } from '../unfinished.js';
import type { Entry, Version } from './catalog.js';
import { type Aging, lockStateOf } from './entries.js';
import type { DiskStore } from './store.js';

const NS_PER_MS = 1_000_000n;

/** What a rule did to an object, told as MinIO tells it. */
export interface JanitorEvent extends ObjectName {
  eventName: 's3:ObjectRemoved:DeleteMarkerCreated' | 's3:ObjectRemoved:Delete';
  eventTime: string;
  userAgent: 'Internal: [ILM-Expiry]';
  /** Of the marker that was made, or of the version that was removed. */
  version_id: string;
  /** Hexadecimal nanoseconds, growing from event to event of a key. */
  sequencer: string;
}

/**
 * Applies lifecycle.xml to a directory, as an S3 server's scanner does: hides what has expired, removes old versions (but
 * no held ones), markers that hide nothing any more, and unfinished uploads. Works on one key at a time. `onEvent` hears
 * of a change after it; what a crash keeps from it, reconcile finds.
 * @throws what `onEvent` throws
 */
export async function runJanitor(
  store: DiskStore,
  rules: readonly LifecycleRule[],
  now: Date,
  onEvent: (event: JanitorEvent) => Promise<void>,
): Promise<void> {
  for (const bucket of new Set(rules.map((rule) => rule.bucket)))
    for await (const key of store.keys(bucket)) {
      const { removed, marker } = await store.age({ bucket, key }, (entry) => agingOf(entry, rules, now));
      const changes: [JanitorEvent['eventName'], Version][] = removed.map((one) => ['s3:ObjectRemoved:Delete', one]);
      if (marker !== undefined) changes.push(['s3:ObjectRemoved:DeleteMarkerCreated', marker]);
      for (const [index, [eventName, { version_id }]] of changes.entries()) {
        const sequencer = sequencerOf(now, index);
        const eventTime = now.toISOString();
        await onEvent({
          eventName,
          eventTime,
          userAgent: 'Internal: [ILM-Expiry]',
          bucket,
          key,
          version_id,
          sequencer,
        });
      }
    }
  await abortUnfinished(store, rules, now);
}

/** What the rules do to a key by now. */
export function agingOf(entry: Entry, rules: readonly LifecycleRule[], now: Date): Aging {
  const mine = rulesFor(rules, entry);
  const current = entry.versions.at(-1);
  if (current === undefined) return { remove: [], hide: false };
  const remove = entry.versions.filter((_, index) => isOldVersion(entry, index, mine, now));
  const isLone = current.deleted === true && remove.length === entry.versions.length - 1;
  if (isLone && mine.some(({ expire_lone_markers }) => expire_lone_markers)) remove.push(current);
  const { bucket, key } = entry;
  const hide = !current.deleted && expiresBy(mine, { bucket, key, modified_at: current.modified_at }, now);
  return { remove, hide };
}

/** A version is old since the next one came. */
function isOldVersion({ versions }: Entry, index: number, rules: readonly LifecycleRule[], now: Date): boolean {
  const [version, next] = [versions[index], versions[index + 1]];
  if (version === undefined || next === undefined || isHeld(lockStateOf(version), now)) return false;
  const newer = versions.length - 2 - index;
  return rules.some(
    ({ old_versions: rule }) =>
      rule !== undefined && newer >= rule.keep && daysHavePassed(rule.after_days, next.modified_at, now),
  );
}

function sequencerOf(now: Date, index: number): string {
  const ns = BigInt(now.getTime()) * NS_PER_MS + BigInt(index);
  return ns.toString(16).toUpperCase();
}
