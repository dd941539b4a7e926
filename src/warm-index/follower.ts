import { partsOfAuditId } from '../audit/id.js';
import { AuditReader, isChange, SETTLE_SECONDS, sortable } from '../audit/reader.js';
import { sortableId } from '../live/position.js';
import type { Database } from '../surreal/database.js';
import type { Place } from './messages.js';
import type { Refresher, Stale } from './refresher.js';

/** The document or decision that a resource names. */
export function staleOf(resource: string): Stale[] {
  const cut = resource.indexOf(':');
  const id = resource.slice(cut + 1);
  const kind = resource.slice(0, cut);
  return kind === 'knowledge' ? [{ of: 'document', id }] : kind === 'decision' ? [{ of: 'decision', id }] : [];
}

/** Is this row still in the log? Rows leave it in their order: all that came after it are then there too. */
export async function isInLog(db: Database, id: string): Promise<boolean> {
  const [time, uuid] = partsOfAuditId(id);
  const { exists } = await db.query<{ exists: boolean }>('warm-index/anchor', { time, uuid });
  return exists;
}

/** Rows may have left the log that were never read. */
export class LogCutError extends Error {}

/** Follows the audit log, and knows at every moment which of its rows have been taken in. */
export class Follower {
  readonly #db: Database;
  readonly #reader: AuditReader;
  readonly #refresher: Refresher;
  /** Rows taken in that lie behind the cursor, as sortable text. */
  readonly #applied = new Map<string, string>();
  #anchor: string | undefined;
  /** As it was when the log had last been read to its end. */
  #anchorAtEnd: string | undefined;
  #cursor: string;
  #reachedEndMs = Number.NEGATIVE_INFINITY;

  constructor(db: Database, refresher: Refresher, { cursor, anchor }: { cursor: string; anchor?: string | undefined }) {
    this.#db = db;
    this.#reader = new AuditReader(db, cursor);
    this.#refresher = refresher;
    this.#cursor = cursor;
    this.#anchor = anchor;
    // It may stand at the cursor, and is then given once more.
    if (anchor !== undefined) this.applied(anchor);
  }

  /** Where another one could go on; undefined while there is no row to know the log by. */
  get place(): Place | undefined {
    return this.#anchor === undefined ? undefined : { cursor: this.#cursor, anchor: this.#anchor };
  }

  /** Seconds since everything that was in the log had been taken in. */
  get lagSeconds(): number {
    return (performance.now() - this.#reachedEndMs) / 1000;
  }

  /**
   * Reads the log to its end, and takes in what it says.
   * @throws AcervoError `database:unavailable`; LogCutError after an outage of the database that was longer than rows
   *   need to stay
   */
  async catchUp(): Promise<void> {
    const startedMs = performance.now();
    const anchor = this.#anchorAtEnd;
    const wasAway = Number.isFinite(this.#reachedEndMs) && this.lagSeconds > SETTLE_SECONDS;
    do {
      const rows = await this.#reader.poll();
      await this.#refresher.refresh(
        rows.filter((row) => isChange(row) && !this.#applied.has(row.id)).flatMap(({ resource }) => staleOf(resource)),
      );
      for (const { id } of rows) this.applied(id);
      this.#settle();
    } while (!this.#reader.atEnd);
    // Looked for after the reading, so that nothing between the two can have left the log during it.
    if (wasAway && (anchor === undefined || !(await isInLog(this.#db, anchor))))
      throw new LogCutError('the audit log no longer holds what was read of it last');
    this.#reachedEndMs = startedMs;
    this.#anchorAtEnd = this.#anchor;
  }

  /** This row has been taken in. */
  applied(id: string): void {
    this.#applied.set(id, sortableId(id));
  }

  /** Has everything up to this row been taken in that this row tells of? */
  has(id: string): boolean {
    return this.#applied.has(id) || sortableId(id) < sortable(this.#cursor);
  }

  /** Forgets what lies before the cursor. The newest row up to it is the anchor: of a log at rest its last one. */
  #settle(): void {
    this.#cursor = this.#reader.cursor;
    const cursor = sortable(this.#cursor);
    for (const [id, place] of this.#applied) {
      if (sortable(partsOfAuditId(id)[0]) > cursor) continue;
      if (this.#anchor === undefined || sortableId(this.#anchor) < place) this.#anchor = id;
      if (place < cursor) this.#applied.delete(id);
    }
  }
}
