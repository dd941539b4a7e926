/** What a text is embedded for; some models use different instructions for each. */
export type EmbeddingPurpose = 'document' | 'query';

/**
 * A vector space. Vectors of different spaces never mix: each space has a table of its own, named after `slug`.
 * `slug` is `[a-z0-9_]{1,60}`, made from provider, model, dimensions and distance.
 */
export interface EmbeddingSpace {
  slug: string;
  provider: string;
  model: string;
  dimensions: number;
  distance: 'cosine';
}

/** Makes vectors from texts. */
export interface Embedder {
  readonly space: EmbeddingSpace;
  /** False for `caller`: vectors come with the documents and the queries, and `embed` must not be called. */
  readonly available: boolean;
  /**
   * @param texts any number of non-empty texts; the embedder batches
   * @returns one `float[dimensions]` of unit length per text, in order
   * @throws AcervoError `embedding:unavailable` (retryable: timeouts, 429, 5xx, broken answers after all retries),
   *   `embedding:rejected` (the provider refused the request for good: other 4xx), `embedding:vector_required`
   *   (`caller` only); the reason of `signal` when that aborts
   */
  embed(texts: string[], purpose: EmbeddingPurpose, signal?: AbortSignal): Promise<number[][]>;
}

/** What embedders count since the start; these only grow. Read by the metrics endpoint. */
export interface EmbeddingUsage {
  /** Requests sent to the provider, retries included. */
  requests: number;
  /** Of these, how many brought no usable answer. */
  failures: number;
  retries: number;
  /** Texts that got their vector. */
  texts: number;
  /** As reported by the provider, else estimated at four characters a token. */
  tokens: number;
}

/** An embedder that counts. */
export interface MeteredEmbedder extends Embedder {
  readonly usage: Readonly<EmbeddingUsage>;
}
