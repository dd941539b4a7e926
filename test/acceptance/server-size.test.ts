import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { objectsUnavailable, type ProductWithObjects, startProductWithObjects } from '../support/objects.js';
import { onStack } from '../support/product.js';

describe.skipIf(objectsUnavailable)('the product with its object store', () => {
  let all: ProductWithObjects;
  beforeAll(async () => {
    all = await startProductWithObjects();
  });
  afterAll(() => all?.stop());

  test('is ready', async () => {
    expect((await all.product.call('GET', '/readyz', undefined, { key: null })).body).toEqual({ status: 'ready' });
  });

  test('comes back on the same port, with the key it had', async () => {
    const { url } = all.product;
    await all.product.stop('SIGKILL');
    const again = await all.restart();
    expect(again.url).toBe(url);
    expect(await (await again.fetch('/health')).json()).toMatchObject({ status: 'ok' });
  });

  test.runIf(onStack)('is ready while MinIO is away, which comes back with its data', async () => {
    const minio = all.minio!;
    await minio.halt('SIGKILL');
    await expect(fetch(`${minio.endpoint}/minio/health/ready`)).rejects.toThrow();
    expect((await all.product.call('GET', '/readyz')).status).toBe(200);
    await minio.resume();
    expect((await fetch(`${minio.endpoint}/minio/health/ready`)).status).toBe(200);
  });
});
