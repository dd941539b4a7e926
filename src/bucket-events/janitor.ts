import { randomUUID } from 'node:crypto';
import type { Services } from '../context.js';
import { type JanitorEvent, runJanitor } from '../objects/disk/janitor.js';
import type { DiskStore } from '../objects/disk/store.js';
import { abortUnfinished } from '../objects/unfinished.js';
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

/**
 * Keeps the rules every `intervalMs`, on one node at a time, until stopped. A round that failed is logged.
 * @returns stop; resolves when the round under way has ended
 */
export function startJanitor(services: Services, disk: DiskStore | undefined, intervalMs: number): () => Promise<void> {
  const holder = randomUUID();
  let working: Promise<unknown> | undefined;
  const round = () => {
    working ??= withLease(services.control, { name: 'janitor', holder, ttlMs: LEASE_TTL_MS }, () =>
      keepLifecycle(services, disk),
    )
      .catch((error: unknown) => services.log.warn({ err: error }, 'lifecycle rules could not be kept; later again'))
      .finally(() => {
        working = undefined;
      });
  };
  round();
  const timer = setInterval(round, intervalMs);
  return async () => {
    clearInterval(timer);
    await working;
  };
}
