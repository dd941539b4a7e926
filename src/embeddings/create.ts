import type { Config } from '../config.js';
import { AcervoError } from '../errors/error.js';
import { GeminiDriver } from './gemini.js';
import { HashingEmbedder } from './hashing.js';
import { OpenAiDriver } from './openai.js';
import type { EmbeddingSpace, MeteredEmbedder } from './port.js';
import { REAL_TIMING, ResilientEmbedder, type Timing } from './resilient.js';
import { spaceOf } from './space.js';
import { unusedYet } from './usage.js';

/** Of `hashText`: a change of what it computes needs a new name here, since old vectors no longer compare. */
const HASHING_MODEL = 'v1';

/** The embedder of a server that makes none: vectors come with the documents and the queries. */
function callerEmbedder(space: EmbeddingSpace): MeteredEmbedder {
  return {
    space,
    available: false,
    usage: unusedYet(),
    embed: async () => {
      throw new AcervoError('embedding:vector_required');
    },
  };
}

/**
 * The embedder that the configuration names. Makes no request yet: a provider that is away does not keep Acervo from
 * starting.
 * @param timing for tests
 */
export function createEmbedder(config: Config['embedding'], timing: Timing = REAL_TIMING): MeteredEmbedder {
  const { provider, dimensions, url, apiKey } = config;
  switch (provider) {
    case 'hashing':
      return new HashingEmbedder(spaceOf(provider, HASHING_MODEL, dimensions));
    case 'caller':
      return callerEmbedder(spaceOf(provider, config.model ?? 'unnamed', dimensions));
    case 'openai': {
      const model = config.model ?? 'text-embedding-3-small';
      const driver = new OpenAiDriver({ url, model, apiKey, dimensions }, timing.now);
      return new ResilientEmbedder(spaceOf(provider, model, dimensions), driver, config, timing);
    }
    case 'gemini': {
      const model = config.model ?? 'gemini-embedding-001';
      const driver = new GeminiDriver({ url, model, apiKey, dimensions });
      return new ResilientEmbedder(spaceOf(provider, model, dimensions), driver, config, timing);
    }
  }
}
