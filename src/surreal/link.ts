import { setTimeout as sleep } from 'node:timers/promises';
import { createNodeEngines } from '@surrealdb/node';
import { createRemoteEngines, Surreal, type SurrealSession } from 'surrealdb';
import WebSocket from 'ws';

export interface LinkSettings {
  /** `rocksdb:///dir` or `ws://host:port`. */
  url: string;
  username?: string | undefined;
  password?: string | undefined;
  /** How long opening it may take, in milliseconds. */
  timeoutMs: number;
}

/** It was not open within its time. */
export class LinkTimeoutError extends Error {}

const REVIVAL_PAUSE_MS = 500;
/** How long a server may take to answer what costs it nothing. */
const SILENCE_MS = 5_000;

export function isServer(url: string): boolean {
  return /^wss?:/.test(url);
}

/** `ws://host:8000` → `ws://host:8000/rpc`, as the protocol wants it. */
function endpoint(url: string): string {
  if (!isServer(url)) return url;
  const parsed = new URL(url);
  if (parsed.pathname === '' || parsed.pathname === '/') parsed.pathname = '/rpc';
  return parsed.toString();
}

function clientOf(url: string): Surreal {
  return new Surreal(
    isServer(url)
      ? { engines: createRemoteEngines(), websocketImpl: WebSocket as unknown as typeof globalThis.WebSocket }
      : { engines: createNodeEngines() },
  );
}

async function signIn(client: Surreal, { url, username, password }: LinkSettings): Promise<void> {
  const isSignedIn = username !== undefined && password !== undefined && isServer(url);
  await client.connect(endpoint(url), {
    ...(isSignedIn ? { authentication: { username, password } } : {}),
    reconnect: { enabled: true, attempts: -1, retryDelay: 100, retryDelayMax: 2_000 },
  });
}

/** A session of one database. It outlives the connection that it began on. */
export class Session {
  #open: SurrealSession | undefined;

  constructor(
    private readonly link: Link,
    private readonly target: { namespace: string; database: string },
  ) {}

  /** False while the socket is away. */
  get isUp(): boolean {
    return this.link.isUp;
  }

  /** Begins on a connection; what is sent from now on goes there. */
  async beginOn(client: Surreal): Promise<void> {
    const session = await client.forkSession();
    await session.use(this.target);
    this.#open = session;
  }

  /** To be called when an answer is overdue. */
  doubt(): void {
    void this.link.doubt();
  }

  /** @param listener called when what was asked before will not be answered any more. @returns what takes it away again */
  onLost(listener: () => void): () => void {
    return this.link.onLost(listener);
  }

  query<Results extends unknown[]>(text: string, params?: Record<string, unknown>) {
    if (this.#open === undefined) throw new Error('the session has not begun');
    return this.#open.query<Results>(text, params);
  }
}

/**
 * One connection to an engine, and the sessions over it. The SDK (2.0.8) connects again by itself when a socket breaks. A new
 * client takes the place of the old one where that is not enough: when a socket breaks while sessions are being attached
 * again, the SDK attaches them twice, is refused, and closes for ever; and it does not see that the other end is gone when
 * nothing tells it so (a firewall that forgot the connection, a host that lost its power).
 */
export class Link {
  #client: Surreal;
  #version = '';
  #sessions: Session[] = [];
  #closed = false;
  #isReviving = false;
  #isDoubting = false;
  #losers = new Set<() => void>();

  private constructor(
    private readonly settings: LinkSettings,
    client: Surreal,
  ) {
    this.#client = client;
  }

  /** @throws LinkTimeoutError; what the SDK throws when the engine refuses */
  static async open(settings: LinkSettings): Promise<Link> {
    const link = new Link(settings, clientOf(settings.url));
    await link.#connect(link.#client);
    return link;
  }

  /** False while the socket is away. */
  get isUp(): boolean {
    return this.#client.status === 'connected' && !this.#isReviving;
  }

  /** Of the engine that it was opened to, for instance `surrealdb-3.3.5`. */
  get version(): string {
    return this.#version;
  }

  async session(namespace: string, database: string): Promise<Session> {
    const session = new Session(this, { namespace, database });
    await session.beginOn(this.#client);
    this.#sessions.push(session);
    return session;
  }

  onLost(listener: () => void): () => void {
    this.#losers.add(listener);
    return () => this.#losers.delete(listener);
  }

  /** Takes another connection unless the server answers soon. */
  async doubt(): Promise<void> {
    if (this.#isDoubting || !this.isUp || !isServer(this.settings.url)) return;
    this.#isDoubting = true;
    const client = this.#client;
    const answer = client.version().then(
      () => true,
      () => true,
    );
    const isThere = await Promise.race([answer, sleep(SILENCE_MS, false, { ref: false })]);
    this.#isDoubting = false;
    if (!isThere) await this.#replace(client);
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#client.close();
  }

  /** Connects and begins all sessions, or leaves nothing behind. */
  async #connect(client: Surreal): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new LinkTimeoutError()), this.settings.timeoutMs);
    });
    const connected = signIn(client, this.settings).then(async () => {
      this.#version = (await client.version()).version;
      for (const session of this.#sessions) await session.beginOn(client);
    });
    // Once it is late, nobody waits for it any more; its failure must not end the process.
    connected.catch(() => undefined);
    try {
      await Promise.race([connected, late]);
    } catch (error) {
      // Closing an embedded engine that never opened would hang as well.
      if (isServer(this.settings.url)) await client.close().catch(() => undefined);
      throw error;
    } finally {
      clearTimeout(timer);
    }
    client.subscribe('disconnected', () => void this.#replace(client));
    if (client.status === 'disconnected') throw new Error('the connection has ended already');
  }

  /** Goes on trying until there is a connection in the place of this one, or it is closed. */
  async #replace(old: Surreal): Promise<void> {
    if (this.#closed || this.#isReviving || old !== this.#client) return;
    this.#isReviving = true;
    for (const lose of this.#losers) lose();
    // Where nobody answers this takes half a minute.
    old.close().catch(() => undefined);
    do {
      const client = clientOf(this.settings.url);
      try {
        await this.#connect(client);
        this.#client = client;
      } catch {
        await sleep(REVIVAL_PAUSE_MS, undefined, { ref: false });
      }
    } while (!this.#closed && (this.#client === old || this.#client.status === 'disconnected'));
    this.#isReviving = false;
    // It was closed while the new one was being made.
    if (this.#closed) await this.#client.close();
  }
}
