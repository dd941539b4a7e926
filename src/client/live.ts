import { AcervoClientError } from './error.js';
import { LiveFollower, type LiveHandlers, type LiveSubscription } from './live-follower.js';
import type { Change, LiveRequest, ServerMessage } from './live-messages.js';

/** The part of the standard WebSocket that is used: the global one, or that of the package `ws`. */
export interface SocketLike {
  send(text: string): void;
  close(): void;
  addEventListener(type: 'open' | 'close' | 'error', listener: () => void): void;
  addEventListener(type: 'message', listener: (event: { data: unknown }) => void): void;
}

export interface LiveOptions {
  /** Of the server, such as `http://127.0.0.1:8080`. */
  url: string;
  key: string;
  /** Where there is no global one, as in Node 20: `import WebSocket from 'ws'`. */
  WebSocket?: new (
    url: string,
  ) => SocketLike;
}

export interface LiveClient {
  /**
   * Follows changes until `close`: reconnects, resumes, and gives each change once for all who have not restarted. `onChange`
   * is called in the order of the server; the cursor moves on when it returns.
   */
  subscribe(request: LiveRequest, onChange: (change: Change) => void, handlers?: LiveHandlers): LiveSubscription;
  /** Ends everything. */
  close(): void;
}

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 10_000;
/** Heartbeats that may be missing before the connection counts as dead. */
const MISSED_BEATS = 3;
const CONNECT_WITHIN_MS = 15_000;

class Client implements LiveClient {
  readonly #options: LiveOptions;
  readonly #followers = new Map<string, LiveFollower>();
  #socket: SocketLike | undefined;
  #authenticated = false;
  #closed = false;
  #tries = 0;
  #named = 0;
  #silence: ReturnType<typeof setTimeout> | undefined;
  #pause: ReturnType<typeof setTimeout> | undefined;
  #silenceMs = CONNECT_WITHIN_MS;

  constructor(options: LiveOptions) {
    this.#options = options;
  }

  subscribe(request: LiveRequest, onChange: (change: Change) => void, handlers: LiveHandlers = {}): LiveSubscription {
    this.#named += 1;
    const name = `s${this.#named}`;
    const follower = new LiveFollower(name, request, { ...handlers, onChange }, (message) => this.#send(message));
    follower.onEnded = () => this.#followers.delete(name);
    this.#followers.set(name, follower);
    if (this.#socket === undefined && this.#pause === undefined) this.#connect();
    else if (this.#authenticated) follower.begin();
    return follower;
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#pause);
    for (const follower of [...this.#followers.values()]) follower.close();
    this.#drop();
  }

  #send(message: object): void {
    if (this.#authenticated) this.#socket?.send(JSON.stringify(message));
  }

  #connect(): void {
    const Socket = this.#options.WebSocket ?? (globalThis.WebSocket as unknown as LiveOptions['WebSocket']);
    if (Socket === undefined)
      throw new TypeError('There is no global WebSocket: pass one, such as that of the package ws.');
    const url = `${this.#options.url.replace(/^http/, 'ws').replace(/\/+$/, '')}/v1/live`;
    const socket = new Socket(url);
    this.#socket = socket;
    this.#silenceMs = CONNECT_WITHIN_MS;
    this.#heard();
    socket.addEventListener('open', () =>
      socket.send(JSON.stringify({ type: 'authenticate', key: this.#options.key })),
    );
    socket.addEventListener('message', ({ data }) => {
      if (this.#socket === socket) this.#read(JSON.parse(String(data)));
    });
    socket.addEventListener('error', () => {});
    socket.addEventListener('close', () => {
      if (this.#socket === socket) this.#reconnect();
    });
  }

  /** A connection that is silent for too long is dead, though nobody has said so. */
  #heard(): void {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => this.#reconnect(), this.#silenceMs);
  }

  #drop(): void {
    clearTimeout(this.#silence);
    const socket = this.#socket;
    this.#socket = undefined;
    this.#authenticated = false;
    socket?.close();
  }

  /** After a pause that grows, at random so that clients do not come back together. */
  #reconnect(): void {
    this.#drop();
    if (this.#closed || this.#followers.size === 0) return;
    const pauseMs = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** this.#tries) * (0.5 + Math.random() / 2);
    this.#tries += 1;
    this.#pause = setTimeout(() => {
      this.#pause = undefined;
      this.#connect();
    }, pauseMs);
  }

  #read(message: ServerMessage): void {
    this.#heard();
    if (message.type === 'authenticated') {
      this.#authenticated = true;
      this.#tries = 0;
      this.#silenceMs = MISSED_BEATS * message.heartbeat_seconds * 1000;
      for (const follower of this.#followers.values()) follower.begin();
    } else if (message.type === 'heartbeat') {
      const { cursor, subscriptions } = message;
      if (cursor !== undefined) for (const name of subscriptions) this.#followers.get(name)?.movedTo(cursor);
    } else if (message.type === 'revoked') this.#fail('auth:invalid', 'The key has been revoked.');
    else if (message.type === 'error' && message.subscription === undefined) {
      if (message.code.startsWith('auth:')) this.#fail(message.code, message.message);
    } else if (message.subscription !== undefined) this.#followers.get(message.subscription)?.read(message);
  }

  /** What no reconnecting helps against. */
  #fail(code: string, message: string): void {
    for (const follower of [...this.#followers.values()]) follower.fail(new AcervoClientError(message, { code }));
    this.#drop();
  }
}

/** A client that follows changes, for Node 20.19 or newer and browsers. It connects with the first subscription. */
export function createLiveClient(options: LiveOptions): LiveClient {
  return new Client(options);
}
