import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Config } from '../../../src/config.js';
import { createEmbedder } from '../../../src/embeddings/create.js';
import { spaceOf } from '../../../src/embeddings/space.js';

const config = (overrides: Partial<Config['embedding']>): Config['embedding'] => ({
  provider: 'hashing',
  dimensions: 1024,
  url: undefined,
  model: undefined,
  apiKey: undefined,
  timeoutMs: 1000,
  batchTexts: 64,
  maxRetries: 3,
  ...overrides,
});

describe('createEmbedder', () => {
  it.each([
    ['hashing', undefined, 'v1'],
    ['gemini', undefined, 'gemini-embedding-001'],
    ['gemini', 'gemini-embedding-2', 'gemini-embedding-2'],
    ['openai', 'nomic-embed-text', 'nomic-embed-text'],
    ['caller', undefined, 'unnamed'],
    ['caller', 'my-model', 'my-model'],
  ] as const)('%s with model %s has the space of %s', (provider, model, expected) => {
    const { space } = createEmbedder(config({ provider, model }));
    expect(space).toEqual(spaceOf(provider, expected, 1024));
  });

  it('makes no vectors for callers', async () => {
    const embedder = createEmbedder(config({ provider: 'caller' }));
    expect(embedder.available).toBe(false);
    await expect(embedder.embed(['a'], 'document')).rejects.toMatchObject({ code: 'embedding:vector_required' });
    expect(embedder.usage).toEqual({ requests: 0, failures: 0, retries: 0, texts: 0, tokens: 0 });
  });
});

describe('spaceOf', () => {
  it('names plain models plainly', () => {
    expect(spaceOf('hashing', 'v1', 512)).toEqual({
      slug: 'hashing_v1_512',
      provider: 'hashing',
      model: 'v1',
      dimensions: 512,
      distance: 'cosine',
    });
  });

  it('hashes what it had to change or cut', () => {
    expect(spaceOf('gemini', 'gemini-embedding-001', 1024).slug).toMatch(
      /^gemini_gemini_embedding_001_1024_[0-9a-f]{10}$/,
    );
    expect(spaceOf('openai', 'm'.repeat(80), 1024).slug).toMatch(/^openai_m{42}_[0-9a-f]{10}$/);
  });

  it('gives different models different slugs that name a table', () => {
    const model = fc.oneof(
      fc.string({ unit: fc.constantFrom('a', 'A', '-', '_', '/', '1', ':', 'é'), minLength: 1, maxLength: 6 }),
      fc.string({ unit: 'binary', minLength: 1 }),
      fc.string({ minLength: 50, maxLength: 90 }),
    );
    const identity = fc.tuple(fc.constantFrom('openai', 'gemini', 'caller'), model, fc.constantFrom(2, 12, 1024, 4096));
    fc.assert(
      fc.property(
        fc.uniqueArray(identity, { minLength: 2, maxLength: 15, selector: (one) => one.join('\0') }),
        (all) => {
          const slugs = all.map((one) => spaceOf(...one).slug);
          for (const slug of slugs) expect(slug).toMatch(/^[a-z0-9_]{1,60}$/);
          expect(new Set(slugs).size).toBe(all.length);
        },
      ),
    );
  });
});
