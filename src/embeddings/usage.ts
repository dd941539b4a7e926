import type { EmbeddingUsage } from './port.js';

/** Counters of an embedder that has done nothing. */
export function unusedYet(): EmbeddingUsage {
  return { requests: 0, failures: 0, retries: 0, texts: 0, tokens: 0 };
}

/** Tokens of a text whose provider does not count them: about four characters each, true of English. */
export function estimatedTokens(text: string): number {
  return Math.ceil(text.length / 4);
}
