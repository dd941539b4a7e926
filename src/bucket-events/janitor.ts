import { randomUUID } from 'node:crypto';
import type { Services } from '../context.js';
import { type JanitorEvent, runJanitor } from '../objects/disk/janitor.js';
import type { DiskStore } from '../objects/disk/store.js';
import { abortUnfinished } from '../objects/unfinished.js';
import { startRounds } from '../rounds.js';
import { withLease } from '../surreal/lease.js';
import type { BucketEvent } from './event.js';
import { recordEvents } from './record.js';

const LEASE_TTL_MS = 60_000;

/**
 * Does for a directory what the rules of lifecycle.xml say, and for any store what it leaves to us: unfinished uploads.
 * What it removes comes in as events, as from a store of its own.
 * @throws AcervoError `objects:unavailable`, `database:unavailable`: the next round goes on from there
 */
export async function keepLifecycle(services: Services, disk: DiskStore | undefined): Promise<void> {
  const { objects, lifecycle, clock } = services;
  if (disk === undefined) await abortUnfinished(objects, lifecycle, clock());
  else await runJanitor(disk, lifecycle, clock(), (event) => recordEvents(services, [eventOf(event)]));
}

function eventOf({ eventName, eventTime, userAgent, ...of }: JanitorEvent): BucketEvent {
  return { ...of, event_name: eventName, event_time: eventTime, user_agent: userAgent, lifecycle: true };
}

/** Keeps the rules every `intervalMs`, on one node at a time, until stopped; see `startRounds`. */
export function startJanitor(services: Services, disk: DiskStore | undefined, intervalMs: number): () => Promise<void> {
  const lease = { name: 'janitor', holder: randomUUID(), ttlMs: LEASE_TTL_MS };
  const failed = 'lifecycle rules could not be kept; later again';
  return startRounds(services.log, { intervalMs, failed, atOnce: true }, async () => {
    await withLease(services.control, lease, () => keepLifecycle(services, disk));
  });
}
