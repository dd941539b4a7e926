import type { QueryResponse } from 'surrealdb';
import { AcervoError } from '../errors/error.js';
import type { Connection, Sessions } from './connection.js';
import type { Change, Committed, CompiledStatement, Database, EngineInfo, Params } from './database.js';
import { causeOf, classify, type Failure } from './failures.js';
import type { Session } from './link.js';
import { transact } from './transact.js';
import { toPlain } from './values.js';

/** What a transaction has changed, and the rows of the audit log that tell of it. */
export interface CommittedChange {
  resources: string[];
  audit_ids: string[];
}

/** What the database counts as it works. */
export interface DatabaseEvents {
  transaction?(outcome: 'committed' | 'replayed' | 'failed'): void;
  /**
   * Something has changed; whoever made the change is answered when this resolves.
   * @param change undefined: not known in detail, since the answer to the transaction was lost
   */
  changed?(change: CommittedChange | undefined): Promise<void>;
  conflict?(): void;
}

export interface SessionDatabaseOptions {
  queries: ReadonlyMap<string, string>;
  vectorIndex: EngineInfo['vectorIndex'];
  /** Bound of every call, in milliseconds. */
  timeoutMs: number;
  /** How long an operation id is remembered, in seconds. */
  operationTtlSeconds: number;
  events?: DatabaseEvents;
}

/** Sends one text with its values; resolves to all responses, failed ones included. */
export type Send = (text: string, params: Params) => Promise<QueryResponse[]>;

function unavailable(cause?: unknown): AcervoError {
  return new AcervoError('database:unavailable', { retryAfterSeconds: 1, cause });
}

function thrownFor(failure: Failure): Error {
  if (failure.kind === 'unreachable') return unavailable(failure.cause);
  if (failure.kind === 'refused') return new AcervoError(failure.code);
  if (failure.kind === 'conflict') return new AcervoError('database:conflict', { retryAfterSeconds: 1 });
  if (failure.kind === 'operation_exists') return new AcervoError('internal:unexpected');
  return failure.cause instanceof Error ? failure.cause : new Error(String(failure.cause));
}

/** A `Database` over SDK sessions: transactions by one, all else by the other. */
export class SessionDatabase implements Database {
  readonly engine: EngineInfo;
  readonly #sessions: Sessions;
  readonly #options: SessionDatabaseOptions;

  constructor({ kind, version }: Connection, sessions: Sessions, options: SessionDatabaseOptions) {
    this.#sessions = sessions;
    this.#options = options;
    this.engine = { kind, version, vectorIndex: options.vectorIndex };
  }

  /** The text of a query file. @throws Error when there is none: a fault of ours */
  text(name: string): string {
    const text = this.#options.queries.get(name);
    if (text === undefined) throw new Error(`There is no query file ${name}`);
    return text;
  }

  /** Sends a transaction within the deadline. @throws AcervoError `database:unavailable` */
  readonly send: Send = (text, params) => this.#sendBy(this.#sessions.writes, text, params);

  async #sendBy(session: Session, text: string, params: Params): Promise<QueryResponse[]> {
    if (!session.isUp) throw unavailable();
    let forget = () => {};
    const late = new Promise<never>((_, reject) => {
      const timer = setTimeout(() => {
        session.doubt();
        reject(unavailable(new Error('deadline')));
      }, this.#options.timeoutMs);
      const unsubscribe = session.onLost(() => reject(unavailable(new Error('the connection was lost'))));
      forget = () => {
        clearTimeout(timer);
        unsubscribe();
      };
    });
    try {
      const sent = session.query(text, params).responses();
      // After the deadline nobody waits for this promise any more; its failure must not end the process.
      sent.catch(() => undefined);
      return await Promise.race([sent, late]);
    } catch (error) {
      if (error instanceof AcervoError) throw error;
      throw thrownFor(classify(error));
    } finally {
      forget();
    }
  }

  async query<Result>(name: string, params: Params = {}): Promise<Result> {
    return this.run<Result>({ text: this.text(name), params });
  }

  async run<Result>(statement: CompiledStatement): Promise<Result> {
    const responses = await this.#sendBy(this.#sessions.reads, statement.text, statement.params);
    const failure = causeOf(responses);
    if (failure !== undefined) throw thrownFor(failure);
    const last = responses.at(-1);
    return toPlain(last?.success ? last.result : undefined) as Result;
  }

  async transact<Answer>(change: Change): Promise<Committed<Answer>> {
    return transact<Answer>(this, change, {
      timeoutMs: this.#options.timeoutMs,
      operationTtlSeconds: this.#options.operationTtlSeconds,
      ...(this.#options.events ? { events: this.#options.events } : {}),
    });
  }

  /** Both ways are asked: one connection may be back before the other. */
  async isReady(): Promise<boolean> {
    const { reads, writes } = this.#sessions;
    try {
      const answers = await Promise.all([reads, writes].map((session) => this.#sendBy(session, 'RETURN 1', {})));
      return answers.every((responses) => causeOf(responses) === undefined);
    } catch {
      return false;
    }
  }
}
