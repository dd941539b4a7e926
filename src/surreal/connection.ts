import { createNodeEngines } from '@surrealdb/node';
import { createRemoteEngines, Surreal, type SurrealSession } from 'surrealdb';
import WebSocket from 'ws';

export interface ConnectionSettings {
  /** `rocksdb:///dir` or `ws://host:port`. */
  url: string;
  username?: string | undefined;
  password?: string | undefined;
  /** How long the first connection may take, in milliseconds. */
  timeoutMs: number;
}

/** Sessions of one database; on the embedded engine both are the same. */
export interface Sessions {
  reads: SurrealSession;
  writes: SurrealSession;
}

/**
 * An engine, and the connections to it. What is read from a server has a connection of its own: behind a transaction of a
 * hundred documents an answer waits for up to .2 s (searches while 200 documents/s arrive, p95: 106 ms on one connection,
 * 36 ms on two; measured on 3.3.5).
 */
export interface Connection {
  kind: 'embedded' | 'server';
  /** For instance `3.3.5`. */
  version: string;
  /** False while a socket is away; the SDK reconnects by itself, for ever. */
  isUp(): boolean;
  openSessions(namespace: string, database: string): Promise<Sessions>;
  close(): Promise<void>;
}

/** The directory cannot be opened; the message says what to do. */
export class DataDirectoryError extends Error {}

function kindOf(url: string): Connection['kind'] {
  return /^wss?:/.test(url) ? 'server' : 'embedded';
}

/** `ws://host:8000` → `ws://host:8000/rpc`, as the protocol wants it. */
function endpoint(url: string): string {
  if (kindOf(url) === 'embedded') return url;
  const parsed = new URL(url);
  if (parsed.pathname === '' || parsed.pathname === '/') parsed.pathname = '/rpc';
  return parsed.toString();
}

/** A directory that another process has open never opens and never fails (surrealdb.js#592): time must tell. */
function noAnswer(kind: Connection['kind'], { url, timeoutMs }: ConnectionSettings): Error {
  const waited = `${url} did not open within ${timeoutMs / 1000} s`;
  return kind === 'server'
    ? new Error(waited)
    : new DataDirectoryError(`${waited}. Another process has it open? Stop it, or choose another ACERVO_DATA_DIR.`);
}

/** An error of the embedded engine in words that say what to do. */
export function explained(error: unknown, url: string): Error {
  const message = error instanceof Error ? error.message : String(error);
  if (/failed to deserialize/i.test(message))
    return new DataDirectoryError(
      `${url} was written by a newer SurrealDB; there is no way back. Start that server and set SURREALDB_URL=ws://…`,
    );
  return error instanceof Error ? error : new Error(message);
}

function clientOf(kind: Connection['kind']): Surreal {
  return new Surreal(
    kind === 'server'
      ? { engines: createRemoteEngines(), websocketImpl: WebSocket as unknown as typeof globalThis.WebSocket }
      : { engines: createNodeEngines() },
  );
}

async function open(client: Surreal, { url, username, password }: ConnectionSettings): Promise<void> {
  const isSignedIn = username !== undefined && password !== undefined && kindOf(url) === 'server';
  await client.connect(endpoint(url), {
    ...(isSignedIn ? { authentication: { username, password } } : {}),
    reconnect: { enabled: true, attempts: -1, retryDelay: 100, retryDelayMax: 2_000 },
  });
}

async function openSession(client: Surreal, namespace: string, database: string): Promise<SurrealSession> {
  const session = await client.forkSession();
  await session.use({ namespace, database });
  return session;
}

/**
 * Opens the engine in this process or connects to a server.
 * @throws DataDirectoryError when the directory is in use or from a newer engine
 */
export async function connect(settings: ConnectionSettings): Promise<Connection> {
  const kind = kindOf(settings.url);
  const writes = clientOf(kind);
  const reads = kind === 'server' ? clientOf(kind) : writes;
  const clients = [...new Set([writes, reads])];
  const close = async () => {
    await Promise.all(clients.map((client) => client.close()));
  };
  let timer: NodeJS.Timeout | undefined;
  const timedOut = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(noAnswer(kind, settings)), settings.timeoutMs);
  });
  try {
    await Promise.race([Promise.all(clients.map((client) => open(client, settings))), timedOut]);
    const { version } = await Promise.race([writes.version(), timedOut]);
    return {
      kind,
      version: version.replace(/^surrealdb-/, ''),
      isUp: () => clients.every(({ status }) => status === 'connected'),
      openSessions: async (namespace, database) => {
        const own = await openSession(writes, namespace, database);
        return { writes: own, reads: reads === writes ? own : await openSession(reads, namespace, database) };
      },
      close,
    };
  } catch (error) {
    // Closing an embedded engine that never opened would hang as well.
    if (kind === 'server') await close().catch(() => undefined);
    throw explained(error, settings.url);
  } finally {
    clearTimeout(timer);
  }
}
