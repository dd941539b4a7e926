import { setTimeout as sleep } from 'node:timers/promises';
import { AcervoError } from '../errors/error.js';
import { CircuitBreaker } from './breaker.js';
import { type EmbeddingDriver, ProviderError } from './driver.js';
import type { EmbeddingPurpose, EmbeddingSpace, EmbeddingUsage, MeteredEmbedder } from './port.js';
import { toUnitVector } from './unit-vector.js';
import { estimatedTokens, unusedYet } from './usage.js';

/** Of one call; a bulk load makes several calls side by side, and config bounds these. */
const BATCHES_IN_FLIGHT = 2;
/** OpenAI takes 300 000 tokens a request; a character is at most about one. */
const MAX_BATCH_CHARACTERS = 250_000;
const FIRST_BACKOFF_MS = 250;
const MAX_BACKOFF_MS = 8000;
/** Nobody is asked to wait longer, whatever the provider says. */
const MAX_RETRY_AFTER_SECONDS = 30;
const MIN_FAILURES_TO_BREAK = 5;

export interface Limits {
  timeoutMs: number;
  batchTexts: number;
  maxRetries: number;
}

/** Time and chance, to be replaced in tests. */
export interface Timing {
  /** Rejects when the signal aborts. */
  sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  /** In [0, 1). */
  random: () => number;
  /** Epoch milliseconds. */
  now: () => number;
}

export const REAL_TIMING: Timing = {
  sleep: (ms, signal) => sleep(ms, undefined, { signal }),
  random: Math.random,
  now: Date.now,
};

/** A controller that also aborts when `parent` does, until `release`: nothing stays on a signal that lives long. */
function linkedAbort(parent: AbortSignal | undefined): { controller: AbortController; release: () => void } {
  const controller = new AbortController();
  const follow = () => controller.abort(parent?.reason);
  if (parent?.aborted) follow();
  parent?.addEventListener('abort', follow, { once: true });
  return { controller, release: () => parent?.removeEventListener('abort', follow) };
}

/** The start of a text, as well-formed Unicode: providers refuse half a surrogate pair. */
function cut(text: string, maxCharacters: number): string {
  return text.slice(0, maxCharacters).replace(/\p{Surrogate}/gu, '\uFFFD');
}

function splitIntoBatches(texts: string[], maxTexts: number): string[][] {
  const batches: string[][] = [];
  let batch: string[] = [];
  let characters = 0;
  for (const text of texts) {
    if (batch.length === 0 || batch.length >= maxTexts || characters + text.length > MAX_BATCH_CHARACTERS) {
      batch = [];
      batches.push(batch);
      characters = 0;
    }
    batch.push(text);
    characters += text.length;
  }
  return batches;
}

/** @throws ProviderError unless there are `count` vectors of `dimensions` finite numbers with a direction */
function checkedVectors(vectors: unknown[], count: number, dimensions: number): number[][] {
  if (vectors.length !== count) throw new ProviderError(`${vectors.length} vectors came for ${count} texts`);
  return vectors.map((vector) => {
    if (!Array.isArray(vector)) throw new ProviderError('a vector is not a list');
    if (vector.length !== dimensions)
      throw new ProviderError(`a vector has ${vector.length} dimensions instead of ${dimensions}`);
    const unit = toUnitVector(vector);
    if (unit === undefined) throw new ProviderError('a vector is zero or holds what is not a finite number');
    return unit;
  });
}

/**
 * Makes a driver an embedder: batches, a few at a time; a time limit for each attempt; retries with full-jitter
 * exponential backoff (M. Brooker, "Exponential Backoff And Jitter", AWS 2015) or as the provider asks; a circuit
 * breaker; checked vectors of unit length; counters. Errors as in the port.
 */
export class ResilientEmbedder implements MeteredEmbedder {
  readonly available = true;
  readonly usage: EmbeddingUsage = unusedYet();
  readonly #driver: EmbeddingDriver;
  readonly #limits: Limits;
  readonly #timing: Timing;
  readonly #breaker: CircuitBreaker;

  constructor(
    readonly space: EmbeddingSpace,
    driver: EmbeddingDriver,
    limits: Limits,
    timing: Timing,
  ) {
    this.#driver = driver;
    this.#limits = limits;
    this.#timing = timing;
    // One call alone may use all its retries.
    this.#breaker = new CircuitBreaker(Math.max(MIN_FAILURES_TO_BREAK, limits.maxRetries + 1), timing.now);
  }

  async embed(texts: string[], purpose: EmbeddingPurpose, signal?: AbortSignal): Promise<number[][]> {
    const { controller, release } = linkedAbort(signal);
    const { maxTextCharacters, maxBatchTexts } = this.#driver;
    const batches = splitIntoBatches(
      texts.map((text) => cut(text, maxTextCharacters)),
      Math.min(this.#limits.batchTexts, maxBatchTexts),
    );
    const vectors: number[][][] = [];
    const waiting = batches.entries();
    // The lanes share one iterator: each takes the next batch that nobody has taken.
    const lane = async () => {
      for (const [i, batch] of waiting) vectors[i] = await this.#embedBatch(batch, purpose, controller.signal);
    };
    try {
      controller.signal.throwIfAborted();
      await Promise.all(Array.from({ length: BATCHES_IN_FLIGHT }, lane));
      return vectors.flat();
    } catch (error) {
      signal?.throwIfAborted();
      throw error;
    } finally {
      // After a failure the other lane must not go on.
      controller.abort();
      release();
    }
  }

  async #embedBatch(texts: string[], purpose: EmbeddingPurpose, signal: AbortSignal): Promise<number[][]> {
    for (let attempt = 0; ; attempt++) {
      signal.throwIfAborted();
      if (!this.#breaker.admit()) throw this.#unavailable(undefined);
      if (attempt > 0) this.usage.retries++;
      try {
        return await this.#attempt(texts, purpose, signal);
      } catch (error) {
        // The reason of an aborted signal, too, is no failure of the provider.
        if (!(error instanceof ProviderError)) throw error;
        await this.#recover(error, attempt, signal);
      }
    }
  }

  /** One request, checked and counted. */
  async #attempt(texts: string[], purpose: EmbeddingPurpose, signal: AbortSignal): Promise<number[][]> {
    const { controller, release } = linkedAbort(signal);
    const late = new ProviderError(`no answer within ${this.#limits.timeoutMs} ms`);
    const timer = setTimeout(() => controller.abort(late), this.#limits.timeoutMs);
    this.usage.requests++;
    try {
      const answer = await this.#driver.embedBatch(texts, purpose, controller.signal);
      const vectors = checkedVectors(answer.vectors, texts.length, this.space.dimensions);
      this.#breaker.succeeded();
      this.usage.texts += texts.length;
      this.usage.tokens += answer.tokens ?? texts.reduce((sum, text) => sum + estimatedTokens(text), 0);
      return vectors;
    } catch (error) {
      throw controller.signal.aborted ? controller.signal.reason : error;
    } finally {
      clearTimeout(timer);
      release();
    }
  }

  /** Waits for the next attempt. @throws AcervoError when there is to be none */
  async #recover(error: ProviderError, attempt: number, signal: AbortSignal): Promise<void> {
    this.usage.failures++;
    if (!error.retryable && !error.refusesAll) {
      // It is there and answers: what it refuses is this request.
      this.#breaker.succeeded();
      throw new AcervoError('embedding:rejected', {
        detail: `The embedding provider answered with status ${error.status}.`,
        cause: error,
      });
    }
    const askedSeconds = Math.min(error.retryAfterSeconds ?? 0, MAX_RETRY_AFTER_SECONDS);
    this.#breaker.failed(askedSeconds);
    const isLast = error.refusesAll || attempt >= this.#limits.maxRetries;
    if (isLast || this.#breaker.waitSeconds() > 0) throw this.#unavailable(error);
    const jitterMs = this.#timing.random() * Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** attempt);
    await this.#timing.sleep(Math.max(askedSeconds * 1000, jitterMs), signal);
  }

  #unavailable(cause: ProviderError | undefined): AcervoError {
    const asked = Math.min(Math.ceil(cause?.retryAfterSeconds ?? 0), MAX_RETRY_AFTER_SECONDS);
    const seconds = Math.max(asked, this.#breaker.waitSeconds());
    return new AcervoError('embedding:unavailable', {
      cause,
      ...(cause?.refusesAll && { detail: `The embedding provider answered with status ${cause.status}.` }),
      ...(seconds > 0 && { retryAfterSeconds: seconds }),
    });
  }
}
