import { ERROR_CODES, type ErrorCode } from './codes.js';
import { AcervoError, type Fault } from './error.js';

/** RFC 9457 problem document, with our stable members. */
export interface Problem {
  type: string;
  title: string;
  status: number;
  code: ErrorCode;
  detail?: string;
  request_id: string;
  retryable: boolean;
  errors: Fault[];
}

/**
 * The problem document of an error. What is not an `AcervoError` becomes an opaque 500: its message stays in the log.
 * Source: RFC 9457, sections 3.1 and 3.2.
 */
export function toProblem(error: unknown, requestId: string): Problem {
  const known = error instanceof AcervoError ? error : new AcervoError('internal:unexpected', { cause: error });
  const { title, status, retryable } = ERROR_CODES[known.code];
  return {
    type: `/docs/errors#${known.code.replace(':', '-')}`,
    title,
    status,
    code: known.code,
    ...(known.detail === undefined ? {} : { detail: known.detail }),
    request_id: requestId,
    retryable,
    errors: known.faults,
  };
}
