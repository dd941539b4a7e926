import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CircuitBreaker } from '../../../src/embeddings/breaker.js';
import { type EmbeddedBatch, type EmbeddingDriver, ProviderError } from '../../../src/embeddings/driver.js';
import { REAL_TIMING, ResilientEmbedder } from '../../../src/embeddings/resilient.js';
import { spaceOf } from '../../../src/embeddings/space.js';
import { FakeTiming } from './fake-timing.js';

/** A driver in memory: `answer` says what each request gets. */
class FakeDriver implements EmbeddingDriver {
  readonly maxTextCharacters = 200_000;
  maxBatchTexts = 1000;
  readonly batches: string[][] = [];
  inFlight = 0;
  maxInFlight = 0;
  answer = async (texts: string[], _signal: AbortSignal): Promise<EmbeddedBatch> => ({
    vectors: texts.map((text) => [text.length, 1]),
    tokens: 1,
  });

  async embedBatch(texts: string[], _purpose: string, signal: AbortSignal): Promise<EmbeddedBatch> {
    this.batches.push(texts);
    this.maxInFlight = Math.max(this.maxInFlight, ++this.inFlight);
    return this.answer(texts, signal).finally(() => this.inFlight--);
  }
}

function wrap(
  driver: FakeDriver,
  limits: { batchTexts?: number; maxRetries?: number } = {},
  timing = new FakeTiming(),
) {
  return new ResilientEmbedder(
    spaceOf('openai', 'm', 2),
    driver,
    { timeoutMs: 60_000, batchTexts: 3, maxRetries: 3, ...limits },
    timing,
  );
}

describe('ResilientEmbedder', () => {
  it('keeps order and count for any batch size and any order of answers, two in flight', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        fc.array(fc.string(), { maxLength: 30 }),
        fc.integer({ min: 1, max: 7 }),
        async (scheduler, texts, batchTexts) => {
          const driver = new FakeDriver();
          const plain = driver.answer;
          driver.answer = (batch, signal) => scheduler.schedule(plain(batch, signal));
          const promise = wrap(driver, { batchTexts }).embed(texts, 'document');
          const vectors = await scheduler.waitFor(promise);
          expect(vectors.map(([x, y]) => Math.round((x ?? 0) / (y ?? 0)))).toEqual(texts.map((text) => text.length));
          expect(driver.batches.length).toBe(Math.ceil(texts.length / batchTexts));
          expect(driver.maxInFlight).toBe(Math.min(2, driver.batches.length));
        },
      ),
      { numRuns: 60 },
    );
  });

  it('keeps the smaller of its own batch bound and that of the provider', async () => {
    const driver = new FakeDriver();
    driver.maxBatchTexts = 2;
    await wrap(driver, { batchTexts: 5 }).embed(['a', 'b', 'c', 'd', 'e'], 'document');
    expect(driver.batches).toEqual([['a', 'b'], ['c', 'd'], ['e']]);
  });

  it('bounds a batch by its characters, and still sends a text that is longer alone', async () => {
    const driver = new FakeDriver();
    const texts = [100_000, 100_000, 100_000, 10].map((length) => 'x'.repeat(length));
    await wrap(driver, { batchTexts: 5 }).embed(texts, 'document');
    expect(driver.batches.map((batch) => batch.map((text) => text.length))).toEqual([
      [100_000, 100_000],
      [100_000, 10],
    ]);
  });

  it('backs off exponentially with full jitter and a cap', async () => {
    const timing = new FakeTiming(0.999);
    const driver = new FakeDriver();
    driver.answer = () => Promise.reject(new ProviderError('away'));
    await expect(wrap(driver, { maxRetries: 8 }, timing).embed(['a'], 'query')).rejects.toThrow();
    const bounds = [250, 500, 1000, 2000, 4000, 8000, 8000, 8000];
    expect(timing.sleptMs).toEqual(bounds.map((bound) => bound * 0.999));
  });

  it('stops the other batches when one fails for good', async () => {
    const driver = new FakeDriver();
    const stopped: string[][] = [];
    driver.answer = (texts, signal) =>
      texts[0] === 'bad'
        ? Promise.reject(new ProviderError('no', { status: 400 }))
        : new Promise((_, reject) =>
            signal.addEventListener('abort', () => {
              stopped.push(texts);
              reject(signal.reason);
            }),
          );
    const embedder = wrap(driver, { batchTexts: 1 });
    await expect(embedder.embed(['good', 'bad', 'later'], 'document')).rejects.toMatchObject({
      code: 'embedding:rejected',
    });
    expect(stopped).toEqual([['good']]);
    expect(driver.batches).toEqual([['good'], ['bad']]);
    expect(embedder.usage).toMatchObject({ requests: 2, failures: 1 });
  });

  it('throws the reason of a signal that aborts while it waits to try again', async () => {
    const abort = new AbortController();
    const reason = new Error('deadline');
    const timing = new FakeTiming();
    const driver = new FakeDriver();
    driver.answer = () => Promise.reject(new ProviderError('away'));
    const embedder = new ResilientEmbedder(
      spaceOf('openai', 'm', 2),
      driver,
      { timeoutMs: 60_000, batchTexts: 3, maxRetries: 3 },
      {
        now: timing.now,
        random: timing.random,
        sleep: (_ms, signal) => {
          abort.abort(reason);
          return REAL_TIMING.sleep(60_000, signal);
        },
      },
    );
    await expect(embedder.embed(['a'], 'query', abort.signal)).rejects.toBe(reason);
    expect(driver.batches.length).toBe(1);
  });

  it('scales vectors whose squares overflow or vanish', async () => {
    const driver = new FakeDriver();
    driver.answer = async () => ({
      vectors: [
        [3e200, 4e200],
        [3e-200, -4e-200],
      ],
      tokens: undefined,
    });
    const [large, small] = await wrap(driver).embed(['a', 'b'], 'document');
    for (const [vector, expected] of [
      [large, [0.6, 0.8]],
      [small, [0.6, -0.8]],
    ] as const)
      for (const [i, value] of expected.entries()) expect(vector?.[i]).toBeCloseTo(value, 12);
  });

  it('does not take a fault of its own for one of the provider', async () => {
    const driver = new FakeDriver();
    driver.answer = () => Promise.reject(new TypeError('a bug'));
    await expect(wrap(driver).embed(['a'], 'query')).rejects.toThrow('a bug');
    expect(driver.batches.length).toBe(1);
  });
});

describe('CircuitBreaker', () => {
  const tripped = (timing: FakeTiming, retryAfterSeconds?: number) => {
    const breaker = new CircuitBreaker(3, timing.now);
    for (let i = 0; i < 3; i++) breaker.failed(retryAfterSeconds);
    return breaker;
  };

  it('refuses after the threshold only, and a success starts the count anew', () => {
    const breaker = new CircuitBreaker(2, () => 0);
    breaker.failed();
    breaker.succeeded();
    breaker.failed();
    expect(breaker.admit()).toBe(true);
    breaker.failed();
    expect(breaker.admit()).toBe(false);
    expect(breaker.waitSeconds()).toBe(5);
  });

  it('lets one probe through after the cooldown, and all after its success', () => {
    const timing = new FakeTiming();
    const breaker = tripped(timing);
    timing.nowMs += 5000;
    expect([breaker.admit(), breaker.admit()]).toEqual([true, false]);
    breaker.succeeded();
    expect([breaker.admit(), breaker.admit()]).toEqual([true, true]);
  });

  it('refuses again at once when the probe fails', () => {
    const timing = new FakeTiming();
    const breaker = tripped(timing);
    timing.nowMs += 5000;
    expect(breaker.admit()).toBe(true);
    timing.nowMs += 4000;
    breaker.failed();
    expect(breaker.waitSeconds()).toBe(5);
    expect(breaker.admit()).toBe(false);
  });

  it('waits as long as the provider asked', () => {
    expect(tripped(new FakeTiming(), 20).waitSeconds()).toBe(20);
  });
});
