import { isAcervoError } from '../errors/error.js';
import type { Database } from '../surreal/database.js';
import { retryConflicts } from '../surreal/retry-conflicts.js';
import type { BucketEvent } from './event.js';

/** So many rows a transaction: longer ones take more than a second (measured). */
const MAX_ROWS = 1000;

export type EventStatus = 'pending' | 'applied' | 'ignored' | 'dead';

/** A new row of bucket_events; of a letter that could not be read only the beginning of it. */
export type EventRow = Partial<Omit<BucketEvent, 'lifecycle'>> & {
  id: string;
  lifecycle: boolean;
  status: EventStatus;
  outcome?: string;
  error?: string;
  raw?: string;
};

/** Where events come in on this node. */
export interface EventInbox {
  /**
   * Stores rows: on disk when it resolves, all or none. Those that are there already are left as they are.
   * @throws AcervoError `database:unavailable`, `database:conflict`; Error for a row that the database refuses
   */
  record(rows: readonly EventRow[]): Promise<void>;
  /** Tells the worker of this node that there is something to do. */
  wake(): void;
  onWake(listener: () => void): void;
}

interface Waiting {
  rows: readonly EventRow[];
  resolve(): void;
  reject(error: unknown): void;
}

/**
 * What comes in while a transaction is under way goes into the next one together: four times as many events a second as
 * one by one (measured on both engines, 64 at once).
 */
export function createEventInbox(db: Database): EventInbox {
  const waiting: Waiting[] = [];
  let writing = false;
  let listener: () => void = () => undefined;

  const write = (rows: readonly EventRow[]) =>
    retryConflicts(() => db.query('bucket-events/record', { events: rows.map(withDate) }));

  async function writeGroup(group: Waiting[]): Promise<void> {
    try {
      await write(group.flatMap(({ rows }) => rows));
      for (const { resolve } of group) resolve();
    } catch (error) {
      // A row that the database refuses is not the fault of the others; that it is away concerns them all.
      if (group.length > 1 && !isAcervoError(error)) for (const one of group) await writeGroup([one]);
      else for (const { reject } of group) reject(error);
    }
  }

  async function writeAll(): Promise<void> {
    writing = true;
    while (waiting.length > 0) {
      const group = waiting.splice(0, groupLength(waiting));
      await writeGroup(group);
    }
    writing = false;
  }

  return {
    record: (rows) =>
      new Promise<void>((resolve, reject) => {
        if (rows.length === 0) return resolve();
        waiting.push({ rows, resolve, reject });
        if (!writing) void writeAll();
      }),
    wake: () => listener(),
    onWake: (heard) => {
      listener = heard;
    },
  };
}

/** How many of those waiting fit into one transaction; one always does. */
function groupLength(waiting: readonly Waiting[]): number {
  let rows = 0;
  const end = waiting.findIndex((one) => {
    rows += one.rows.length;
    return rows > MAX_ROWS;
  });
  return end < 0 ? waiting.length : Math.max(1, end);
}

function withDate({ event_time, ...row }: EventRow): Record<string, unknown> {
  return { ...row, event_time: event_time === undefined ? undefined : new Date(event_time) };
}
