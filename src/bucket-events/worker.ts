import { randomUUID } from 'node:crypto';
import type { Services } from '../context.js';
import { drainEvents } from './drain.js';
import { forgetEvents } from './forget.js';

/** By then an upload through this node has confirmed its pointer itself, and a burst is taken together. */
const WAKE_DELAY_MS = 50;
const FORGET_INTERVAL_MS = 3_600_000;

/**
 * Applies events when this node has stored some, and every `intervalMs` what other nodes stored, or what had to wait;
 * forgets old ones every hour. Until stopped. A drain that failed is logged; the next one goes on from there.
 * @returns stop; resolves when the drain under way has ended
 */
export function startEventWorker(services: Services, intervalMs: number): () => Promise<void> {
  const holder = randomUUID();
  let draining: Promise<void> | undefined;
  let woken: NodeJS.Timeout | undefined;
  let again = false;
  let stopped = false;
  let forgottenMs = Number.NEGATIVE_INFINITY;

  const round = async () => {
    const forgets = performance.now() - forgottenMs > FORGET_INTERVAL_MS;
    try {
      const events = await drainEvents(services, holder);
      if (events > 0) services.log.debug({ events }, 'bucket events were applied');
      if (forgets) await forgetEvents(services, holder);
      if (forgets) forgottenMs = performance.now();
    } catch (error) {
      services.log.warn({ err: error }, 'bucket events could not be applied; the next round tries again');
    }
    await count(services);
  };
  const run = async () => {
    do {
      again = false;
      await round();
    } while (again && !stopped);
    draining = undefined;
  };
  const next = () => {
    woken = undefined;
    if (stopped) return;
    again = draining !== undefined;
    draining ??= run();
  };

  services.bucketEvents.onWake(() => {
    woken ??= setTimeout(next, WAKE_DELAY_MS);
  });
  const timer = setInterval(next, intervalMs);
  next();
  return async () => {
    stopped = true;
    clearInterval(timer);
    clearTimeout(woken);
    await draining;
  };
}

async function count({ db, metrics, log }: Services): Promise<void> {
  try {
    const { pending, dead } = await db.query<{ pending: number; dead: number }>('bucket-events/count');
    metrics.bucketEventsPending.set(pending);
    metrics.bucketEventsDead.set(dead);
  } catch (error) {
    log.debug({ err: error }, 'bucket events could not be counted');
  }
}
