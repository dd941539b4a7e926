import { ERROR_CODES, type ErrorCode } from './codes.js';

/** One fault at one place of the input: `path` is a JSON path such as `filter.metadata.size`. */
export interface Fault {
  path: string;
  message: string;
}

export interface AcervoErrorOptions {
  /** What is particular to this occurrence; public, so it must hold no secret and no internals. */
  detail?: string;
  faults?: Fault[];
  /** For 429 and 503: after how many seconds to try again. */
  retryAfterSeconds?: number;
  /** The underlying error; goes to the log only. */
  cause?: unknown;
}

/** The only error that verbs throw on purpose; its code decides the HTTP answer (see codes.ts). */
export class AcervoError extends Error {
  readonly code: ErrorCode;
  readonly faults: Fault[];
  readonly detail: string | undefined;
  readonly retryAfterSeconds: number | undefined;

  constructor(code: ErrorCode, options: AcervoErrorOptions = {}) {
    super(options.detail ?? ERROR_CODES[code].title, { cause: options.cause });
    this.name = 'AcervoError';
    this.code = code;
    this.detail = options.detail;
    this.faults = options.faults ?? [];
    this.retryAfterSeconds = options.retryAfterSeconds;
  }

  get status(): number {
    return ERROR_CODES[this.code].status;
  }

  get retryable(): boolean {
    return ERROR_CODES[this.code].retryable;
  }
}

/** Is this error a `code` of our table (or any of them, without `code`)? */
export function isAcervoError(error: unknown, code?: ErrorCode): error is AcervoError {
  return error instanceof AcervoError && (code === undefined || error.code === code);
}
