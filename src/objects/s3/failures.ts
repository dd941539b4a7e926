import { setTimeout as sleep } from 'node:timers/promises';
import { S3Error } from 'minio';
import type { ErrorCode } from '../../errors/codes.js';
import { AcervoError, isAcervoError } from '../../errors/error.js';

const ATTEMPTS = 3;
const FIRST_PAUSE_MS = 100;

/** Source: the S3 API reference, "Error responses", and MinIO's own names. */
const CODES: Record<string, ErrorCode> = {
  NoSuchKey: 'artifact:not_found',
  NoSuchVersion: 'artifact:not_found',
  NotFound: 'artifact:not_found',
  MethodNotAllowed: 'artifact:not_found',
  NoSuchBucket: 'artifact:bucket_not_found',
  NoSuchUpload: 'artifact:upload_not_found',
  // Keys that we let pass do not bring this: MinIO says it of upload ids.
  XMinioInvalidResourceName: 'artifact:upload_not_found',
  InvalidPart: 'artifact:part_invalid',
  InvalidPartOrder: 'artifact:part_invalid',
  EntityTooSmall: 'artifact:part_invalid',
  PreconditionFailed: 'artifact:precondition_failed',
  ConditionalRequestConflict: 'artifact:precondition_failed',
  InvalidRange: 'artifact:range_not_satisfiable',
  KeyTooLongError: 'artifact:key_invalid',
  XMinioInvalidObjectName: 'artifact:key_invalid',
  EntityTooLarge: 'request:too_large',
};

/** What the store said, where we have no code for it. It goes to the log only. */
export class Refusal extends Error {
  constructor(
    readonly s3Code: string,
    message: string,
  ) {
    super(message);
    this.name = 'Refusal';
  }
}

/** Did the store refuse with one of these codes of its own? */
export function refusedWith(error: unknown, s3Codes: string[]): error is AcervoError & { cause: Refusal } {
  return (
    isAcervoError(error, 'objects:refused') && error.cause instanceof Refusal && s3Codes.includes(error.cause.s3Code)
  );
}

/** What an answer without a body says by its status. A delete marker is answered 405. */
const STATUSES: Record<number, ErrorCode> = {
  404: 'artifact:not_found',
  405: 'artifact:not_found',
  412: 'artifact:precondition_failed',
  416: 'artifact:range_not_satisfiable',
};

const NETWORK =
  /^(ECONN|ETIMEDOUT|EPIPE|ENOTFOUND|EAI_|EHOST|ENET|ERR_STREAM_PREMATURE_CLOSE|SlowDown|ServiceUnavailable|InternalError)/;

/** The error of an answer: its S3 code, else its status. What is left over is a wrong key, a missing right and the like. */
export function failureOf(status: number, s3Code: string | undefined, message?: string): AcervoError {
  const cause = new Refusal(s3Code ?? '', `${status} ${s3Code ?? ''} ${message ?? ''}`.trim());
  if (status >= 500 || status === 429 || status === 408) return new AcervoError('objects:unavailable', { cause });
  // MinIO says it without a code of its own for this.
  if (message?.includes('Invalid version id')) return new AcervoError('artifact:not_found', { cause });
  const code = CODES[s3Code ?? ''] ?? (s3Code === undefined ? STATUSES[status] : undefined);
  return new AcervoError(code ?? 'objects:refused', { cause });
}

/** Ours stay; the SDK's and Node's become ours; what is left is a fault of our own. */
function translated(error: unknown): unknown {
  if (!(error instanceof Error) || isAcervoError(error)) return error;
  const s3Code = 'code' in error ? String(error.code) : '';
  const code = CODES[s3Code];
  if (code !== undefined) return new AcervoError(code, { cause: error });
  // So the SDK reports a 5xx once it has no retries left.
  const gaveUp = error.message.includes('Retryable HTTP status');
  if (NETWORK.test(s3Code) || gaveUp) return new AcervoError('objects:unavailable', { cause: error });
  if (!(error instanceof S3Error)) return error;
  return new AcervoError('objects:refused', { cause: new Refusal(s3Code, `${s3Code} ${error.message}`) });
}

/** Runs a request once. @throws AcervoError */
export async function once<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    throw translated(error);
  }
}

/** Runs a request that changes nothing, again while the store is away. @throws AcervoError */
export async function retried<Result>(work: () => Promise<Result>): Promise<Result> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await once(work);
    } catch (error) {
      if (!isAcervoError(error, 'objects:unavailable') || attempt === ATTEMPTS) throw error;
      await sleep(FIRST_PAUSE_MS * 2 ** (attempt - 1) * (0.5 + Math.random()));
    }
  }
}
