import type { QueryResponse } from 'surrealdb';
import {
  AlreadyExistsError,
  CallTerminatedError,
  ConnectionUnavailableError,
  HttpConnectionError,
  QueryError,
  ReconnectExhaustionError,
  type ServerError,
  ThrownError,
  UnexpectedConnectionError,
} from 'surrealdb';
import { ERROR_CODES, type ErrorCode } from '../errors/codes.js';

/** Why a transaction did not commit. */
export type Failure =
  /** Another transaction touched the same rows: run the whole of this one again. */
  | { kind: 'conflict' }
  /** The record that the operation id names is there: this operation was applied before. */
  | { kind: 'operation_exists' }
  /** The query threw `acervo:<code>` on purpose. */
  | { kind: 'refused'; code: ErrorCode }
  /** The connection broke: nobody knows whether it committed. */
  | { kind: 'unreachable'; cause: unknown }
  | { kind: 'unexpected'; cause: unknown };

const CONFLICT = /transaction conflict|can be retried|resource busy/i;
const THROWN_CODE = /acervo:([a-z_]+:[a-z_]+)/;

/** Did the connection fail, rather than the statement? */
export function isConnectionFailure(error: unknown): boolean {
  return (
    error instanceof ConnectionUnavailableError ||
    error instanceof CallTerminatedError ||
    error instanceof UnexpectedConnectionError ||
    error instanceof HttpConnectionError ||
    error instanceof ReconnectExhaustionError
  );
}

/** NotExecuted and Cancelled are echoes of a failure elsewhere in the transaction. */
function isEcho(error: ServerError): boolean {
  if (!(error instanceof QueryError) || CONFLICT.test(error.message)) return false;
  return error.isNotExecuted || error.isCancelled || /not executed due to/i.test(error.message);
}

/** The kind of one error; the embedded engine 3.0.2 tells conflicts by their message only. */
export function classify(error: unknown): Failure {
  if (isConnectionFailure(error)) return { kind: 'unreachable', cause: error };
  if (!(error instanceof Error)) return { kind: 'unexpected', cause: error };
  if (CONFLICT.test(error.message)) return { kind: 'conflict' };
  if (error instanceof AlreadyExistsError && error.message.includes('`idempotency:'))
    return { kind: 'operation_exists' };
  const thrown = error instanceof ThrownError ? THROWN_CODE.exec(error.message)?.[1] : undefined;
  if (thrown !== undefined && thrown in ERROR_CODES) return { kind: 'refused', code: thrown as ErrorCode };
  return { kind: 'unexpected', cause: error };
}

/**
 * The cause of a failed transaction: the first error that is not an echo of another one. `db.query()` would reject
 * with the first error, which is an echo (measured on both engines).
 */
export function causeOf(responses: QueryResponse[]): Failure | undefined {
  const errors = responses.flatMap((response) => (response.success ? [] : [response.error]));
  if (errors.length === 0) return undefined;
  return classify(errors.find((error) => !isEcho(error)) ?? errors[0]);
}
