import type { Searched } from '../search/compile.js';
import type { PassageKey } from '../search/corpus.js';
import type { Database } from '../surreal/database.js';
import type { ReplicaDocument } from './document.js';

/** Ids read by one query of the scan; see `document-ids.surql`. */
const PAGE_IDS = 20_000;
/** Vectors read by one query: the embedded engine blocks this thread for 10 ms while it hands over 100 (measured). */
const PAGE_SLICES = 50;
/** A document that changes while it is read is read again, so many times at most. */
const MAX_READS = 4;

interface Row {
  id: string;
  revision: number;
  content_revision: number;
  passage_count: number;
  columns: Record<string, unknown>;
}

export interface Slices {
  passages: { key: PassageKey; text: string }[];
  vectors: { key: [string, ...PassageKey]; embedding: number[] }[];
}

interface Reading {
  ids(db: Database, params: { after: string | undefined; limit: number }): Promise<{ id: string }[]>;
  rows(db: Database, params: { ids: string[]; space: string }): Promise<Row[]>;
  slices(db: Database, params: { keys: PassageKey[] }): Promise<Slices>;
}

/** What reads a corpus. */
const READING: Record<Searched, Reading> = {
  document: {
    ids: (db, params) => db.query('warm-index/document-ids', params),
    rows: (db, params) => db.query('warm-index/document-rows', params),
    slices: (db, params) => db.query('warm-index/document-slices', params),
  },
  decision: {
    ids: (db, params) => db.query('warm-index/decision-ids', params),
    rows: (db, params) => db.query('warm-index/decision-rows', params),
    slices: (db, params) => db.query('warm-index/decision-slices', params),
  },
};

/** The current state of documents: those that exist, the ids of those that do not, and of those that changed meanwhile. */
export interface Read {
  documents: ReplicaDocument[];
  missing: string[];
  unread: readonly string[];
}

/** Texts and vectors of passages, of those that exist. @throws AcervoError `database:unavailable` */
export function readSlices(db: Database, of: Searched, keys: PassageKey[]): Promise<Slices> {
  return READING[of].slices(db, { keys });
}

/** The ids of all documents of a corpus, in pages. @throws AcervoError `database:unavailable` */
export async function* idsOf(db: Database, of: Searched): AsyncGenerator<string[]> {
  let after: string | undefined;
  for (;;) {
    const rows = await READING[of].ids(db, { after, limit: PAGE_IDS });
    if (rows.length > 0) yield rows.map(({ id }) => id);
    if (rows.length < PAGE_IDS) return;
    after = rows.at(-1)?.id;
  }
}

/**
 * Reads documents as they are now: never the row of one revision with the passages of another.
 * @throws AcervoError `database:unavailable`
 */
export async function readDocuments(
  db: Database,
  { of, space, ids }: { of: Searched; space: string; ids: readonly string[] },
): Promise<Read> {
  const documents: ReplicaDocument[] = [];
  const missing: string[] = [];
  let wanted: readonly string[] = ids;
  for (let reads = 0; wanted.length > 0 && reads < MAX_READS; reads += 1) {
    const rows = await READING[of].rows(db, { ids: [...wanted], space });
    const found = new Set(rows.map(({ id }) => id));
    missing.push(...wanted.filter((id) => !found.has(id)));
    const whole = await withSlices(db, of, rows);
    documents.push(...whole);
    const read = new Set(whole.map(({ id }) => id));
    wanted = rows.flatMap(({ id }) => (read.has(id) ? [] : [id]));
  }
  return { documents, missing, unread: wanted };
}

/** Rows with their passages and vectors; those whose passages have gone meanwhile are left out. */
async function withSlices(db: Database, of: Searched, rows: Row[]): Promise<ReplicaDocument[]> {
  const keys = rows.flatMap(({ id, content_revision, passage_count }) =>
    Array.from({ length: passage_count + 1 }, (_, n): PassageKey => [id, content_revision, n - 1]),
  );
  const texts = new Map<string, string[]>();
  const vectors = new Map<string, ReplicaDocument['vectors']>();
  for (let at = 0; at < keys.length; at += PAGE_SLICES) {
    const page = await readSlices(db, of, keys.slice(at, at + PAGE_SLICES));
    for (const { key, text } of page.passages) listOf(texts, key[0])[key[2]] = text;
    for (const { key, embedding } of page.vectors)
      listOf(vectors, key[1]).push({ ordinal: key[3], embedding: Float32Array.from(embedding) });
  }
  return rows.flatMap(({ passage_count, ...row }) => {
    const passages = texts.get(row.id) ?? [];
    const isWhole = passages.length === passage_count && !passages.includes(undefined as never);
    return isWhole ? [{ ...row, passages, vectors: vectors.get(row.id) ?? [] }] : [];
  });
}

function listOf<Value>(lists: Map<string, Value[]>, id: string): Value[] {
  const known = lists.get(id);
  if (known !== undefined) return known;
  const list: Value[] = [];
  lists.set(id, list);
  return list;
}
