import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/**
 * Stand-ins for embedding providers: HTTP servers on a free local port that speak the OpenAI or the Gemini protocol and
 * misbehave on demand. They import nothing of the product, so that acceptance tests may use them too.
 *
 *   const provider = await startEmbeddingServer('openai', { dimensions: 64 });
 *   // ACERVO_EMBEDDER=openai ACERVO_EMBEDDING_URL=${provider.url} ACERVO_EMBEDDING_MODEL=test ACERVO_EMBEDDING_DIMENSIONS=64
 *   provider.behave('down'); …; provider.behave('ok'); …; await provider.close();
 */
export type EmbeddingProtocol = 'openai' | 'gemini';

export type Behaviour =
  | 'ok'
  /** The connection is reset without an answer. */
  | 'down'
  /** No answer until `release()` or another `behave()`; then the answer of "ok". */
  | 'held'
  /** OpenAI: the data in reverse order, with right indices. */
  | 'shuffled'
  /** OpenAI: each index is 0. */
  | 'repeated-index'
  | 'one-vector-short'
  | 'one-vector-more'
  | 'wrong-dimensions'
  /** The bare word NaN, which is not JSON. */
  | 'nan-in-vector'
  | 'null-in-vector'
  /** 1e999: JSON, but infinite as a float64. */
  | 'infinite-in-vector'
  | 'zero-vector'
  | 'broken-json'
  | 'wrong-shape'
  /** Fewer bytes than Content-Length says, then the connection closes. */
  | 'truncated-body'
  | { slowMs: number }
  /** An error for a request with a text that holds this, status 400 if not said otherwise; else the answer of "ok". */
  | { rejects: string; with?: number }
  /**
   * An error answer. `retryAfter` goes into the header as it is, and as seconds into Google's RetryInfo; `reason` into its
   * ErrorInfo.
   */
  | { status: number; retryAfter?: string; message?: string; location?: string; reason?: string };

export interface RecordedRequest {
  path: string;
  headers: IncomingMessage['headers'];
  /** The parsed body. */
  body: Record<string, unknown>;
  texts: string[];
  /** `document` or `query` as the protocol said it; OpenAI's has no word for it (Voyage's dialect has). */
  purpose: string | undefined;
}

export interface EmbeddingServer {
  /** For ACERVO_EMBEDDING_URL. */
  readonly url: string;
  readonly requests: RecordedRequest[];
  /** The most requests that were being answered at one time. */
  readonly maxInFlight: number;
  /** From now on; also lets go of what is held. */
  behave(behaviour: Behaviour): void;
  /** For the next requests, one each; after these as `behave` said. */
  next(...behaviours: Behaviour[]): void;
  /** Answers the requests that are held now. */
  release(): void;
  /** Resolves when so many requests are being answered (or held). */
  inFlight(count: number): Promise<void>;
  /** What the server sends for a text: float[dimensions], not of unit length. Texts with common words are near. */
  vectorOf(text: string): number[];
  /** Closes the port and every connection; the URL then refuses connections. */
  close(): Promise<void>;
}

/** Words counted into places by a simple polynomial hash, plus a little of everything so that it is never zero. */
function bagOfWords(text: string, dimensions: number): number[] {
  const vector: number[] = new Array(dimensions).fill(0.01);
  for (const word of text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []) {
    let hash = 7;
    for (const character of word) hash = (hash * 31 + (character.codePointAt(0) ?? 0)) % 1_000_003;
    vector[hash % dimensions] = (vector[hash % dimensions] ?? 0) + 3;
  }
  return vector;
}

async function record(request: IncomingMessage, protocol: EmbeddingProtocol): Promise<RecordedRequest> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const body = JSON.parse(Buffer.concat(chunks).toString('utf8'));
  const common = { path: request.url ?? '', headers: request.headers, body };
  if (protocol === 'openai') return { ...common, texts: body.input, purpose: body.input_type };
  const requests: { content: { parts: { text: string }[] }; taskType: string }[] = body.requests;
  return {
    ...common,
    texts: requests.map(({ content }) => content.parts.map(({ text }) => text).join('')),
    purpose: requests[0]?.taskType.replace('RETRIEVAL_', '').toLowerCase(),
  };
}

/** `vectors` as JSON texts, so that what JSON.stringify would not write can be sent. */
function answerText(protocol: EmbeddingProtocol, vectors: string[], behaviour: Behaviour, tokens: number): string {
  if (behaviour === 'wrong-shape') return '{"ok":true}';
  if (protocol === 'gemini') return `{"embeddings":[${vectors.map((values) => `{"values":${values}}`).join()}]}`;
  const data = vectors.map((vector, i) => {
    const index = behaviour === 'repeated-index' ? 0 : i;
    return `{"object":"embedding","index":${index},"embedding":${vector}}`;
  });
  if (behaviour === 'shuffled') data.reverse();
  const usage = `{"prompt_tokens":${tokens},"total_tokens":${tokens}}`;
  return `{"object":"list","data":[${data.join()}],"model":"test","usage":${usage}}`;
}

/** The vectors that a behaviour makes of the right ones: the last is spoiled. */
function spoiled(vectors: number[][], behaviour: Behaviour): string[] {
  const texts = vectors.map((vector) => JSON.stringify(vector));
  const last = vectors.at(-1) ?? [];
  const withFirst = (first: string) => [...texts.slice(0, -1), `[${[first, ...last.slice(1)].join()}]`];
  if (behaviour === 'one-vector-short') return texts.slice(0, -1);
  if (behaviour === 'one-vector-more') return [...texts, JSON.stringify(last)];
  if (behaviour === 'wrong-dimensions') return [...texts.slice(0, -1), JSON.stringify(last.slice(1))];
  if (behaviour === 'nan-in-vector') return withFirst('NaN');
  if (behaviour === 'null-in-vector') return withFirst('null');
  if (behaviour === 'infinite-in-vector') return withFirst('1e999');
  if (behaviour === 'zero-vector') return [...texts.slice(0, -1), JSON.stringify(last.map(() => 0))];
  return texts;
}

function sendError(response: ServerResponse, fault: Extract<Behaviour, { status: number }>): void {
  const message = fault.message ?? `this is status ${fault.status}`;
  const retryInfo = { '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: `${fault.retryAfter}s` };
  const errorInfo = { '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason: fault.reason };
  const all = [
    ...(fault.retryAfter === undefined ? [] : [retryInfo]),
    ...(fault.reason === undefined ? [] : [errorInfo]),
  ];
  const details = all.length === 0 ? {} : { details: all };
  response.writeHead(fault.status, {
    'content-type': 'application/json',
    ...(fault.retryAfter === undefined ? {} : { 'retry-after': fault.retryAfter }),
    ...(fault.location === undefined ? {} : { location: fault.location }),
  });
  response.end(JSON.stringify({ error: { code: fault.status, message, ...details } }));
}

function sendAnswer(response: ServerResponse, text: string, behaviour: Behaviour): void {
  const body = behaviour === 'broken-json' ? `${text.slice(0, -3)}]]` : text;
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) });
  if (behaviour === 'truncated-body') response.write(body.slice(0, 40), () => response.destroy());
  else response.end(body);
}

class ProviderServer implements EmbeddingServer {
  url = '';
  readonly requests: RecordedRequest[] = [];
  maxInFlight = 0;
  #standing: Behaviour = 'ok';
  #queued: Behaviour[] = [];
  #held: (() => void)[] = [];
  #inFlight = 0;
  #watchers: (() => void)[] = [];
  readonly #server: Server;

  constructor(
    readonly protocol: EmbeddingProtocol,
    readonly dimensions: number,
  ) {
    this.#server = createServer((request, response) => {
      this.#serve(request, response).catch(() => response.destroy());
    });
  }

  async listen(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    const { port } = this.#server.address() as AddressInfo;
    this.url = `http://127.0.0.1:${port}${this.protocol === 'openai' ? '/v1' : ''}`;
    return this;
  }

  behave(behaviour: Behaviour): void {
    this.#standing = behaviour;
    this.release();
  }

  next(...behaviours: Behaviour[]): void {
    this.#queued.push(...behaviours);
  }

  release(): void {
    for (const go of this.#held.splice(0)) go();
  }

  async inFlight(count: number): Promise<void> {
    while (this.#inFlight < count) await new Promise<void>((resolve) => this.#watchers.push(resolve));
  }

  vectorOf(text: string): number[] {
    return bagOfWords(text, this.dimensions);
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.release();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const recorded = await record(request, this.protocol);
    this.requests.push(recorded);
    this.maxInFlight = Math.max(this.maxInFlight, ++this.#inFlight);
    response.once('close', () => this.#inFlight--);
    for (const look of this.#watchers.splice(0)) look();
    const behaviour = this.#queued.shift() ?? this.#standing;
    if (behaviour === 'down') return void request.socket.resetAndDestroy();
    if (behaviour === 'held') await new Promise<void>((resolve) => this.#held.push(resolve));
    if (typeof behaviour === 'object') {
      if ('status' in behaviour) return sendError(response, behaviour);
      if ('slowMs' in behaviour) await new Promise((resolve) => setTimeout(resolve, behaviour.slowMs));
      else if (recorded.texts.some((text) => text.includes(behaviour.rejects)))
        return sendError(response, { status: behaviour.with ?? 400 });
    }
    const vectors = recorded.texts.map((text) => this.vectorOf(text));
    const tokens = recorded.texts.length * 7;
    sendAnswer(response, answerText(this.protocol, spoiled(vectors, behaviour), behaviour, tokens), behaviour);
  }
}

/** A provider that answers every path; behaves "ok" until told otherwise. */
export function startEmbeddingServer(
  protocol: EmbeddingProtocol,
  options: { dimensions: number },
): Promise<EmbeddingServer> {
  return new ProviderServer(protocol, options.dimensions).listen();
}
