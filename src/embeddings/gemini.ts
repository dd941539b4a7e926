import {
  type EmbedContentRequest,
  type GenerativeModel,
  GoogleGenerativeAI,
  GoogleGenerativeAIFetchError,
  TaskType,
} from '@google/generative-ai';
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

const TASK_TYPE = { document: TaskType.RETRIEVAL_DOCUMENT, query: TaskType.RETRIEVAL_QUERY } as const;

/** A field of the protocol that the types of the SDK leave out; the SDK sends each request whole. */
type SizedRequest = EmbedContentRequest & { outputDimensionality: number };

// The types of the SDK promise this shape; the SDK does not check it.
const answerSchema = z.object({ embeddings: z.array(z.object({ values: z.unknown() })) });

function detailsOf({ errorDetails }: GoogleGenerativeAIFetchError) {
  return Array.isArray(errorDetails) ? errorDetails : [];
}

/** google.rpc.ErrorInfo, `reason`. Source: googleapis, google/api/error_reason.proto. */
const reasonsOf = (error: GoogleGenerativeAIFetchError): unknown[] => detailsOf(error).map((detail) => detail?.reason);

/**
 * The wait that Google asks for: google.rpc.RetryInfo among the details of an error, `retryDelay` such as "3.5s".
 * The SDK hides the headers. Source: googleapis, google/rpc/error_details.proto.
 */
function retryDelaySeconds(error: GoogleGenerativeAIFetchError): number | undefined {
  for (const detail of detailsOf(error)) {
    const delay = /^(\d+(?:\.\d+)?)s$/.exec(String(detail?.retryDelay))?.[1];
    if (delay !== undefined) return Number(delay);
  }
  return undefined;
}

/**
 * Google's Gemini API through its SDK: models/{model}:batchEmbedContents, one content object a text (several texts in
 * one content would become one vector). The SDK reads answers whole, so here only the time limit bounds their size.
 */
export class GeminiDriver implements EmbeddingDriver {
  /** The model takes 2 048 tokens, of about four characters each in European languages. */
  readonly maxTextCharacters = 8000;
  readonly maxBatchTexts = 100;
  readonly #model: GenerativeModel;
  readonly #options: DriverOptions;

  constructor(options: DriverOptions) {
    this.#options = options;
    this.#model = new GoogleGenerativeAI(options.apiKey ?? '').getGenerativeModel(
      { model: options.model },
      options.url === undefined ? {} : { baseUrl: options.url.replace(/\/+$/, '') },
    );
  }

  async embedBatch(texts: string[], purpose: EmbeddingPurpose, signal: AbortSignal): Promise<EmbeddedBatch> {
    const requests = texts.map(
      (text): SizedRequest => ({
        content: { role: 'user', parts: [{ text }] },
        taskType: TASK_TYPE[purpose],
        outputDimensionality: this.#options.dimensions,
      }),
    );
    try {
      const answer = answerSchema.safeParse(await this.#model.batchEmbedContents({ requests }, { signal }));
      if (!answer.success) throw new ProviderError('the answer is not of the Gemini protocol');
      return { vectors: answer.data.embeddings.map(({ values }) => values), tokens: undefined };
    } catch (error) {
      throw this.#refusal(error) ?? brokenRequest(error);
    }
  }

  #refusal(error: unknown): ProviderError | undefined {
    if (!(error instanceof GoogleGenerativeAIFetchError) || error.status === undefined) return undefined;
    // Google answers 400 where others answer 401.
    const status = reasonsOf(error).includes('API_KEY_INVALID') ? 401 : error.status;
    return new ProviderError(loggableReason(status, error.message, this.#options.apiKey), {
      status,
      retryAfterSeconds: retryDelaySeconds(error),
    });
  }
}
