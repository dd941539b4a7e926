import { request as httpRequest, type IncomingMessage } from 'node:http';
import { expect } from 'vitest';
import type { Answer, Product } from './product.js';

/** What acceptance tests of knowledge share: reading the store from outside, and requests that fetch cannot make. */
export interface Stored {
  id: string;
  revision: number;
  status: string;
  embedding_status: string;
  passage_count: number;
  created_at: string;
  updated_at: string;
  audit_id?: string;
}

export interface Document extends Omit<Stored, 'status' | 'audit_id'> {
  title?: string;
  metadata: Record<string, unknown>;
  language: string;
  agent_id?: string;
  artifact_id?: string;
  size_bytes: number;
  content: string;
}

export interface Hit extends Document {
  score: number;
  scores: { text?: number; vector?: number };
  passages: { ordinal: number; text: string }[];
}

export interface Problem {
  type: string;
  title: string;
  status: number;
  code: string;
  detail?: string;
  request_id: string;
  retryable: boolean;
  errors: { path: string; message: string }[];
}

export interface BulkResult {
  line: number;
  id?: string;
  status: string;
  error?: { code: string; retryable: boolean; errors: { path: string; message: string }[] };
}

type Headers = Record<string, string>;

/** The verbs of one product, typed. */
export function knowledgeOf(product: Product) {
  const at = (id: string) => `/v1/knowledge/${encodeURIComponent(id)}`;
  return {
    post: (body: unknown, headers: Headers = {}): Promise<Answer<Stored>> =>
      product.call('POST', '/v1/knowledge', body, { headers }),
    get: (id: string, headers: Headers = {}): Promise<Answer<Document>> =>
      product.call('GET', at(id), undefined, { headers }),
    patch: (id: string, body: unknown, headers: Headers = {}): Promise<Answer<Stored>> =>
      product.call('PATCH', at(id), body, { headers }),
    remove: (id: string, headers: Headers = {}) => product.call('DELETE', at(id), undefined, { headers }),
    list: (query: Record<string, string> = {}): Promise<Answer<{ documents: Document[]; cursor?: string }>> =>
      product.call('GET', `/v1/knowledge?${new URLSearchParams(query)}`),
    search: (body: unknown): Promise<Answer<{ hits: Hit[]; cursor?: string }>> =>
      product.call('POST', '/v1/search', body),
  };
}

/** Ids that a search finds, sorted. */
export async function found(product: Product, search: Record<string, unknown>): Promise<string[]> {
  const answer = await knowledgeOf(product).search({ limit: 100, ...search });
  expect(answer.status, answer.text).toBe(200);
  return answer.body.hits.map(({ id }) => id).sort();
}

/** Ids of the documents with these words, sorted. @param after the audit_id of a write that must be seen */
export const withWords = (product: Product, query: string, after?: string) =>
  found(product, { query, mode: 'text', match: 'all', after });

/** Every document, page by page. */
export async function everyDocument(product: Product): Promise<Document[]> {
  const documents: Document[] = [];
  let cursor: string | undefined;
  do {
    const page = await knowledgeOf(product).list({ limit: '100', ...(cursor === undefined ? {} : { cursor }) });
    expect(page.status, page.text).toBe(200);
    documents.push(...page.body.documents);
    cursor = page.body.cursor;
  } while (cursor !== undefined);
  return documents;
}

/** What can be seen of a small store from outside: rows with revisions, and what each leg finds for `words`. */
export async function seen(product: Product, words: string) {
  const documents = await everyDocument(product);
  const { search } = knowledgeOf(product);
  const shown = (hits: Hit[]) =>
    hits.map(({ id, revision, passages }) => ({ id, revision, passages })).sort((a, b) => (a.id < b.id ? -1 : 1));
  const text = await search({ query: words, mode: 'text', limit: 100 });
  const vector = await search({ query: words, mode: 'vector', limit: 100 });
  expect([text.status, vector.status]).toEqual([200, 200]);
  return { documents, text: shown(text.body.hits), vector: shown(vector.body.hits) };
}

export function expectProblem(answer: Answer<unknown>, status: number, code: string): Problem {
  expect({ status: answer.status, body: answer.body }).toMatchObject({ status, body: { status, code } });
  expect(answer.headers.get('content-type')).toBe('application/problem+json');
  return answer.body as Problem;
}

/** A request as it is: the path goes out as written, and the body can be sent in pieces. */
export function rawRequest(product: Product, method: string, path: string, headers: Headers = {}) {
  const { hostname, port } = new URL(product.url);
  const request = httpRequest({
    hostname,
    port,
    path,
    method,
    headers: { authorization: `Bearer ${product.key}`, ...headers },
    agent: false,
  });
  const response = new Promise<IncomingMessage>((resolve, reject) => {
    request.once('response', resolve);
    request.once('error', reject);
  });
  // Whoever does not wait for the answer does not mind its failure.
  response.catch(() => undefined);
  return { request, response };
}

/** The whole answer of a raw request without a body. */
export async function rawCall(
  product: Product,
  method: string,
  path: string,
): Promise<{ status: number; text: string }> {
  const { request, response } = rawRequest(product, method, path);
  request.end();
  const answer = await response;
  let text = '';
  for await (const bytes of answer) text += String(bytes);
  return { status: answer.statusCode ?? 0, text };
}

/** A bulk request under way: lines are written and results are read whenever the test likes. */
export function startBulk(product: Product) {
  const { request, response } = rawRequest(product, 'POST', '/v1/knowledge/bulk', {
    'content-type': 'application/x-ndjson',
  });
  async function* results(): AsyncGenerator<BulkResult> {
    const answer = await response;
    expect({ status: answer.statusCode, type: answer.headers['content-type'] }).toEqual({
      status: 200,
      type: 'application/x-ndjson',
    });
    let rest = '';
    for await (const bytes of answer) {
      const lines = (rest + String(bytes)).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) yield JSON.parse(line);
    }
    expect(rest).toBe('');
  }
  return {
    request,
    results: results(),
    write: (documents: unknown[]) =>
      request.write(documents.map((document) => `${JSON.stringify(document)}\n`).join('')),
  };
}

/** A word that no other number has, of letters only: tokenizers may cut at digits. */
export function wordOf(number: number): string {
  const letters = [...number.toString(26).padStart(4, '0')].map((digit) =>
    String.fromCharCode(97 + Number.parseInt(digit, 26)),
  );
  return `q${letters.join('')}x`;
}
