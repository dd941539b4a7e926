import pLimit from 'p-limit';
import { systemContext } from '../artifacts/system.js';
import type { Services } from '../context.js';
import { isAcervoError } from '../errors/error.js';
import { withLease } from '../surreal/lease.js';
import { retryConflicts } from '../surreal/retry-conflicts.js';
import { applyToObject, type PendingEvent } from './apply.js';
import { inOrder } from './event.js';
import { readEvents } from './parse.js';
import { record, rowOf } from './record.js';

const PAGE_EVENTS = 500;
const OBJECTS_AT_ONCE = 8;
/** So long nothing is applied after the node that held the lease was killed. */
const LEASE_TTL_MS = 10_000;
/** So often an event may fail for a reason of its own before it is a dead letter. */
export const MAX_ATTEMPTS = 5;
/** An event that failed waits as long again as it has waited, within these bounds. */
const MIN_DELAY_MS = 500;
const MAX_DELAY_MS = 60_000;

/** A row that is taken up: an event, or a dead letter that is to be read again. */
type Taken =
  | PendingEvent
  | (Partial<PendingEvent> & Pick<PendingEvent, 'id' | 'attempts' | 'age_ms'> & { raw: string });

/** What is written back. */
interface Result {
  id: string;
  status: 'pending' | 'applied' | 'ignored' | 'dead';
  outcome: string | undefined;
  attempts: number;
  error: string | undefined;
  delay_ms: number;
}

/**
 * Applies what is due, page after page, as long as something can be applied. Of several nodes the one that holds the
 * lease does it; should two of them, the rules bear it.
 * @returns how many events are over
 * @throws AcervoError `database:*`: the next drain goes on from here
 */
export async function drainEvents(services: Services, holder: string): Promise<number> {
  const waiting = await services.db.query<unknown[]>('bucket-events/due', { limit: 1 });
  if (waiting.length === 0) return 0;
  const lease = { name: 'bucket-events', holder, ttlMs: LEASE_TTL_MS };
  const over = await withLease(services.control, lease, async (signal) => {
    let total = 0;
    while (!signal.aborted) {
      const page = await services.db.query<Taken[]>('bucket-events/due', { limit: PAGE_EVENTS });
      if (page.length === 0) break;
      const results = await takeUp(services, page);
      await retryConflicts(() => services.db.query('bucket-events/finish', { results }));
      for (const { outcome } of results) if (outcome !== undefined) services.metrics.bucketEvents.inc({ outcome });
      const ended = results.filter(({ status }) => status !== 'pending').length;
      total += ended;
      // A whole page that has to wait: the store is away. What comes behind it waits for the next drain.
      if (ended === 0) break;
    }
    return total;
  });
  return over ?? 0;
}

/** Objects side by side, the events of one in order. What goes wrong with one object leaves the others alone. */
async function takeUp(services: Services, page: Taken[]): Promise<Result[]> {
  const atOnce = pLimit(OBJECTS_AT_ONCE);
  const events = page.filter(isEvent);
  const letters = page.filter((taken) => !isEvent(taken));
  const results = await Promise.all([
    ...byObject(events).map((group) => atOnce(() => applyGroup(services, group))),
    ...letters.map((letter) => atOnce(() => readAgain(services, letter))),
  ]);
  return results.flat();
}

const isEvent = (taken: Taken): taken is PendingEvent => taken.event_name !== undefined;

function byObject(events: PendingEvent[]): PendingEvent[][] {
  const groups = new Map<string, PendingEvent[]>();
  for (const event of events) {
    const name = JSON.stringify([event.bucket, event.key]);
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [event]);
    else group.push(event);
  }
  return [...groups.values()];
}

async function applyGroup(services: Services, group: PendingEvent[]): Promise<Result[]> {
  const [first] = group;
  if (first === undefined) return [];
  const { bucket, key } = first;
  try {
    const applied = await applyToObject(systemContext(services, 'bucket-events'), { bucket, key }, inOrder(group));
    return applied.map(({ event, status, outcome }) => over(event, status, outcome));
  } catch (error) {
    return group.map((event) => failed(services, event, error));
  }
}

/** A dead letter that is replayed: perhaps this version of us can read it. */
async function readAgain(services: Services, letter: Taken): Promise<Result[]> {
  try {
    const { events, unreadable } = readEvents(Buffer.from('raw' in letter ? letter.raw : ''));
    if (unreadable.length > 0) return [dead(letter, 'request:invalid')];
    await record(
      services,
      events.map((event) => rowOf(services, event)),
    );
    return [over(letter, 'applied', 'read_again')];
  } catch (error) {
    if (isAcervoError(error) && !error.retryable) return [dead(letter, error.code)];
    return [failed(services, letter, error)];
  }
}

const over = ({ id, attempts }: Taken, status: 'applied' | 'ignored', outcome: string): Result => {
  return { id, status, outcome, attempts, error: undefined, delay_ms: 0 };
};

const dead = ({ id, attempts, event_name }: Taken, error: string): Result => {
  const outcome = event_name === undefined ? 'unreadable' : 'failed';
  return { id, status: 'dead', outcome, attempts, error, delay_ms: 0 };
};

/** What is away comes back: that is waited for. Anything else may be the event's own fault. */
function failed({ log }: Services, taken: Taken, error: unknown): Result {
  const code = isAcervoError(error) ? error.code : 'internal:unexpected';
  const { id, event_name, bucket, key, age_ms } = taken;
  const delay_ms = Math.min(MAX_DELAY_MS, Math.max(MIN_DELAY_MS, age_ms));
  // Wrong credentials are nobody's event's fault either.
  if (isAcervoError(error) && (error.retryable || error.code === 'objects:refused')) {
    log.debug({ err: error, event_id: id }, 'a bucket event has to wait');
    return { id, status: 'pending', outcome: undefined, attempts: taken.attempts, error: code, delay_ms };
  }
  const attempts = taken.attempts + 1;
  log.warn({ err: error, event_id: id, event_name, bucket, key, attempts }, 'a bucket event could not be applied');
  if (attempts >= MAX_ATTEMPTS) return dead({ ...taken, attempts }, code);
  return { id, status: 'pending', outcome: undefined, attempts, error: code, delay_ms };
}
