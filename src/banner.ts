import { join } from 'node:path';
import type { Config } from './config.js';
import type { EmbeddingSpace } from './embeddings/port.js';
import type { EngineInfo } from './surreal/database.js';
import { VERSION } from './version.js';

export interface BannerFacts {
  /** Where it listens, as `listen` says. */
  url: string;
  config: Config;
  engine: EngineInfo;
  space: EmbeddingSpace;
  /** The first admin key, if it has just been made. */
  token: string | undefined;
}

/** A URL that names no one host cannot be pasted, nor signed. */
export function reachable(url: string): string {
  return url.replace('//0.0.0.0:', '//127.0.0.1:').replace('//[::]:', '//[::1]:');
}

function embedderLine({ provider, model, dimensions }: EmbeddingSpace): string {
  if (provider === 'hashing')
    return `hashing, ${dimensions} dimensions: offline; it matches words and spelling rather than meaning (see ACERVO_EMBEDDER)`;
  if (provider === 'caller') return `none: vectors of ${dimensions} dimensions come with the documents and the queries`;
  return `${provider} ${model}, ${dimensions} dimensions`;
}

/** Where the data is, without credentials. */
export function dataPlace({ database: { url, namespace, database } }: Config): string {
  if (url.startsWith('rocksdb://')) return url.slice('rocksdb://'.length);
  const { protocol, host } = new URL(url);
  return `${protocol}//${host}, ${namespace}/${database}`;
}

/** Where the bytes of artifacts are, without credentials. */
function objectsPlace({ dataDir, objects: { s3, buckets } }: Config): string {
  const names = buckets.map(({ name }) => name).join(' ');
  return `${s3 === undefined ? join(dataDir, 'objects') : new URL(s3.endpoint).origin} (${names})`;
}

function curlLine(url: string, token: string | undefined): string {
  const authorization = token === undefined ? '"authorization: Bearer $KEY"' : `'authorization: Bearer ${token}'`;
  const body = JSON.stringify({ content: 'The first thing that this memory was told.' });
  return `curl -s ${url}/v1/knowledge -H ${authorization} -H 'content-type: application/json' -d '${body}'`;
}

/** Said the moment that the key exists: whatever fails afterwards, it is not lost. */
export function firstKeyNotice(token: string): string {
  return `\nFirst admin key, shown once; only its hash is kept:\n\n  ${token}\n`;
}

/** What a person who has just started Acervo wants to know. */
export function banner({ url, config, engine, space, token }: BannerFacts): string {
  const api = reachable(url);
  const where = engine.kind === 'embedded' ? 'in this process' : 'as a server';
  const lines: [string, string][] = [
    ['API', api],
    ['Docs', `${api}/docs`],
    ['Data', dataPlace(config)],
    ['Objects', objectsPlace(config)],
    ['Engine', `SurrealDB ${engine.version} ${where}, vector index ${engine.vectorIndex}`],
    ['Embedder', embedderLine(space)],
  ];
  const key = config.adminKey === undefined ? 'a key' : 'ACERVO_ADMIN_KEY';
  return [
    '',
    `Acervo ${VERSION}`,
    ...lines.map(([label, text]) => `${label.padStart(10)}  ${text}`),
    '',
    token === undefined ? `Store a document (with ${key} in $KEY):` : 'Store a document:',
    '',
    curlLine(api, token),
    '',
    '',
  ].join('\n');
}
