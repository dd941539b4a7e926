import { auditIdText, partsOfAuditId } from '../audit/id.js';
import { earlier, later, sortable } from '../audit/reader.js';
import { AcervoError } from '../errors/error.js';
import type { CursorSigner } from '../http/cursor.js';
import type { Database } from '../surreal/database.js';

const CURSOR_KIND = 'changes';
/** More rows than this behind a cursor are not compared one by one: they are given again. */
const MAX_COMPARED = 100_000;

/**
 * How far somebody has been given the log: everything before `edge`, and of what lies between `edge` and `newest` as many
 * rows as `rows`, whose ids XOR to `mark`. When the log holds just those there, none of them is given again; when a
 * late one has come between, all of them are.
 */
export interface Position {
  edge: string;
  newest?: string | undefined;
  rows: number;
  mark: number;
}

/** Text that sorts as ids do. */
export function sortableId(id: string): string {
  const [time, uuid] = partsOfAuditId(id);
  return `${sortable(time)}_${uuid}`;
}

/** The random end of a UUIDv7. */
const markOf = (id: string): number => Number.parseInt(id.slice(-8), 16);

/** The rows given since an edge. */
export class GivenRows {
  readonly #ids = new Map<string, string>();
  #edge: string;
  #newest: string | undefined;
  #mark = 0;

  constructor(edge: string, ids: Iterable<string> = []) {
    this.#edge = edge;
    for (const id of ids) this.add(id);
  }

  add(id: string): void {
    if (this.#ids.has(id)) return;
    this.#ids.set(id, sortableId(id));
    this.#mark = (this.#mark ^ markOf(id)) >>> 0;
    const newest = this.#newest === undefined ? '' : (this.#ids.get(this.#newest) ?? '');
    if ((this.#ids.get(id) ?? '') > newest) this.#newest = id;
  }

  has(id: string): boolean {
    return this.#ids.has(id);
  }

  /** Forgets what lies before an edge; in steps of a second, since it looks at all. */
  settle(edge: string): void {
    if (Date.parse(edge) - Date.parse(this.#edge) < 1000) return;
    this.#edge = later(this.#edge, edge);
    const before = sortable(this.#edge);
    for (const [id, place] of this.#ids)
      if (place < before) {
        this.#ids.delete(id);
        this.#mark = (this.#mark ^ markOf(id)) >>> 0;
      }
    if (this.#newest !== undefined && !this.#ids.has(this.#newest)) this.#newest = undefined;
  }

  get position(): Position {
    return { edge: this.#edge, newest: this.#newest, rows: this.#ids.size, mark: this.#mark };
  }
}

export function signPosition(cursors: CursorSigner, { edge, newest, rows, mark }: Position): string {
  return cursors.sign(CURSOR_KIND, newest === undefined ? { e: edge } : { e: edge, n: newest, r: rows, m: mark });
}

/** @throws AcervoError `cursor:invalid`, `cursor:expired` */
export function readPosition(cursors: CursorSigner, cursor: string): Position {
  const { e, n, r = 0, m = 0 } = cursors.verify(CURSOR_KIND, cursor);
  if (typeof e !== 'string' || typeof r !== 'number' || typeof m !== 'number') throw new AcervoError('cursor:invalid');
  return { edge: e, newest: typeof n === 'string' ? n : undefined, rows: r, mark: m };
}

/**
 * The ids behind a position that need not be given again; undefined when others have come between them.
 * @throws AcervoError `database:unavailable`
 */
export async function idsBehind(db: Database, position: Position): Promise<string[] | undefined> {
  const { edge, newest, rows, mark } = position;
  if (newest === undefined) return [];
  if (rows > MAX_COMPARED) return undefined;
  const [to, to_uuid] = partsOfAuditId(newest);
  const from = earlier(edge, to);
  const ids = await db.query<[string, string][]>('live/given', { from, to, to_uuid, limit: rows + 1 });
  const given = new GivenRows(edge, ids.map(auditIdText));
  const found = given.position;
  return found.rows === rows && found.mark === mark ? ids.map(auditIdText) : undefined;
}
