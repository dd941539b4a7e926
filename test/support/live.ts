import { once } from 'node:events';
import type { Socket } from 'node:net';
import WebSocket from 'ws';
import type { Product } from './product.js';
import { waitFor } from './stack-servers.js';

/** A change as the API tells it. */
export interface Change {
  id: string;
  resource: string;
  kind: string;
  action: string;
  status: string;
  revision: number;
  agent_id?: string;
  columns?: Record<string, unknown>;
  repeat?: true;
}

export interface Message {
  type: string;
  subscription?: string;
  cursor?: string;
  change?: Change;
  items?: Record<string, unknown>[];
  kind?: string;
  code?: string;
  subscriptions?: string[];
}

/** A socket whose messages a test reads as they have come. */
export interface LiveSocket {
  socket: WebSocket;
  messages: Message[];
  /** Code and reason, once it is closed. */
  closed: Promise<number>;
  say(message: object): void;
  /** Says all of it in one piece of the stream. */
  sayAtOnce(messages: object[]): void;
  /** Waits for the first message that fits. */
  heard(fits: (message: Message) => boolean): Promise<Message>;
  changes(subscription?: string): Change[];
}

/** Opens a socket; a key goes into the header, null: no header. */
export async function openSocket(product: Product, key: string | null = product.key): Promise<LiveSocket> {
  const headers = key === null ? {} : { authorization: `Bearer ${key}` };
  const socket = new WebSocket(`${product.url.replace('http', 'ws')}/v1/live`, { headers });
  const messages: Message[] = [];
  socket.on('message', (data) => messages.push(JSON.parse(String(data))));
  const closed = new Promise<number>((resolve) => socket.once('close', (code) => resolve(code)));
  await once(socket, 'open');
  const heard = async (fits: (message: Message) => boolean): Promise<Message> => {
    await waitFor('a message', async () => messages.some(fits));
    return messages.find(fits) as Message;
  };
  const changes = (subscription?: string) =>
    messages.flatMap((message) =>
      message.change !== undefined && (subscription === undefined || message.subscription === subscription)
        ? [message.change]
        : [],
    );
  const say = (message: object) => socket.send(JSON.stringify(message));
  const sayAtOnce = (all: object[]) => {
    const { _socket: stream } = socket as unknown as { _socket: Socket };
    stream.cork();
    all.forEach(say);
    stream.uncork();
  };
  return { socket, messages, closed, say, sayAtOnce, heard, changes };
}

/** Opens a socket and subscribes once; resolves when the subscription is live. */
export async function subscribed(product: Product, asked: object = {}, key: string | null = product.key) {
  const live = await openSocket(product, key);
  live.say({ type: 'subscribe', subscription: 'a', ...asked });
  const { cursor } = await live.heard(({ type }) => type === 'live');
  return { ...live, cursor: cursor as string };
}

/** What must not happen when the socket is refused: the status and the problem's code. */
export async function refusedSocket(product: Product, headers: Record<string, string>) {
  const socket = new WebSocket(`${product.url.replace('http', 'ws')}/v1/live`, { headers });
  socket.on('error', () => undefined);
  const [, response] = await once(socket, 'unexpected-response');
  let text = '';
  for await (const bytes of response) text += String(bytes);
  return { status: response.statusCode as number, body: JSON.parse(text) };
}

export interface SseEvent {
  event?: string;
  id?: string;
  data?: string;
}

/** Reads server-sent events until the stream ends or the test leaves. */
export async function eventStream(product: Product, query: string, headers: Record<string, string> = {}) {
  const leave = new AbortController();
  const response = await product.fetch(`/v1/changes${query}`, {
    headers: { accept: 'text/event-stream', ...headers },
    signal: leave.signal,
  });
  const events: SseEvent[] = [];
  const ended = (async () => {
    let rest = '';
    const decoder = new TextDecoder();
    for await (const bytes of response.body ?? []) {
      const blocks = (rest + decoder.decode(bytes as Uint8Array, { stream: true })).split('\n\n');
      rest = blocks.pop() ?? '';
      for (const block of blocks) {
        const event: Record<string, string> = {};
        for (const line of block.split('\n')) {
          const [name = '', ...value] = line.split(': ');
          event[name] = value.join(': ');
        }
        events.push(event);
      }
    }
  })().catch(() => undefined);
  const changes = () =>
    events.filter(({ event }) => event === 'change').map(({ data }) => JSON.parse(data ?? '') as Change);
  return { response, events, ended, changes, leave: () => leave.abort() };
}
