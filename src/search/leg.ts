import type { Context } from '../context.js';
import type { CompiledStatement } from '../surreal/database.js';
import { compileMatches, type Match, type Searched } from './compile.js';
import type { Filter } from './filter/ast.js';
import { bestFirst } from './fusion.js';

/** A passage that a leg found. Ordinal -1 stands for the whole document. */
export interface FoundPassage {
  content_revision: number;
  ordinal: number;
  score: number;
}

/** A document that a leg found: its score is that of its best passage. */
export interface FoundDocument {
  id: string;
  score: number;
  passages: FoundPassage[];
  /** Its score was computed because the other leg found it; this leg has not come to it. */
  completed?: boolean;
}

/** What a leg did, for `plan`. */
export interface LegReport {
  leg: 'text' | 'vector';
  /** The warm index (`disk`: with its vectors on disk), or the database. */
  from: 'memory' | 'disk' | 'database';
  /** `index`: BM25 or KNN; `exact`: cosine over just the documents that may match; `scan`: over all. */
  method: 'index' | 'exact' | 'scan';
  /** Documents found. */
  found: number;
  duration_ms: number;
  statements: { text: string; params: Record<string, unknown>; rows: number; duration_ms: number }[];
}

/** What a leg found, best first. */
export interface LegResult {
  documents: FoundDocument[];
  /** True when there is nothing more to find: then fewer than asked for is all there is. */
  exhausted: boolean;
  report: LegReport;
}

/** Row of a leg's statement: `key` ends with document, content revision, ordinal. */
export interface LegRow {
  key: (string | number)[];
  score: number;
}

export const PASSAGES_OF_A_HIT = 3;

/** Groups passages, best first, by document. */
export function byDocument(rows: LegRow[]): FoundDocument[] {
  const found = new Map<string, FoundDocument>();
  const sorted = [...rows].sort((a, b) => b.score - a.score || (String(a.key) < String(b.key) ? -1 : 1));
  for (const { key, score } of sorted) {
    const [id, contentRevision, ordinal] = key.slice(-3);
    const passage: FoundPassage = { content_revision: Number(contentRevision), ordinal: Number(ordinal), score };
    const document = found.get(String(id));
    if (document === undefined) found.set(String(id), { id: String(id), score, passages: [passage] });
    else if (document.passages.length < PASSAGES_OF_A_HIT) document.passages.push(passage);
  }
  return [...found.values()];
}

/** What a leg found, with documents that only the other leg came to and whose scores were computed for it. */
export function withCompleted(own: FoundDocument[], computed: FoundDocument[]): FoundDocument[] {
  return [...own, ...computed.map((document) => ({ ...document, completed: true }))].sort(bestFirst);
}

/** Runs statements of one leg and keeps account of them. */
export class LegRecorder {
  readonly #ctx: Context;
  readonly #statements: LegReport['statements'] = [];
  readonly #startedMs = performance.now();

  constructor(
    ctx: Context,
    private readonly leg: LegReport['leg'],
  ) {
    this.#ctx = ctx;
  }

  async run<Row>(statement: CompiledStatement): Promise<Row[]> {
    const startedMs = performance.now();
    const rows = (await this.#ctx.db.run<Row[] | undefined>(statement)) ?? [];
    this.#statements.push({ ...statement, rows: rows.length, duration_ms: performance.now() - startedMs });
    return rows;
  }

  /** Documents that the filter keeps, `limit` of them at most. */
  matches(of: Searched, filter: Filter, limit: number): Promise<Match[]> {
    return this.run<Match>(compileMatches(of, filter, limit));
  }

  result(documents: FoundDocument[], exhausted: boolean, method: LegReport['method']): LegResult {
    const durationMs = performance.now() - this.#startedMs;
    this.#ctx.metrics.searchDuration.observe({ leg: this.leg }, durationMs / 1000);
    const report = {
      leg: this.leg,
      from: 'database' as const,
      method,
      found: documents.length,
      duration_ms: durationMs,
    };
    return { documents, exhausted, report: { ...report, statements: this.#statements } };
  }
}
