import { afterEach, describe, expect, it, vi } from 'vitest';
import type { EmbeddingDriver } from '../../../src/embeddings/driver.js';
import { GeminiDriver } from '../../../src/embeddings/gemini.js';
import { OpenAiDriver, parseRetryAfter, readBounded } from '../../../src/embeddings/openai.js';
import { type EmbeddingServer, startEmbeddingServer } from '../../support/embedding-servers.js';

const NOW_MS = Date.parse('2026-01-01T00:00:00Z');
let server: EmbeddingServer;
afterEach(() => server?.close());

const run = (driver: EmbeddingDriver, texts = ['a', 'b']) =>
  driver.embedBatch(texts, 'document', new AbortController().signal);

async function openai(model: string, apiKey?: string, suffix = ''): Promise<OpenAiDriver> {
  server = await startEmbeddingServer('openai', { dimensions: 4 });
  return new OpenAiDriver({ url: `${server.url}${suffix}`, model, apiKey, dimensions: 4 }, () => NOW_MS);
}

describe('the OpenAI protocol', () => {
  it('posts model, input and encoding format, with the key as bearer token', async () => {
    await run(await openai('bge-m3', 'k'));
    const [request] = server.requests;
    expect(request?.path).toBe('/v1/embeddings');
    expect(request?.body).toEqual({ model: 'bge-m3', input: ['a', 'b'], encoding_format: 'float' });
    expect(request?.headers.authorization).toBe('Bearer k');
  });

  it('needs no key', async () => {
    await run(await openai('bge-m3'));
    expect(server.requests[0]?.headers).not.toHaveProperty('authorization');
  });

  it('sends dimensions only to models that know them', async () => {
    await run(await openai('text-embedding-3-large'));
    expect(server.requests[0]?.body).toMatchObject({ dimensions: 4, encoding_format: 'float' });
  });

  it('speaks the dialect of Voyage', async () => {
    await run(await openai('voyage-3.5'));
    expect(server.requests[0]?.body).toEqual({ model: 'voyage-3.5', input: ['a', 'b'], input_type: 'document' });
  });

  it('keeps the query of its URL and takes a slash at its end', async () => {
    await run(await openai('m', undefined, '/?api-version=1'));
    expect(server.requests[0]?.path).toBe('/v1/embeddings?api-version=1');
  });

  it('sorts an answer by index and takes the tokens from the usage', async () => {
    const driver = await openai('m');
    server.behave('shuffled');
    const texts = ['one', 'two', 'three'];
    expect(await run(driver, texts)).toEqual({ vectors: texts.map((text) => server.vectorOf(text)), tokens: 21 });
  });

  it('refuses indices that are not 0 to n - 1', async () => {
    const driver = await openai('m');
    server.behave('repeated-index');
    await expect(run(driver)).rejects.toMatchObject({ name: 'ProviderError', retryable: true });
  });

  it('does not follow a redirect', async () => {
    const driver = await openai('m', 'k');
    server.next({ status: 307, location: `${server.url}/elsewhere` });
    await expect(run(driver)).rejects.toMatchObject({ status: 307, retryable: false });
    expect(server.requests.length).toBe(1);
  });

  it('reads Retry-After as a date against its clock', async () => {
    const driver = await openai('m');
    server.behave({ status: 503, retryAfter: new Date(NOW_MS + 9000).toUTCString() });
    await expect(run(driver)).rejects.toMatchObject({ status: 503, retryAfterSeconds: 9, retryable: true });
  });
});

describe('readBounded', () => {
  it('reads up to its bound and no further', async () => {
    const pull = (chunks: string[], cancelled: () => void) =>
      new Response(
        new ReadableStream({
          pull: (controller) => {
            const chunk = chunks.shift();
            if (chunk === undefined) controller.close();
            else controller.enqueue(new TextEncoder().encode(chunk));
          },
          cancel: cancelled,
        }),
      );
    const cancelled = vi.fn();
    expect(await readBounded(pull(['çá', 'ab'], cancelled), 6)).toBe('çáab');
    expect(cancelled).not.toHaveBeenCalled();
    const rest = ['çá', 'abc', 'more', 'and', 'more'];
    await expect(readBounded(pull(rest, cancelled), 6)).rejects.toMatchObject({ name: 'ProviderError' });
    expect(cancelled).toHaveBeenCalledTimes(1);
    expect(rest).toContain('and');
  });
});

describe('Retry-After', () => {
  it.each([
    ['0', 0],
    ['120', 120],
    ['Thu, 01 Jan 2026 00:01:00 GMT', 60],
    ['Wed, 31 Dec 2025 23:59:00 GMT', 0],
    ['Thursday, 01-Jan-26 00:00:05 GMT', 5],
    ['-5', undefined],
    ['1.5', undefined],
    ['soon', undefined],
    ['', undefined],
    [null, undefined],
  ])('%j is %j', (value, seconds) => {
    expect(parseRetryAfter(value, NOW_MS)).toBe(seconds);
  });
});

describe('the Gemini protocol', () => {
  it('knows a wrong key from a text that is refused, though both come with status 400', async () => {
    server = await startEmbeddingServer('gemini', { dimensions: 4 });
    const driver = new GeminiDriver({ url: server.url, model: 'm', apiKey: 'k', dimensions: 4 });
    const refusal = () => driver.embedBatch(['a'], 'document', new AbortController().signal).catch((error) => error);
    server.behave({ status: 400, reason: 'API_KEY_INVALID' });
    expect(await refusal()).toMatchObject({ status: 401, refusesAll: true });
    server.behave({ status: 400, reason: 'ANOTHER' });
    expect(await refusal()).toMatchObject({ status: 400, refusesAll: false, retryable: false });
  });

  it('sends one content object a text, with task type and size, and the key as header', async () => {
    server = await startEmbeddingServer('gemini', { dimensions: 4 });
    await run(new GeminiDriver({ url: `${server.url}/`, model: 'gemini-embedding-001', apiKey: 'k', dimensions: 4 }));
    const [request] = server.requests;
    expect(request?.path).toBe('/v1beta/models/gemini-embedding-001:batchEmbedContents');
    expect(request?.headers['x-goog-api-key']).toBe('k');
    expect(request?.body).toEqual({
      requests: ['a', 'b'].map((text) => ({
        model: 'models/gemini-embedding-001',
        content: { role: 'user', parts: [{ text }] },
        taskType: 'RETRIEVAL_DOCUMENT',
        outputDimensionality: 4,
      })),
    });
  });

  it('reads the wait from the details of the error', async () => {
    server = await startEmbeddingServer('gemini', { dimensions: 4 });
    server.behave({ status: 429, retryAfter: '3.5' });
    const driver = new GeminiDriver({ url: server.url, model: 'm', apiKey: 'k', dimensions: 4 });
    await expect(run(driver)).rejects.toMatchObject({ status: 429, retryAfterSeconds: 3.5, retryable: true });
  });
});
