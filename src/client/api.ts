import type { Artifact, ArtifactWithUpload } from './artifact.js';
import { type Fetch, jsonOf, request, retried } from './http.js';

export interface ClientOptions {
  /** Of the server, such as `http://127.0.0.1:8080`. */
  url: string;
  key: string;
  /** Instead of the global one: for proxies and tests. */
  fetch?: Fetch;
}

interface Call {
  method: 'GET' | 'POST' | 'PUT';
  path: string;
  json?: object;
  bytes?: Blob;
  /** With it the request may be sent again without being done twice. */
  idempotencyKey?: string;
}

/** What the server takes when an artifact is reserved. */
export interface Reservation {
  id?: string;
  bucket?: string;
  name: string;
  content_type?: string;
  size_bytes: number;
  sha256?: string;
  upload_method?: 'auto' | 'PUT' | 'POST' | 'multipart';
  entity?: string;
  user?: string;
  agent_id?: string;
  session_id?: string;
  metadata?: Record<string, unknown>;
}

/** The requests of the API that an upload is made of, each tried again while that may help. */
export class Api {
  readonly fetch: Fetch;
  private readonly base: string;
  private readonly key: string;

  constructor(options: ClientOptions) {
    // Browsers refuse a `fetch` that is called as a method of something else.
    this.fetch = options.fetch ?? ((url, init) => globalThis.fetch(url, init));
    this.base = options.url.replace(/\/+$/, '');
    this.key = options.key;
  }

  reserve(json: Reservation, signal?: AbortSignal): Promise<ArtifactWithUpload> {
    return this.call({ method: 'POST', path: '/v1/artifacts', json, idempotencyKey: freshName() }, signal);
  }

  read(id: string, signal?: AbortSignal): Promise<Artifact> {
    return this.call({ method: 'GET', path: pathOf(id) }, signal);
  }

  /** Fresh URLs for what has not arrived. */
  goOn(id: string, signal?: AbortSignal): Promise<ArtifactWithUpload> {
    return this.call({ method: 'POST', path: `${pathOf(id)}/upload`, json: {} }, signal);
  }

  putContent(id: string, bytes: Blob, signal?: AbortSignal): Promise<Artifact> {
    const path = `${pathOf(id)}/content`;
    return this.call({ method: 'PUT', path, bytes, idempotencyKey: freshName() }, signal);
  }

  complete(id: string, signal?: AbortSignal): Promise<Artifact> {
    const path = `${pathOf(id)}/complete`;
    return this.call({ method: 'POST', path, json: {}, idempotencyKey: freshName() }, signal);
  }

  downloadUrl(id: string, signal?: AbortSignal): Promise<{ url: string; expires_at: string }> {
    return this.call({ method: 'GET', path: `${pathOf(id)}/url` }, signal);
  }

  private call<Body>({ method, path, json, bytes, idempotencyKey }: Call, signal?: AbortSignal): Promise<Body> {
    const headers = {
      authorization: `Bearer ${this.key}`,
      ...(json === undefined ? {} : { 'content-type': 'application/json' }),
      ...(idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey }),
    };
    const body = json === undefined ? bytes : JSON.stringify(json);
    const init = {
      method,
      headers,
      ...(body === undefined ? {} : { body }),
      ...(signal === undefined ? {} : { signal }),
    };
    return retried(async () => jsonOf<Body>(await request(this.fetch, this.base + path, init), signal), signal);
  }
}

const pathOf = (id: string) => `/v1/artifacts/${encodeURIComponent(id)}`;

/** Not randomUUID: browsers have that on https alone. */
function freshName(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
