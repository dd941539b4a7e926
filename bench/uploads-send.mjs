// Three ways by which the same bytes come to be a stored artifact; each with all of its requests.
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { residentBytes } from './product.mjs';
import { percentile } from './statistics.mjs';

const PARALLEL = 4;
const SAMPLE_MS = 10;
const TYPE = 'application/octet-stream';
const agent = new Agent({ keepAlive: true });

/** HTTP without `fetch`, whose own cost would be a part of every ratio. @throws Error unless answered with 2xx */
export async function send(method, url, headers = {}, body = undefined) {
  const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) };
  const sent = request(url, { method, agent, headers: { ...headers, ...length } });
  sent.end(body);
  const [response] = await once(sent, 'response');
  const answer = await text(response);
  if (response.statusCode >= 300) throw new Error(`${method} ${url} answered ${response.statusCode}: ${answer}`);
  return answer;
}

/** Requests of the API as JSON. */
export function apiOf({ port, key }) {
  const authorization = { authorization: `Bearer ${key}` };
  const base = `http://127.0.0.1:${port}`;
  const json = async (method, path, value) => {
    const headers = { ...authorization, ...(value && { 'content-type': 'application/json' }) };
    return JSON.parse(await send(method, base + path, headers, value && JSON.stringify(value)));
  };
  return { json, put: (path, bytes) => send('PUT', base + path, { ...authorization, 'content-type': TYPE }, bytes) };
}

const reserve = (api, size_bytes, upload_method) =>
  api.json('POST', '/v1/artifacts', { name: 'file.bin', size_bytes, content_type: TYPE, upload_method });

const complete = async (api, id, { size_bytes }) => {
  const artifact = await api.json('POST', `/v1/artifacts/${id}/complete`, {});
  if (artifact.status !== 'stored' || artifact.size_bytes !== size_bytes)
    throw new Error(`not stored: ${JSON.stringify(artifact)}`);
};

/** multipart/form-data (RFC 7578): the fields, then the file. */
function formOf(fields, bytes) {
  const boundary = randomBytes(16).toString('hex');
  const part = (name, value) => `--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;
  const before = Object.entries(fields).map(([name, value]) => part(name, value));
  const file = `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="f"\r\nContent-Type: ${TYPE}\r\n\r\n`;
  const body = Buffer.concat([Buffer.from(before.join('') + file), bytes, Buffer.from(`\r\n--${boundary}--\r\n`)]);
  return { headers: { 'content-type': `multipart/form-data; boundary=${boundary}` }, body };
}

export const WAYS = {
  through: async (api, bytes) => {
    const { id } = await reserve(api, bytes.length, 'PUT');
    await api.put(`/v1/artifacts/${id}/content`, bytes);
  },
  signed: async (api, bytes) => {
    const { id, upload } = await reserve(api, bytes.length, 'PUT');
    await send('PUT', upload.url, { 'content-type': TYPE, ...upload.headers }, bytes);
    await complete(api, id, { size_bytes: bytes.length });
  },
  form: async (api, bytes) => {
    const { id, upload } = await reserve(api, bytes.length, 'POST');
    const { headers, body } =
      upload.method === 'POST' ? formOf(upload.fields, bytes) : { headers: upload.headers, body: bytes };
    await send(upload.method, upload.url, headers, body);
    await complete(api, id, { size_bytes: bytes.length });
  },
  parts: async (api, bytes) => {
    const { id, upload } = await reserve(api, bytes.length, 'multipart');
    const waiting = upload.parts.values();
    const sender = async () => {
      for (const { url, offset_bytes, size_bytes } of waiting)
        await send('PUT', url, {}, bytes.subarray(offset_bytes, offset_bytes + size_bytes));
    };
    await Promise.all(Array.from({ length: PARALLEL }, sender));
    await complete(api, id, { size_bytes: bytes.length });
  },
};

/**
 * Runs the ways side by side, `rounds` times; who comes first changes.
 * @returns median seconds by way
 */
export async function timeWays(product, names, { size_bytes, rounds }) {
  const api = apiOf(product);
  const bytes = randomBytes(size_bytes);
  const seconds = Object.fromEntries(names.map((name) => [name, []]));
  for (let round = -1; round < rounds; round += 1)
    for (let turn = 0; turn < names.length; turn += 1) {
      const name = names[(turn + round + 1) % names.length];
      const startedMs = performance.now();
      await WAYS[name](api, bytes);
      if (round >= 0) seconds[name].push((performance.now() - startedMs) / 1000);
    }
  return Object.fromEntries(names.map((name) => [name, percentile(seconds[name], 0.5)]));
}

/** Resident memory of a fresh product: after a small upload, and at most during a large one. */
export async function memoryOf(installation, name, size_bytes) {
  const product = await installation.start();
  const api = apiOf(product);
  await WAYS[name](api, randomBytes(1_000_000));
  const before = residentBytes(product.pid);
  let peak = before;
  const timer = setInterval(() => {
    peak = Math.max(peak, residentBytes(product.pid) ?? 0);
  }, SAMPLE_MS);
  try {
    await WAYS[name](api, randomBytes(size_bytes));
  } finally {
    clearInterval(timer);
    await product.stop();
  }
  return { before, peak };
}
