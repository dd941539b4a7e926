import { AuditReader, type AuditRow, settledCursor } from '../audit/reader.js';
import type { CursorSigner } from '../http/cursor.js';
import type { Database } from '../surreal/database.js';
import { type Change, changesAmong } from './change.js';
import { GivenRows, idsBehind, type Position, signPosition, sortableId } from './position.js';

/** What one reading of the log has brought. */
export interface Batch {
  changes: readonly Change[];
  /** The cursor for who has not been given all of it yet. */
  before: string;
  after: string;
  /** Was that the end of the log? Others may have written on since: waiting for an empty batch could last for ever. */
  end: boolean;
}

/** Reads the log from a position on, and knows at every moment the cursor of what it has given. */
export class Feed {
  readonly #db: Database;
  readonly #cursors: CursorSigner;
  readonly #reader: AuditReader;
  readonly #given: GivenRows;
  /** Rows up to here may have been given to whoever brought the position. */
  readonly #toldUpTo: string;
  #cursor: string;

  private constructor({ db, cursors, edge, ids, toldUpTo }: FeedStart) {
    this.#db = db;
    this.#cursors = cursors;
    this.#reader = new AuditReader(db, edge, ids);
    this.#given = new GivenRows(edge, ids);
    this.#toldUpTo = toldUpTo === undefined ? '' : sortableId(toldUpTo);
    this.#cursor = signPosition(cursors, this.#given.position);
  }

  /** @throws AcervoError `database:unavailable` */
  static async from(db: Database, cursors: CursorSigner, position: Position): Promise<Feed> {
    const ids = await idsBehind(db, position);
    const toldUpTo = ids === undefined ? position.newest : undefined;
    return new Feed({ db, cursors, edge: position.edge, ids: ids ?? [], toldUpTo });
  }

  /** A feed of what commits from now on. @throws AcervoError `database:unavailable` */
  static async ofNow(db: Database, cursors: CursorSigner): Promise<Feed> {
    const feed = new Feed({ db, cursors, edge: await settledCursor(db), ids: [], toldUpTo: undefined });
    do feed.#take(await feed.#reader.poll());
    while (!feed.#reader.atEnd);
    feed.#cursor = signPosition(cursors, feed.position);
    return feed;
  }

  get cursor(): string {
    return this.#cursor;
  }

  get position(): Position {
    return this.#given.position;
  }

  hasGiven(id: string): boolean {
    return this.#given.has(id);
  }

  /**
   * The next rows that have not been given; undefined at the end of the log. A batch may hold no changes: rows of other
   * kinds move the cursor on too.
   * @throws AcervoError `database:unavailable`; the next call goes on where this one began
   */
  async next(maxRows?: number): Promise<Batch | undefined> {
    return this.#batchOf(await this.#waitingOr(() => this.#reader.poll(maxRows)));
  }

  /** The same for what was committed in order: cheap, and blind for what is late. */
  async nextRecent(): Promise<Batch | undefined> {
    return this.#batchOf(await this.#waitingOr(() => this.#reader.recent()));
  }

  /** Rows that the reader has given and whose columns could not be read then. */
  #waiting: AuditRow[] = [];

  async #waitingOr(read: () => Promise<AuditRow[]>): Promise<AuditRow[]> {
    if (this.#waiting.length === 0) this.#waiting = await read();
    return this.#waiting;
  }

  async #batchOf(rows: AuditRow[]): Promise<Batch | undefined> {
    const found = await changesAmong(this.#db, rows);
    this.#waiting = [];
    const before = this.#cursor;
    this.#take(rows);
    this.#cursor = signPosition(this.#cursors, this.position);
    if (rows.length === 0) return undefined;
    return {
      changes: found.map((change) => this.#marked(change)),
      before,
      after: this.#cursor,
      end: this.#reader.atEnd,
    };
  }

  #marked(change: Change): Change {
    return sortableId(change.id) <= this.#toldUpTo ? { ...change, repeat: true } : change;
  }

  #take(rows: AuditRow[]): void {
    for (const { id } of rows) this.#given.add(id);
    this.#given.settle(this.#reader.cursor);
  }
}

interface FeedStart {
  db: Database;
  cursors: CursorSigner;
  edge: string;
  ids: readonly string[];
  toldUpTo: string | undefined;
}
