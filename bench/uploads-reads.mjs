// What the pointers spare: signatures, and requests to the object store.
import { randomBytes } from 'node:crypto';
import { Client } from 'minio';
import { summary } from './statistics.mjs';
import { apiOf } from './uploads-send.mjs';

const PARALLEL = 8;
const SMALL_BYTES = 1_000;
const FILTER = { metadata: { year: 2024 }, over_bytes: 1_500 };
/** Not the one of the timed uploads: it has these artifacts and no others. */
const BUCKET = 'documents';

/** Stores small artifacts; of each ten, two are what the filter below looks for. @returns their ids */
export async function storeMany(product, count) {
  const api = apiOf(product);
  const numbers = Array.from({ length: count }, (_, index) => index).values();
  const ids = [];
  const worker = async () => {
    for (const number of numbers) {
      const bytes = randomBytes(number % 2 === 0 ? SMALL_BYTES : 2 * SMALL_BYTES);
      const metadata = { year: 2020 + (number % 5), number };
      const input = {
        bucket: BUCKET,
        name: `report ${number}.bin`,
        size_bytes: bytes.length,
        metadata,
        upload_method: 'PUT',
      };
      const { id } = await api.json('POST', '/v1/artifacts', input);
      await api.put(`/v1/artifacts/${id}/content`, bytes);
      ids.push(id);
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, worker));
  return ids;
}

/** A counter's value, summed over the labels that begin with `labels`. */
async function counter(product, name, labels = '') {
  const lines = (await product.metrics()).split('\n').filter((line) => line.startsWith(`${name}{${labels}`));
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

/** Times of GET …/url the first time and the second, in ms. */
export async function presignTimes(product, ids) {
  const api = apiOf(product);
  const series = { fresh: [], cached: [] };
  for (const id of ids)
    for (const [name, expected] of [
      ['fresh', false],
      ['cached', true],
    ]) {
      const startedMs = performance.now();
      const { cached } = await api.json('GET', `/v1/artifacts/${id}/url`);
      series[name].push(performance.now() - startedMs);
      if (cached !== expected) throw new Error(`the URL of ${id}: cached is ${cached}`);
    }
  return { fresh: summary(series.fresh), cached: summary(series.cached) };
}

/** Share of URLs from the cache while artifacts are read by Zipf's law and every twentieth request is an overwrite. */
export async function hitRate(product, ids, { requests, random }) {
  const api = apiOf(product);
  const upTo = [];
  for (const rank of ids.keys()) upTo.push((upTo.at(-1) ?? 0) + 1 / (rank + 1));
  const pick = () => {
    const at = random() * upTo.at(-1);
    return ids[upTo.findIndex((bound) => at < bound)];
  };
  const hits = () => counter(product, 'acervo_presigned_urls_total', 'cached="true"');
  const all = () => counter(product, 'acervo_presigned_urls_total');
  const before = { hits: await hits(), all: await all() };
  for (let sent = 0; sent < requests; sent += 1)
    if (sent % 20 === 19) await api.put(`/v1/artifacts/${pick()}/content`, randomBytes(SMALL_BYTES));
    else await api.json('GET', `/v1/artifacts/${pick()}/url`);
  return ((await hits()) - before.hits) / ((await all()) - before.all);
}

const requestsToStore = (product) => counter(product, 'acervo_object_store_requests_total');

/** The filtered listing, page by page: how many were found, by how many requests to the store, in how many seconds. */
export async function listByPointers(product) {
  const api = apiOf(product);
  const filter = encodeURIComponent(
    JSON.stringify({ bucket: BUCKET, 'metadata.year': FILTER.metadata.year, size_bytes: { $gt: FILTER.over_bytes } }),
  );
  const before = await requestsToStore(product);
  const startedMs = performance.now();
  let found = 0;
  let cursor = '';
  do {
    const page = await api.json('GET', `/v1/artifacts?limit=100&filter=${filter}${cursor && `&cursor=${cursor}`}`);
    found += page.artifacts.length;
    cursor = page.cursor === undefined ? '' : encodeURIComponent(page.cursor);
  } while (cursor !== '');
  const seconds = (performance.now() - startedMs) / 1000;
  return { found, requests: (await requestsToStore(product)) - before, seconds };
}

/**
 * The same answer from the object store alone: its listing tells sizes but neither types nor metadata, so every object
 * that is large enough, or every one when the filter says nothing of size, is asked for these.
 */
export async function listByStore({ port, accessKey, secretKey }) {
  const s3 = new Client({ endPoint: '127.0.0.1', port, useSSL: false, region: 'us-east-1', accessKey, secretKey });
  const startedMs = performance.now();
  const objects = await s3.listObjectsV2(BUCKET, '', true).toArray();
  const pages = Math.max(1, Math.ceil(objects.length / 1000));
  const stat = async (candidates) => {
    const waiting = candidates.values();
    const worker = async () => {
      for (const { name } of waiting) await s3.statObject(BUCKET, name);
    };
    await Promise.all(Array.from({ length: PARALLEL }, worker));
    return candidates.length;
  };
  const large = await stat(objects.filter(({ size }) => size > FILTER.over_bytes));
  const seconds = (performance.now() - startedMs) / 1000;
  return { objects: objects.length, requests_all: pages + objects.length, requests: pages + large, seconds };
}
