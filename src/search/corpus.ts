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

/** What a search needs to know of a document, whatever else clients see of it. */
export type Searchable = { id: string; passage_count: number };

/** The documents of a page as clients see them, and the texts of their passages. */
export interface CorpusPage<Document> {
  /** Undefined is what does not exist any more. */
  documents: (Document | undefined)[];
  /** Of which content each of them is now. */
  contentRevisions: (number | undefined)[];
  /** Undefined is what was replaced; `filled` it is the text at the ordinal `min(ordinal, passage_count - 1)` of now. */
  texts: (string | undefined)[];
}

/** What a search runs over: documents of one kind, with passages and vectors in tables of their own. */
export interface Corpus<Document extends Searchable> extends CorpusTables {
  /** What its documents are called as resources. */
  kind: Kind;
  /** A cursor of one corpus opens no other. */
  cursorKind: string;
  /** Documents and texts in the order in which they are asked for, all of one moment: one query. */
  page(ctx: Context, wanted: { ids: string[]; passages: PassageKey[]; filled: boolean }): Promise<CorpusPage<Document>>;
}
