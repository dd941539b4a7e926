import { afterEach, describe, expect, test, vi } from 'vitest';
import { createMetrics } from '../../../src/health/metrics.js';
import { READY_TIMEOUT_MS } from '../../../src/health/ready.js';
import { VERSION } from '../../../src/version.js';
import { bearer, fakeApp, READ_KEY } from '../http/fake-services.js';

afterEach(() => void vi.useRealTimers());

describe('/livez', () => {
  test('is alive without a key and without a database', async () => {
    const response = await fakeApp(undefined, { ready: async () => false }).app.request('/livez');
    expect([response.status, await response.json()]).toEqual([200, { status: 'alive' }]);
  });
});

describe('/readyz', () => {
  test('is ready when both databases are', async () => {
    const response = await fakeApp().app.request('/readyz');
    expect([response.status, await response.json()]).toEqual([200, { status: 'ready' }]);
  });

  test.each([
    ['data', { ready: async () => false, controlReady: async () => true }],
    ['control', { ready: async () => true, controlReady: async () => false }],
  ])('is not while the %s database is away', async (_which, options) => {
    const response = await fakeApp(undefined, options).app.request('/readyz');
    expect([response.status, response.headers.get('retry-after')]).toEqual([503, '1']);
    expect(await response.json()).toMatchObject({ code: 'database:unavailable', retryable: true });
  });

  test('does not wait for a database that is silent', async () => {
    vi.useFakeTimers();
    const { app } = fakeApp(undefined, { ready: () => new Promise(() => {}) });
    const answer = app.request('/readyz');
    await vi.advanceTimersByTimeAsync(READY_TIMEOUT_MS);
    expect((await answer).status).toBe(503);
  });
});

describe('/health', () => {
  test('tells a key with its scope about the node', async () => {
    const response = await fakeApp().app.request('/health', { headers: bearer() });
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({
      status: 'ok',
      version: VERSION,
      uptime_seconds: expect.any(Number),
      database: { ready: true, kind: 'embedded', version: '3.3.5', vector_index: 'hnsw' },
      objects: { ready: true, driver: 'disk', buckets: ['agents-artifacts', 'documents', 'models'] },
      embedder: {
        available: true,
        space: { slug: 'hashing_512', dimensions: 512 },
        usage: { requests: 7, failures: 1, retries: 2, texts: 30, tokens: 400 },
      },
      memory: { rss_bytes: expect.any(Number) },
    });
  });

  test('says degraded, with 200, while the database is away', async () => {
    const response = await fakeApp(undefined, { ready: async () => false }).app.request('/health', {
      headers: bearer(),
    });
    expect([response.status, ((await response.json()) as { status: string }).status]).toEqual([200, 'degraded']);
  });

  test.each(['/health', '/metrics'])('%s needs the scope', async (path) => {
    const { app } = fakeApp();
    expect((await app.request(path)).status).toBe(401);
    expect((await app.request(path, { headers: bearer(READ_KEY) })).status).toBe(403);
  });
});

describe('/metrics', () => {
  test('is the text format, with every metric that is promised', async () => {
    const { app, services } = fakeApp();
    services.metrics.databaseConflicts.inc(3);
    services.metrics.searchDuration.observe({ leg: 'text' }, 0.004);
    services.metrics.bulkLines.inc({ status: 'stored' });
    services.metrics.embeddingPendingDocuments.set(5);
    const response = await app.request('/metrics', { headers: bearer() });
    const text = await response.text();
    expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    for (const line of [
      'acervo_embedding_requests_total 7',
      'acervo_embedding_failures_total 1',
      'acervo_embedding_retries_total 2',
      'acervo_embedding_texts_total 30',
      'acervo_embedding_tokens_total 400',
      'acervo_database_conflicts_total 3',
      'acervo_database_transactions_total 0',
      'acervo_documents_stored_total 0',
      'acervo_rate_limited_total 0',
      'acervo_search_duration_seconds_bucket{le="0.005",leg="text"} 1',
      'acervo_bulk_lines_total{status="stored"} 1',
      'acervo_embedding_pending_documents 5',
    ])
      expect(text.split('\n')).toContain(line);
    expect(text).toContain('# TYPE process_cpu_seconds_total counter');
  });

  test('the embedder is read at each scrape, not added up', async () => {
    const usage = { requests: 1, failures: 0, retries: 0, texts: 4, tokens: 10 };
    const { registry } = createMetrics(usage);
    await registry.metrics();
    usage.texts = 9;
    expect(await registry.metrics()).toContain('acervo_embedding_texts_total 9\n');
  });
});
