import type { EmbeddingPurpose } from './port.js';

/** What a provider answered to one batch; `resilient.ts` checks it, so drivers pass vectors on as they came. */
export interface EmbeddedBatch {
  /** One a text, in the order of the texts. */
  vectors: unknown[];
  /** As the provider counted them; undefined when it does not say. */
  tokens: number | undefined;
}

/** One protocol: a batch of texts to one request and back, once. Retries, time limits and checks are not its business. */
export interface EmbeddingDriver {
  /** Longer texts are cut here, in UTF-16 code units. */
  readonly maxTextCharacters: number;
  /** What the provider takes in one request. */
  readonly maxBatchTexts: number;
  /**
   * @param signal not yet aborted; when it aborts, any error may be thrown
   * @throws ProviderError and nothing else
   */
  embedBatch(texts: string[], purpose: EmbeddingPurpose, signal: AbortSignal): Promise<EmbeddedBatch>;
}

/** What drivers are made from. */
export interface DriverOptions {
  url: string | undefined;
  model: string;
  apiKey: string | undefined;
  dimensions: number;
}

/** One failed attempt. The message goes to the log: it holds no key and no text that was embedded. */
export class ProviderError extends Error {
  /** The HTTP status, when there was an answer that says it failed. */
  readonly status: number | undefined;
  readonly retryAfterSeconds: number | undefined;

  constructor(message: string, options: { status?: number; retryAfterSeconds?: number | undefined } = {}) {
    super(message);
    this.name = 'ProviderError';
    this.status = options.status;
    this.retryAfterSeconds = options.retryAfterSeconds;
  }

  /** No answer, a broken one, 408, 429 and 5xx may go away by themselves. */
  get retryable(): boolean {
    return this.status === undefined || this.status === 408 || this.status === 429 || this.status >= 500;
  }

  /** Not these texts are refused, but everything: the key, the model or the address (3xx) must be put right first. */
  get refusesAll(): boolean {
    if (this.status === undefined) return false;
    return this.status < 400 || [401, 402, 403, 404, 405, 410].includes(this.status);
  }
}

/**
 * The error of a request without a usable answer. Only the name or code of `error` is kept: messages of fetch may
 * quote the URL or a header with the key.
 */
export function brokenRequest(error: unknown): ProviderError {
  if (error instanceof ProviderError) return error;
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const code = cause instanceof Error && 'code' in cause && typeof cause.code === 'string' ? cause.code : undefined;
  return new ProviderError(`the request broke: ${code ?? (cause instanceof Error ? cause.name : 'unknown')}`);
}

/**
 * What a provider wrote about a failure, for the log: at most 300 characters, without the key. Nothing on 401 and 403,
 * whose texts tend to quote parts of the key.
 */
export function loggableReason(status: number, reason: string, apiKey: string | undefined): string {
  if (status === 401 || status === 403 || reason === '') return `status ${status}`;
  const clean = apiKey === undefined ? reason : reason.replaceAll(apiKey, '[key]');
  return `status ${status}: ${clean.slice(0, 300)}`;
}
