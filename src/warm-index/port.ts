import type { BothLegs } from '../search/legs/both.js';
import type { SearchRequest } from '../search/plan.js';
import type { Measure } from './messages.js';

/**
 * - `off`: not wanted. `building`: the database is being read. `ready`: it answers. `declined`: it would not fit into
 *   its memory. `failed`: the thread has ended, and begins anew.
 */
export type WarmState = 'off' | 'building' | 'ready' | 'declined' | 'failed';

export interface WarmReport extends Partial<Measure> {
  state: WarmState;
  /** Seconds since everything that was in the audit log had been taken in. */
  lag_seconds?: number;
  /** The memory that it may take. */
  max_memory_bytes?: number;
}

/** The warm index, as searches and writes see it. */
export interface WarmIndex {
  /** What both legs of a search find; undefined when the database is to answer. Never throws. */
  legs(request: SearchRequest, depth: number): Promise<BothLegs | undefined>;
  /**
   * Something was committed here, or a search has come upon it. Resolves when searches see it, or, when that is not possible soon, when searches ask the
   * database instead. Never throws.
   * @param change what has changed, and the rows of the log that tell of no more than that, where they are known; undefined
   *   when nothing is
   */
  changed(change: { resources: string[]; audit_ids?: string[] } | undefined): Promise<void>;
  /** Waits a little until the row of the audit log has been taken in. @returns whether it has */
  reaches(auditId: string): Promise<boolean>;
  report(): Promise<WarmReport>;
}

/** Where there is none, the database answers. */
export const NO_WARM_INDEX: WarmIndex = {
  legs: async () => undefined,
  changed: async () => undefined,
  reaches: async () => false,
  report: async () => ({ state: 'off' }),
};
