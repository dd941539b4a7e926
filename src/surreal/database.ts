/** Values bound to a query; the SDK encodes them. Plain JSON, `Date`, and the ids of `values.ts`. */
export type Params = Record<string, unknown>;

/** What this engine is and can do. */
export interface EngineInfo {
  kind: 'embedded' | 'server';
  /** For instance `3.3.5`. */
  version: string;
  /** The vector index that the schema was applied with. */
  vectorIndex: 'hnsw' | 'diskann' | 'none';
}

/** SurrealQL written by `search/compile`, the only place that makes statements from a request. */
export interface CompiledStatement {
  text: string;
  params: Params;
}

export type AuditAction = 'CREATE' | 'READ' | 'UPDATE' | 'DELETE';
export type AuditStatus = 'SUCCESS' | 'FAILURE' | 'DENIED' | 'EXPIRED';

/** The part of an audit row that is known before the transaction; the query's `$change` completes it. */
export interface AuditDraft {
  /** `knowledge:ID`, `artifact:ID`, … */
  resource: string;
  agent_id?: string | undefined;
  key_id?: string | undefined;
  address?: string | undefined;
  user_agent?: string | undefined;
  request_id?: string | undefined;
}

/** One change: a query file that sets `$answer` (any JSON) and `$change` (an object, or NONE when nothing changed). */
export interface Change {
  /** Name of the query file, such as `knowledge/put`. */
  query: string;
  params: Params;
  operation: { id: string; request_digest: string };
  audit: AuditDraft;
}

/** What a committed change left behind. */
export interface Committed<Answer> {
  answer: Answer;
  /** Id of the audit row (opaque text), absent when nothing changed. */
  audit_id: string | undefined;
  /** True when this operation had been applied before and the stored answer is returned. */
  replayed: boolean;
}

/**
 * One database of the installation. Every call has a deadline; while the connection is away it fails at once with
 * `database:unavailable`, so that no request hangs.
 */
export interface Database {
  readonly engine: EngineInfo;
  /** Runs a query file and returns the result of its last statement. @throws AcervoError `database:unavailable` */
  query<Result>(name: string, params?: Params): Promise<Result>;
  /** Runs a compiled statement and returns its result. */
  run<Result>(statement: CompiledStatement): Promise<Result>;
  /**
   * Applies one change at most once: operation id, data and audit row in one transaction, conflicts retried whole.
   * @throws AcervoError the code that the query THROWs as `acervo:<code>`, `idempotency:key_reused`,
   *   `database:conflict` (retries spent), `database:unavailable` (outcome unknown: retry with the same operation)
   */
  transact<Answer>(change: Change): Promise<Committed<Answer>>;
  /** Is the connection up and answering? Never throws. */
  isReady(): Promise<boolean>;
}
