import type { Context } from '../context.js';
import type { Kind } from '../lineage/schemas.js';
import type { DocumentKey, Searched } from './compile.js';
import type { ColumnTable } from './filter/ast.js';

/** The key of a passage: document, content revision, ordinal. */
export type PassageKey = [string, number, number];

/** What the legs of a search need to know of what they search. */
export interface CorpusTables {
  /** Names its tables in `compile.ts`. */
  of: Searched;
  /** What a filter may name, beside metadata. */
  columns: ColumnTable;
  /** How many documents there are, whoever may see them. */
  count(ctx: Context): Promise<number>;
  /** The keys of documents, of those that exist. */
  keys(ctx: Context, ids: string[]): Promise<DocumentKey[]>;
}

/** What a search runs over: documents of one kind, with passages and vectors in tables of their own. */
export interface Corpus<Document extends { id: string }> extends CorpusTables {
  /** What its documents are called as resources. */
  kind: Kind;
  /** A cursor of one corpus opens no other. */
  cursorKind: string;
  /**
   * The documents of a page as clients see them, and the texts of their passages, in the order in which they are asked for:
   * one query. Undefined is what does not exist any more.
   */
  page(
    ctx: Context,
    wanted: { ids: string[]; passages: PassageKey[] },
  ): Promise<{ documents: (Document | undefined)[]; texts: (string | undefined)[] }>;
}
