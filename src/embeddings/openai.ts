import { z } from 'zod';
import {
  brokenRequest,
  type DriverOptions,
  type EmbeddedBatch,
  type EmbeddingDriver,
  loggableReason,
  ProviderError,
} from './driver.js';
import type { EmbeddingPurpose } from './port.js';

const DEFAULT_URL = 'https://api.openai.com/v1';
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;
const MAX_REASON_BYTES = 64 * 1024;

const answerSchema = z.object({
  data: z.array(z.object({ index: z.int().min(0), embedding: z.unknown() })),
  // Voyage has no prompt_tokens; some local servers have no usage.
  usage: z.object({ prompt_tokens: z.number().optional(), total_tokens: z.number().optional() }).nullish(),
});

/** `base` with /embeddings after its path; a query (Azure: ?api-version=…) stays. */
function endpoint(base: string): URL {
  const url = new URL(base);
  url.pathname = `${url.pathname.replace(/\/+$/, '')}/embeddings`;
  return url;
}

/**
 * The fields beside model and input. `dimensions` is sent only to models that know it. Voyage speaks a dialect: it
 * refuses encoding_format "float" (floats are its default) and has a name for the purpose.
 */
function fieldsOf(model: string, dimensions: number, purpose: EmbeddingPurpose): Record<string, string | number> {
  if (model.startsWith('voyage-')) return { input_type: purpose };
  return { encoding_format: 'float', ...(model.startsWith('text-embedding-3') ? { dimensions } : {}) };
}

/** The body as text. @throws ProviderError when it is longer than `maxBytes`; whatever fetch throws when it breaks off */
export async function readBounded(response: Response, maxBytes: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength;
    // Leaving the loop cancels the body.
    if (bytes > maxBytes) throw new ProviderError(`the answer is longer than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/**
 * Retry-After as seconds from now: a number of them, or an HTTP date. Source: RFC 9110, section 10.2.3.
 * @param nowMs epoch milliseconds
 * @returns 0 or more; undefined for a missing or senseless value
 */
export function parseRetryAfter(value: string | null, nowMs: number): number | undefined {
  if (value === null) return undefined;
  if (/^\s*\d+\s*$/.test(value)) return Number(value);
  const at = /^[A-Z][a-z]{2,8},? /.test(value) ? Date.parse(value) : Number.NaN;
  return Number.isNaN(at) ? undefined : Math.max(0, Math.ceil((at - nowMs) / 1000));
}

/** In the order of the texts. @throws ProviderError unless the indices are 0 to count - 1, each once */
function inOrder(data: { index: number; embedding?: unknown }[], count: number): unknown[] {
  const sorted = data.toSorted((a, b) => a.index - b.index);
  if (sorted.length !== count) throw new ProviderError(`${sorted.length} vectors came for ${count} texts`);
  if (sorted.some((item, i) => item.index !== i))
    throw new ProviderError('the indices of the answer are not 0 to n - 1');
  return sorted.map((item) => item.embedding);
}

/**
 * The OpenAI embeddings protocol, spoken by OpenAI, Voyage, Ollama, TEI, vLLM and others: POST {url}/embeddings.
 * A redirect is not followed, so that texts and key go nowhere else. Source: OpenAI API reference, "Create embeddings".
 */
export class OpenAiDriver implements EmbeddingDriver {
  /** OpenAI takes 8 191 tokens; three characters a token leave room for dense text. */
  readonly maxTextCharacters = 24_000;
  readonly maxBatchTexts = 2048;
  readonly #options: DriverOptions;
  readonly #endpoint: URL;
  readonly #now: () => number;

  /** @param now epoch milliseconds, to read a Retry-After that is a date */
  constructor(options: DriverOptions, now: () => number) {
    this.#options = options;
    this.#endpoint = endpoint(options.url ?? DEFAULT_URL);
    this.#now = now;
  }

  async embedBatch(texts: string[], purpose: EmbeddingPurpose, signal: AbortSignal): Promise<EmbeddedBatch> {
    try {
      const response = await this.#post(texts, purpose, signal);
      if (!response.ok) throw await this.#refusal(response);
      const answer = answerSchema.safeParse(JSON.parse(await readBounded(response, MAX_ANSWER_BYTES)));
      if (!answer.success) throw new ProviderError('the answer is not of the embeddings protocol');
      const { data, usage } = answer.data;
      return { vectors: inOrder(data, texts.length), tokens: usage?.prompt_tokens ?? usage?.total_tokens };
    } catch (error) {
      throw brokenRequest(error);
    }
  }

  #post(input: string[], purpose: EmbeddingPurpose, signal: AbortSignal): Promise<Response> {
    const { model, apiKey, dimensions } = this.#options;
    return fetch(this.#endpoint, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }),
      },
      body: JSON.stringify({ model, input, ...fieldsOf(model, dimensions, purpose) }),
      redirect: 'manual',
      signal,
    });
  }

  async #refusal(response: Response): Promise<ProviderError> {
    const reason = await readBounded(response, MAX_REASON_BYTES).catch(() => '');
    return new ProviderError(loggableReason(response.status, reason, this.#options.apiKey), {
      status: response.status,
      retryAfterSeconds: parseRetryAfter(response.headers.get('retry-after'), this.#now()),
    });
  }
}
