import { inspect } from 'node:util';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Config } from '../../../src/config.js';
import { createEmbedder } from '../../../src/embeddings/create.js';
import type { MeteredEmbedder } from '../../../src/embeddings/port.js';
import { isAcervoError } from '../../../src/errors/error.js';
import { type Behaviour, type EmbeddingServer, startEmbeddingServer } from '../../support/embedding-servers.js';
import { FakeTiming } from './fake-timing.js';

const DIMENSIONS = 32;
const KEY = 'secret-key-0123456789';
const TEXTS = ['the harbour at dawn', 'tax law of 1987', 'bees make honey', 'steel bridges', 'a lost umbrella'];
const MODEL = { hashing: undefined, openai: 'text-embedding-3-small', gemini: undefined } as const;

type Provider = keyof typeof MODEL;
type Settings = Partial<Config['embedding']>;

const servers: EmbeddingServer[] = [];
afterEach(async () => {
  vi.useRealTimers();
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

interface Bench {
  embedder: MeteredEmbedder;
  server: EmbeddingServer;
  timing: FakeTiming;
}

async function bench(provider: Provider, settings: Settings = {}): Promise<Bench> {
  const server = await startEmbeddingServer(provider === 'gemini' ? 'gemini' : 'openai', { dimensions: DIMENSIONS });
  servers.push(server);
  const timing = new FakeTiming();
  const config: Config['embedding'] = {
    provider,
    dimensions: DIMENSIONS,
    url: server.url,
    model: MODEL[provider],
    apiKey: KEY,
    timeoutMs: 10_000,
    batchTexts: 2,
    maxRetries: 2,
    ...settings,
  };
  return { server, timing, embedder: createEmbedder(config, timing) };
}

function unit(vector: number[]): number[] {
  const norm = Math.hypot(...vector);
  return vector.map((value) => value / norm);
}

/** The error of a promise that must fail. */
async function failure(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => expect.fail('did not fail'),
    (error: unknown) => error,
  );
}

describe.each(['hashing', 'openai', 'gemini'] as const)('every embedder: %s', (provider) => {
  it('gives one unit vector of the right length per text', async () => {
    const { embedder } = await bench(provider);
    const vectors = await embedder.embed(TEXTS, 'document');
    expect(vectors.map((vector) => vector.length)).toEqual(TEXTS.map(() => DIMENSIONS));
    for (const vector of vectors) expect(Math.hypot(...vector)).toBeCloseTo(1, 12);
  });

  it('keeps the order: each text gets the vector that it gets alone', async () => {
    const { embedder } = await bench(provider);
    const together = await embedder.embed(TEXTS, 'document');
    for (const [i, text] of TEXTS.entries()) {
      const [alone] = await embedder.embed([text], 'document');
      expect(together[i]).toEqual(alone);
    }
    expect(new Set(together.map((vector) => vector.join())).size).toBe(TEXTS.length);
  });

  it('gives nothing for no texts', async () => {
    const { embedder } = await bench(provider);
    expect(await embedder.embed([], 'query')).toEqual([]);
    expect(embedder.usage.texts).toBe(0);
  });

  it('counts texts and tokens', async () => {
    const { embedder } = await bench(provider);
    await embedder.embed(TEXTS, 'document');
    const estimate = TEXTS.reduce((sum, text) => sum + Math.ceil(text.length / 4), 0);
    expect(embedder.usage).toEqual({
      requests: provider === 'hashing' ? 1 : 3,
      failures: 0,
      retries: 0,
      texts: 5,
      tokens: provider === 'openai' ? 5 * 7 : estimate,
    });
  });

  it('does nothing once the signal is aborted, and throws its reason', async () => {
    const { embedder, server } = await bench(provider);
    const reason = new Error('the client went away');
    expect(await failure(embedder.embed(TEXTS, 'document', AbortSignal.abort(reason)))).toBe(reason);
    expect(server.requests).toEqual([]);
    expect(embedder.usage).toMatchObject({ requests: 0, texts: 0 });
  });

  it('stops in the middle when the signal aborts', async () => {
    const { embedder } = await bench(provider);
    const abort = new AbortController();
    const texts = Array.from({ length: 100 }, (_, i) => `text ${i}`);
    const promise = failure(embedder.embed(texts, 'document', abort.signal));
    const reason = new Error('the client went away');
    abort.abort(reason);
    expect(await promise).toBe(reason);
    expect(embedder.usage.texts).toBeLessThan(texts.length);
  });

  it('describes its space', async () => {
    const { embedder } = await bench(provider);
    expect(embedder.available).toBe(true);
    expect(embedder.space).toMatchObject({ provider, dimensions: DIMENSIONS, distance: 'cosine' });
    expect(embedder.space.slug).toMatch(/^[a-z0-9_]{1,60}$/);
  });
});

describe.each(['openai', 'gemini'] as const)('a provider over HTTP: %s', (provider) => {
  const right = (server: EmbeddingServer) => TEXTS.map((text) => unit(server.vectorOf(text)));
  const expectRight = (vectors: number[][], server: EmbeddingServer) => {
    expect(vectors.length).toBe(TEXTS.length);
    for (const [i, expected] of right(server).entries())
      for (const [j, value] of expected.entries()) expect(vectors[i]?.[j]).toBeCloseTo(value, 12);
  };

  it('splits into batches and puts the answers together in order', async () => {
    const { embedder, server } = await bench(provider);
    expectRight(await embedder.embed(TEXTS, 'document'), server);
    const sent = server.requests.map(({ texts }) => texts);
    expect(sent.map((texts) => texts.length).sort()).toEqual([1, 2, 2]);
    expect(sent.flat().sort()).toEqual([...TEXTS].sort());
  });

  it('has two batches in flight, not more', async () => {
    const { embedder, server } = await bench(provider, { batchTexts: 1 });
    server.behave('held');
    const promise = embedder.embed(TEXTS, 'document');
    await server.inFlight(2);
    expect(server.requests.length).toBe(2);
    server.behave('ok');
    expectRight(await promise, server);
    expect(server.maxInFlight).toBe(2);
    expect(server.requests.length).toBe(TEXTS.length);
  });

  const healing: [string, Behaviour, number][] = [
    ['status 500', { status: 500 }, 125],
    ['status 503', { status: 503 }, 125],
    ['status 408', { status: 408 }, 125],
    ['status 429 without Retry-After', { status: 429 }, 125],
    ['status 429 with Retry-After', { status: 429, retryAfter: '7' }, 7000],
    ['status 503 with a Retry-After beyond the cap', { status: 503, retryAfter: '86400' }, 30_000],
    ['a reset connection', 'down', 125],
    ['a vector too few', 'one-vector-short', 125],
    ['a vector too many', 'one-vector-more', 125],
    ['a vector of the wrong length', 'wrong-dimensions', 125],
    ['NaN', 'nan-in-vector', 125],
    ['null in a vector', 'null-in-vector', 125],
    ['an infinite number', 'infinite-in-vector', 125],
    ['a zero vector', 'zero-vector', 125],
    ['broken JSON', 'broken-json', 125],
    ['JSON of another shape', 'wrong-shape', 125],
    ['a truncated body', 'truncated-body', 125],
  ];
  it.each(healing)('tries again after %s', async (_name, behaviour, sleptMs) => {
    const { embedder, server, timing } = await bench(provider, { batchTexts: 10 });
    server.next(behaviour);
    expectRight(await embedder.embed(TEXTS, 'document'), server);
    expect(timing.sleptMs).toEqual([sleptMs]);
    expect(server.requests.length).toBe(2);
    expect(server.requests[1]?.texts).toEqual(TEXTS);
    expect(embedder.usage).toMatchObject({ requests: 2, failures: 1, retries: 1, texts: 5 });
  });

  it.each(healing)('gives up on lasting %s after all retries', async (_name, behaviour) => {
    const { embedder, server } = await bench(provider, { batchTexts: 10 });
    server.behave(behaviour);
    const error = await failure(embedder.embed(TEXTS, 'document'));
    expect(isAcervoError(error, 'embedding:unavailable')).toBe(true);
    expect(server.requests.length).toBe(3);
    expect(embedder.usage).toEqual({ requests: 3, failures: 3, retries: 2, texts: 0, tokens: 0 });
  });

  it('tells how long to wait when the provider said it', async () => {
    const { embedder, server } = await bench(provider, { maxRetries: 0 });
    server.behave({ status: 429, retryAfter: '12' });
    expect(await failure(embedder.embed(['a'], 'query'))).toMatchObject({ retryAfterSeconds: 12 });
  });

  it.each([400, 413, 415, 422])('does not repeat what is refused with status %i', async (status) => {
    const { embedder, server, timing } = await bench(provider);
    server.behave({ status });
    const error = await failure(embedder.embed(['a'], 'document'));
    expect(isAcervoError(error, 'embedding:rejected')).toBe(true);
    expect(error).toMatchObject({ detail: `The embedding provider answered with status ${status}.` });
    expect(server.requests.length).toBe(1);
    expect(timing.sleptMs).toEqual([]);
    expect(embedder.usage).toMatchObject({ requests: 1, failures: 1, retries: 0 });
  });

  it.each([301, 308, 401, 402, 403, 404, 405, 410])(
    'takes status %i for no judgement of the text, and does not repeat it',
    async (status) => {
      const { embedder, server, timing } = await bench(provider);
      server.behave({ status });
      const error = await failure(embedder.embed(['a'], 'document'));
      expect(isAcervoError(error, 'embedding:unavailable')).toBe(true);
      expect(error).toMatchObject({ detail: `The embedding provider answered with status ${status}.` });
      expect(server.requests.length).toBe(1);
      expect(timing.sleptMs).toEqual([]);
      server.behave('ok');
      expect(await embedder.embed(['a'], 'document')).toHaveLength(1);
    },
  );

  it('takes a slow answer for none, and tries again', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const { embedder, server } = await bench(provider, { timeoutMs: 10_000, batchTexts: 10 });
    server.next('held');
    const promise = embedder.embed(TEXTS, 'document');
    await server.inFlight(1);
    vi.advanceTimersByTime(9999);
    expect(embedder.usage.failures).toBe(0);
    vi.advanceTimersByTime(1);
    expectRight(await promise, server);
    expect(embedder.usage).toMatchObject({ requests: 2, failures: 1, retries: 1 });
  });

  it('gives up when no answer comes in time', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const { embedder, server } = await bench(provider, { timeoutMs: 10_000, maxRetries: 0 });
    server.behave('held');
    const promise = failure(embedder.embed(['a'], 'document'));
    await server.inFlight(1);
    vi.advanceTimersByTime(10_000);
    const error = await promise;
    expect(isAcervoError(error, 'embedding:unavailable')).toBe(true);
    expect(error).toMatchObject({ cause: { message: 'no answer within 10000 ms' } });
    expect(embedder.usage).toMatchObject({ requests: 1, failures: 1 });
  });

  it('is unavailable when the port is closed', async () => {
    const { embedder, server } = await bench(provider);
    await server.close();
    const error = await failure(embedder.embed(['a'], 'document'));
    expect(isAcervoError(error, 'embedding:unavailable')).toBe(true);
    expect(embedder.usage).toMatchObject({ requests: 3, failures: 3, retries: 2 });
  });

  it('stops a request in flight when the signal aborts, and does not count it as a failure', async () => {
    const { embedder, server } = await bench(provider);
    server.behave('held');
    const abort = new AbortController();
    const promise = failure(embedder.embed(TEXTS, 'document', abort.signal));
    await server.inFlight(2);
    const reason = new Error('the client went away');
    abort.abort(reason);
    expect(await promise).toBe(reason);
    expect(server.requests.length).toBe(2);
    expect(embedder.usage).toMatchObject({ requests: 2, failures: 0, retries: 0, texts: 0 });
  });

  it('fails fast for a while after several failures, then recovers', async () => {
    const { embedder, server, timing } = await bench(provider, { maxRetries: 4 });
    server.behave('down');
    await failure(embedder.embed(['a'], 'document'));
    expect(server.requests.length).toBe(5);
    const refused = await failure(embedder.embed(['b'], 'document'));
    expect(isAcervoError(refused, 'embedding:unavailable')).toBe(true);
    expect(refused).toMatchObject({ retryAfterSeconds: 5 });
    expect(server.requests.length).toBe(5);
    server.behave('ok');
    timing.nowMs += 5000;
    expect((await embedder.embed(['b'], 'document')).length).toBe(1);
    expect(server.requests.length).toBe(6);
  });

  const quoting: Behaviour[] = [
    { status: 400, message: `no such model for ${KEY}` },
    { status: 401, message: `wrong key ${KEY.slice(0, 8)}***` },
    { status: 500, message: `crashed with ${KEY}` },
    'down',
    'broken-json',
  ];
  it.each(quoting)('never shows the key: %j', async (behaviour) => {
    const { embedder, server } = await bench(provider, { maxRetries: 0 });
    server.behave(behaviour);
    const error = await failure(embedder.embed(['a private text'], 'document'));
    const sent = JSON.stringify(server.requests[0]?.headers);
    expect(sent).toContain(KEY);
    const shown = inspect(error, { depth: 10, showHidden: true });
    expect(shown).toContain('embedding:');
    expect(shown).not.toContain(KEY.slice(0, 8));
    expect(shown).not.toContain('a private text');
  });

  it('shows a key that no header can hold neither', async () => {
    const { embedder, server } = await bench(provider, { apiKey: `${KEY}\nmore`, maxRetries: 0 });
    const error = await failure(embedder.embed(['a'], 'document'));
    expect(isAcervoError(error, 'embedding:unavailable')).toBe(true);
    expect(inspect(error, { depth: 10, showHidden: true })).not.toContain(KEY);
    expect(server.requests).toEqual([]);
  });

  it('keeps what the provider said for the log', async () => {
    const { embedder, server } = await bench(provider);
    server.behave({ status: 404, message: 'model not found, try pulling it first' });
    const error = await failure(embedder.embed(['a'], 'document'));
    expect(error).toMatchObject({ cause: { message: expect.stringContaining('try pulling it first'), status: 404 } });
  });

  it('cuts long texts at a bound, and never inside a character', async () => {
    const { embedder, server } = await bench(provider);
    const bound = provider === 'gemini' ? 8000 : 24_000;
    await embedder.embed([`${'a'.repeat(bound - 1)}😀tail`], 'document');
    expect(server.requests[0]?.texts).toEqual([`${'a'.repeat(bound - 1)}\uFFFD`]);
  });

  it('says which purpose it has where the protocol can', async () => {
    const { embedder, server } = await bench(provider, provider === 'openai' ? { model: 'voyage-3.5' } : {});
    await embedder.embed(['a'], 'document');
    await embedder.embed(['a'], 'query');
    expect(server.requests.map(({ purpose }) => purpose)).toEqual(['document', 'query']);
  });

  it('lets nothing stay on a signal that lives long', async () => {
    const { embedder } = await bench(provider);
    const { signal } = new AbortController();
    const added = vi.spyOn(signal, 'addEventListener');
    const removed = vi.spyOn(signal, 'removeEventListener');
    await embedder.embed(TEXTS, 'document', signal);
    expect(added).toHaveBeenCalledTimes(1);
    expect(removed.mock.calls[0]?.[1]).toBe(added.mock.calls[0]?.[1]);
  });
});
