import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inject } from 'vitest';
import { waitFor } from './stack-servers.js';

const MAIN = fileURLToPath(new URL('../../dist/main.js', import.meta.url));

export const onStack = process.env.ACERVO_TEST_STACK === '1';
/** In the cold ring searches are answered by the database alone. */
export const isCold = process.env.ACERVO_TEST_WARM_INDEX === 'off';
/** Set in the stack ring when there is no server binary: those tests are skipped by name. */
export const unavailable = onStack && inject('surrealUrl') === '';

/** An answer, read whole. */
export interface Answer<Body = Record<string, unknown>> {
  status: number;
  headers: Headers;
  text: string;
  body: Body;
}

export interface Product {
  url: string;
  /** A key with all scopes. */
  key: string;
  env: Record<string, string>;
  process: ChildProcess;
  /** All that it has printed, log lines and banner. */
  output(): string;
  exited: Promise<number | null>;
  /** One request as it is, with the admin key unless the headers bring another: for bytes, streams and redirects. */
  fetch(path: string, init?: RequestInit): Promise<Response>;
  /** One request as JSON, with the admin key unless `key` says otherwise (null: none). */
  call<Body = Record<string, unknown>>(
    method: string,
    path: string,
    body?: unknown,
    options?: { key?: string | null; headers?: Record<string, string> },
  ): Promise<Answer<Body>>;
  /** Stores documents by NDJSON; one result a line. */
  bulk(documents: unknown[]): Promise<{ line: number; id?: string; status: string; error?: { code: string } }[]>;
  stop(signal?: NodeJS.Signals): Promise<void>;
  /** Starts it again on the same data, after a stop or kill. */
  restart(env?: Record<string, string>): Promise<Product>;
}

function freshEnvironment(): Record<string, string> {
  const own = {
    ACERVO_PORT: '0',
    ACERVO_DATA_DIR: mkdtempSync(join(tmpdir(), 'acervo-data-')),
    ACERVO_ADMIN_KEY: `test-admin-${randomBytes(24).toString('hex')}`,
    ACERVO_RATE_LIMIT_PER_MINUTE: '0',
    ACERVO_LOG_LEVEL: 'info',
    ...(isCold && { ACERVO_WARM_INDEX: 'off' }),
  };
  if (!onStack) return own;
  return {
    ...own,
    SURREALDB_URL: inject('surrealUrl'),
    SURREALDB_USER: 'root',
    SURREALDB_PASS: 'root',
    SURREALDB_NAMESPACE: 'acceptance',
    SURREALDB_DATABASE: `d${randomBytes(12).toString('hex')}`,
  };
}

/** Starts the built product as a process of its own and waits until it listens. `''` unsets a variable. */
export async function startProduct(env: Record<string, string> = {}): Promise<Product> {
  return launch({ ...freshEnvironment(), ...env });
}

/** Starts the process without waiting for it to listen: for starts that must fail. */
export function spawnProduct(env: Record<string, string>) {
  const child = spawn(process.execPath, [MAIN], { env: { PATH: process.env.PATH ?? '', ...env }, cwd: tmpdir() });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes) => (output += String(bytes)));
  const exited = new Promise<number | null>((resolve) => child.once('close', (code) => resolve(code)));
  return { child, output: () => output, exited };
}

async function launch(env: Record<string, string>): Promise<Product> {
  const { child, output, exited } = spawnProduct(env);
  let url = '';
  await waitFor('the product to listen', async () => {
    if (child.exitCode !== null) throw new Error('gone');
    url = /API\s+(http:\/\/\S+)/.exec(output())?.[1] ?? '';
    return url !== '' && (await fetch(`${url}/readyz`)).ok;
  }).catch((error) => {
    child.kill('SIGKILL');
    throw new Error(`${String(error)}\n${output()}`);
  });
  const key = env.ACERVO_ADMIN_KEY ?? '';
  const product: Product = {
    url,
    key,
    env,
    process: child,
    output,
    exited,
    fetch: (path, init = {}) => {
      const headers = new Headers(init.headers);
      if (!headers.has('authorization')) headers.set('authorization', `Bearer ${key}`);
      return fetch(`${url}${path}`, {
        ...init,
        headers,
        ...(init.body instanceof ReadableStream && { duplex: 'half' }),
      });
    },
    call: async (method, path, body, options = {}) => {
      const authorization = options.key === null ? {} : { authorization: `Bearer ${options.key ?? key}` };
      const response = await fetch(`${url}${path}`, {
        method,
        headers: {
          ...authorization,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...options.headers,
        },
        ...(body === undefined
          ? {}
          : { body: typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body) }),
      });
      const text = await response.text();
      const isJson = text !== '' && (response.headers.get('content-type')?.includes('json') ?? false);
      const parsed = isJson && !response.headers.get('content-type')?.includes('ndjson') ? JSON.parse(text) : {};
      return { status: response.status, headers: response.headers, text, body: parsed };
    },
    bulk: async (documents) => {
      const answer = await product.call(
        'POST',
        '/v1/knowledge/bulk',
        documents.map((d) => JSON.stringify(d)).join('\n'),
        {
          headers: { 'content-type': 'application/x-ndjson' },
        },
      );
      return answer.text
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line));
    },
    stop: async (signal = 'SIGTERM') => {
      child.kill(signal);
      await exited;
    },
    restart: (more = {}) => launch({ ...env, ...more }),
  };
  return product;
}

/** Waits until searches are answered from memory, where they are at all. */
export async function warmed(product: Product): Promise<void> {
  if (isCold) return;
  await waitFor('the warm index', async () => {
    const { body } = await product.call<{ warm_index: { state: string } }>('GET', '/health');
    return body.warm_index.state === 'ready';
  });
}
