import { setTimeout as sleep } from 'node:timers/promises';
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

/** What an answer without a body says by its status. A delete marker is answered 405. */
const STATUSES: Record<number, ErrorCode> = {
  404: 'artifact:not_found',
  405: 'artifact:not_found',
  412: 'artifact:precondition_failed',
  416: 'artifact:range_not_satisfiable',
};

const NETWORK =
  /^(ECONN|ETIMEDOUT|EPIPE|ENOTFOUND|EAI_|EHOST|ENET|ERR_STREAM_PREMATURE_CLOSE|SlowDown|ServiceUnavailable|InternalError)/;

/** The error of an answer: its S3 code, else its status. */
export function failureOf(status: number, s3Code: string | undefined): Error {
  const cause = new Error(`S3 answered ${status} ${s3Code ?? ''}`);
  if (status >= 500 || status === 429 || status === 408) return new AcervoError('objects:unavailable', { cause });
  const code = CODES[s3Code ?? ''] ?? STATUSES[status];
  return code === undefined ? cause : new AcervoError(code, { cause });
}

/** Ours stay; the SDK's and Node's become ours; what is left is a fault of the installation, such as a wrong secret. */
function translated(error: unknown): unknown {
  if (!(error instanceof Error) || isAcervoError(error)) return error;
  const s3Code = 'code' in error ? String(error.code) : '';
  const code = CODES[s3Code];
  if (code !== undefined) return new AcervoError(code, { cause: error });
  // So the SDK reports a 5xx once it has no retries left.
  const gaveUp = error.message.includes('Retryable HTTP status');
  return NETWORK.test(s3Code) || gaveUp ? new AcervoError('objects:unavailable', { cause: error }) : error;
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
