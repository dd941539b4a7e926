import { createHash } from 'node:crypto';
import { expect } from 'vitest';
import type { Answer, Product } from './product.js';

/** What acceptance tests of artifacts share: the verbs, and a client that does as `upload` says. */
type Headers = Record<string, string>;

export interface Artifact {
  id: string;
  bucket: string;
  key: string;
  name: string;
  agent_id?: string;
  session_id?: string;
  metadata: Record<string, unknown>;
  status: string;
  content_type: string;
  size_bytes: number;
  sha256?: string;
  checksum: string;
  version_id?: string;
  version_count: number;
  legal_hold: boolean;
  retention?: { mode: string; retain_until: string };
  revision: number;
  stored_at?: string;
}

export interface Upload {
  method: 'PUT' | 'POST' | 'multipart';
  url?: string;
  headers?: Headers;
  fields?: Headers;
  part_size_bytes?: number;
  parts?: { part_number: number; offset_bytes: number; size_bytes: number; url: string }[];
  arrived_parts?: { part_number: number; size_bytes: number; etag: string }[];
  expires_at: string;
}

export type Reserved = Artifact & { upload: Upload };

export interface Version {
  version_id: string;
  size_bytes: number;
  sha256?: string;
  current: boolean;
}

export interface Report {
  counts: Record<string, { found: number; settled: number }>;
  left: number;
  reported: number;
  findings: { kind: string; key: string; artifact_id?: string; detail: string; settled: boolean }[];
}

/** A file as its pointer should tell it. */
export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

export const digestHeader = (bytes: Uint8Array): string =>
  `sha-256=:${createHash('sha256').update(bytes).digest('base64')}:`;

/** Bytes that differ at every place of a large file, and from those of another seed. */
export function bytesOf(size: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(size);
  let state = seed * 2_654_435_761;
  for (let at = 0; at < size; at += 1) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    bytes[at] = state >>> 24;
  }
  return bytes;
}

export const MIB = 1024 * 1024;

/** The verbs of one product, with the key given or the admin's. */
export function artifactsOf(product: Product, key: string = product.key) {
  const at = (id: string, rest = '') => `/v1/artifacts/${encodeURIComponent(id)}${rest}`;
  const call = <Body>(method: string, path: string, body?: unknown, headers: Headers = {}): Promise<Answer<Body>> =>
    product.call(method, path, body, { headers, key });
  const verbs = {
    reserve: (body: Record<string, unknown>, headers?: Headers) =>
      call<Reserved>('POST', '/v1/artifacts', { name: 'file.bin', ...body }, headers),
    upload: (id: string, body: Record<string, unknown> = {}, headers?: Headers) =>
      call<Reserved>('POST', at(id, '/upload'), body, headers),
    put: (id: string, bytes: Uint8Array, headers: Headers = {}) =>
      call<Artifact>('PUT', at(id, '/content'), bytes, { 'content-type': 'application/octet-stream', ...headers }),
    complete: (id: string, body: Record<string, unknown> = {}, headers?: Headers) =>
      call<Artifact>('POST', at(id, '/complete'), body, headers),
    get: (id: string, headers?: Headers) => call<Artifact>('GET', at(id), undefined, headers),
    list: (query: Record<string, string> = {}) =>
      call<{ artifacts: Artifact[]; cursor?: string }>('GET', `/v1/artifacts?${new URLSearchParams(query)}`),
    batch: (body: unknown) =>
      call<{ artifacts: { id: string; artifact?: Artifact; url?: string; error?: string }[] }>(
        'POST',
        '/v1/artifacts/batch',
        body,
      ),
    patch: (id: string, body: unknown, headers?: Headers) => call<Artifact>('PATCH', at(id), body, headers),
    remove: (id: string, headers?: Headers) => call<Artifact>('DELETE', at(id), undefined, headers),
    undelete: (id: string, headers?: Headers) => call<Artifact>('POST', at(id, '/undelete'), undefined, headers),
    versions: (id: string) => call<{ versions: Version[] }>('GET', at(id, '/versions')),
    restore: (id: string, version_id: string, headers?: Headers) =>
      call<Artifact>('POST', at(id, `/versions/${encodeURIComponent(version_id)}/restore`), undefined, headers),
    hold: (id: string, body: unknown) => call<Artifact>('PUT', at(id, '/hold'), body),
    url: (id: string) => call<{ url: string; expires_at: string; cached: boolean }>('GET', at(id, '/url')),
    content: (id: string, headers: Headers = {}, query = '') =>
      product.fetch(at(id, `/content${query}`), { headers: { authorization: `Bearer ${key}`, ...headers } }),
    head: (id: string, headers: Headers = {}) =>
      product.fetch(at(id, '/content'), { method: 'HEAD', headers: { authorization: `Bearer ${key}`, ...headers } }),
    /** Reserves and sends the bytes through the server. */
    stored: async (bytes: Uint8Array, more: Record<string, unknown> = {}): Promise<Artifact> => {
      const reserved = await verbs.reserve({ size_bytes: bytes.length, ...more });
      expect(reserved.status, reserved.text).toBe(201);
      const put = await verbs.put(reserved.body.id, bytes);
      expect(put.status, put.text).toBe(200);
      return put.body;
    },
    /** The bytes of an artifact, or of one of its versions, as anybody downloads them. */
    bytes: async (id: string, version_id?: string): Promise<Buffer> => {
      const query = version_id === undefined ? '' : `?version_id=${encodeURIComponent(version_id)}`;
      const answer = await verbs.content(id, {}, query);
      const body = Buffer.from(await answer.arrayBuffer());
      expect(answer.status, body.toString('utf8').slice(0, 500)).toBe(200);
      return body;
    },
  };
  return verbs;
}

/** Does as `upload` says, whichever way the store wants it. @returns the answers, in order */
export async function sendBytes(upload: Upload, bytes: Uint8Array, only?: number[]): Promise<Response[]> {
  const sent = Buffer.from(bytes);
  if (upload.method === 'PUT')
    return [await fetch(upload.url!, { method: 'PUT', headers: upload.headers ?? {}, body: sent })];
  if (upload.method === 'POST') {
    const form = new FormData();
    for (const [name, value] of Object.entries(upload.fields ?? {})) form.append(name, value);
    form.append('file', new Blob([sent]));
    return [await fetch(upload.url!, { method: 'POST', body: form })];
  }
  const wanted = (upload.parts ?? []).filter(({ part_number }) => only?.includes(part_number) ?? true);
  return Promise.all(
    wanted.map(({ url, offset_bytes, size_bytes }) =>
      fetch(url, { method: 'PUT', body: sent.subarray(offset_bytes, offset_bytes + size_bytes) }),
    ),
  );
}

/** Sends bytes that must be taken. */
export async function sendWell(upload: Upload, bytes: Uint8Array, only?: number[]): Promise<void> {
  for (const answer of await sendBytes(upload, bytes, only))
    expect([200, 201, 204], await answer.text()).toContain(answer.status);
}

/** One run of the reconciler. */
export async function reconcile(product: Product, apply: boolean): Promise<Report> {
  const answer = await product.call<Report>('POST', '/v1/reconcile', { apply });
  expect(answer.status, answer.text).toBe(200);
  return answer.body;
}

/** Settles what is there to settle; then there is nothing left to do. @returns what was found */
export async function reconciled(product: Product): Promise<Report['findings']> {
  const { findings } = await reconcile(product, true);
  expect(await reconcile(product, false)).toMatchObject({ left: 0, findings: [] });
  return findings;
}

/** A key of its own. */
export async function keyFor(product: Product, fields: Record<string, unknown>): Promise<string> {
  const scopes = ['artifacts:read', 'artifacts:write'];
  const made = await product.call<{ token: string }>('POST', '/v1/keys', { name: 'test', scopes, ...fields });
  expect(made.status, made.text).toBe(201);
  return made.body.token;
}
