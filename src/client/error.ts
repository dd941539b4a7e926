/**
 * What the API or the object store refuses, and what the network does. `code` is one of `/docs/errors`, or:
 * `client:network` (no answer), `client:answer` (an answer that is no problem document, as of an object store),
 * `client:other_source` (not the bytes that the upload to be resumed was begun with), `client:hook_signature` (not sent by
 * the hook that has this secret).
 */
export class AcervoClientError extends Error {
  readonly code: string;
  /** Of HTTP; 0 where there was no answer. */
  readonly status: number;
  /** May the same request work later? */
  readonly retryable: boolean;
  /** Under this the server's log tells more. */
  readonly request_id: string | undefined;
  /** The server asked for so much patience. */
  readonly retry_after_seconds: number;

  constructor(message: string, { code, status = 0, retryable = false, request_id, cause, ...facts }: ErrorFacts) {
    super(message, cause === undefined ? {} : { cause });
    this.name = 'AcervoClientError';
    this.code = code;
    this.status = status;
    this.retryable = retryable;
    this.request_id = request_id;
    this.retry_after_seconds = facts.retry_after_seconds ?? 0;
  }
}

interface ErrorFacts {
  code: string;
  status?: number;
  retryable?: boolean;
  request_id?: string | undefined;
  retry_after_seconds?: number;
  cause?: unknown;
}

/** RFC 9457, with the members that the API adds. */
interface Problem {
  title: string;
  code: string;
  detail?: string;
  retryable: boolean;
  request_id: string;
  errors?: { path: string; message: string }[];
}

const MAX_QUOTED_CHARS = 200;

/** An error of an answer that is not a success; reads its body. */
export async function errorOf(response: Response): Promise<AcervoClientError> {
  const { status } = response;
  const text = await response.text().catch(() => '');
  const retry_after_seconds = Number(response.headers.get('retry-after') ?? 0) || 0;
  const problem = problemIn(response, text);
  if (problem !== undefined) {
    const { code, retryable, request_id } = problem;
    return new AcervoClientError(messageOf(problem), { code, status, retryable, request_id, retry_after_seconds });
  }
  const retryable = status >= 500 || status === 408 || status === 429;
  const said = /<Code>([^<]*)<\/Code>/.exec(text)?.[1] ?? text.slice(0, MAX_QUOTED_CHARS);
  return new AcervoClientError(`The answer was ${status}: ${said}`, {
    ...{ code: 'client:answer', status, retryable, retry_after_seconds },
  });
}

function problemIn(response: Response, text: string): Problem | undefined {
  if (!response.headers.get('content-type')?.startsWith('application/problem+json')) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function messageOf({ title, code, detail, errors = [] }: Problem): string {
  const faults = errors.map(({ path, message }) => `${path} ${message}`);
  return [`${code}: ${title}`, detail, ...faults].filter((line) => line !== undefined).join(' ');
}
