import { AuditReader, type AuditRow, sortable } from '../audit/reader.js';
import { partsOf, sortableId } from '../live/position.js';
import type { Database } from '../surreal/database.js';
import type { Place } from './messages.js';
import type { Refresher, Stale } from './refresher.js';

/** What a row of the audit log says of a document or a decision; a read, a denial or a failure changes neither. */
function staleBy({ resource, revision, action }: AuditRow): Stale[] {
  return revision === undefined || action === 'READ' ? [] : staleOf(resource);
}

/** The document or decision that a resource names. */
export function staleOf(resource: string): Stale[] {
  const cut = resource.indexOf(':');
  const id = resource.slice(cut + 1);
  const kind = resource.slice(0, cut);
  return kind === 'knowledge' ? [{ of: 'document', id }] : kind === 'decision' ? [{ of: 'decision', id }] : [];
}

/** Follows the audit log, and knows at every moment which of its rows have been taken in. */
export class Follower {
  readonly #reader: AuditReader;
  readonly #refresher: Refresher;
  /** Rows taken in that lie behind the cursor, as sortable text. */
  readonly #applied = new Map<string, string>();
  #anchor: string | undefined;
  #cursor: string;
  #reachedEndMs = Number.NEGATIVE_INFINITY;

  constructor(db: Database, refresher: Refresher, { cursor, anchor }: { cursor: string; anchor?: string | undefined }) {
    this.#reader = new AuditReader(db, cursor);
    this.#refresher = refresher;
    this.#cursor = cursor;
    this.#anchor = anchor;
  }

  /** Where another one could go on; undefined while there is no row to know the log by. */
  get place(): Place | undefined {
    return this.#anchor === undefined ? undefined : { cursor: this.#cursor, anchor: this.#anchor };
  }

  /** Seconds since everything that was in the log had been taken in. */
  get lagSeconds(): number {
    return (performance.now() - this.#reachedEndMs) / 1000;
  }

  /** Reads the log to its end, and takes in what it says. @throws AcervoError `database:unavailable` */
  async catchUp(): Promise<void> {
    const startedMs = performance.now();
    do {
      const rows = await this.#reader.poll();
      await this.#refresher.refresh(rows.filter(({ id }) => !this.#applied.has(id)).flatMap(staleBy));
      for (const { id } of rows) this.applied(id);
      this.#settle();
    } while (!this.#reader.atEnd);
    this.#reachedEndMs = startedMs;
  }

  /** This row has been taken in. */
  applied(id: string): void {
    this.#applied.set(id, sortableId(id));
  }

  /** Has everything up to this row been taken in that this row tells of? */
  has(id: string): boolean {
    return this.#applied.has(id) || sortableId(id) < sortable(this.#cursor);
  }

  /** Forgets what lies before the cursor; the newest of it is the anchor. */
  #settle(): void {
    this.#cursor = this.#reader.cursor;
    const before = sortable(this.#cursor);
    for (const [id, place] of this.#applied) {
      if (place >= before) continue;
      this.#applied.delete(id);
      if (this.#anchor === undefined || sortable(partsOf(this.#anchor)[0]) <= place) this.#anchor = id;
    }
  }
}
