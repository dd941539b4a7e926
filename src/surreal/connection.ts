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

/** One connection to an engine; databases are sessions over it. */
export interface Connection {
  kind: 'embedded' | 'server';
  /** For instance `3.3.5`. */
  version: string;
  /** False while the socket is away; the SDK reconnects by itself, for ever. */
  isUp(): boolean;
  openSession(namespace: string, database: string): Promise<SurrealSession>;
  close(): Promise<void>;
}

/** The directory cannot be opened; the message says what to do. */
export class DataDirectoryError extends Error {}

/** `ws://host:8000` → `ws://host:8000/rpc`, as the protocol wants it. */
function endpoint(url: string): string {
  if (!/^wss?:/.test(url)) return url;
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

/**
 * Opens the engine in this process or connects to a server.
 * @throws DataDirectoryError when the directory is in use or from a newer engine
 */
export async function connect(settings: ConnectionSettings): Promise<Connection> {
  const kind = /^wss?:/.test(settings.url) ? 'server' : 'embedded';
  const client = new Surreal(
    kind === 'server'
      ? { engines: createRemoteEngines(), websocketImpl: WebSocket as unknown as typeof globalThis.WebSocket }
      : { engines: createNodeEngines() },
  );
  const { username, password } = settings;
  let timer: NodeJS.Timeout | undefined;
  const timedOut = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(noAnswer(kind, settings)), settings.timeoutMs);
  });
  try {
    await Promise.race([
      client.connect(endpoint(settings.url), {
        ...(kind === 'server' && username !== undefined && password !== undefined
          ? { authentication: { username, password } }
          : {}),
        reconnect: { enabled: true, attempts: -1, retryDelay: 100, retryDelayMax: 2_000 },
      }),
      timedOut,
    ]);
    const { version } = await Promise.race([client.version(), timedOut]);
    return {
      kind,
      version: version.replace(/^surrealdb-/, ''),
      isUp: () => client.status === 'connected',
      openSession: async (namespace, database) => {
        const session = await client.forkSession();
        await session.use({ namespace, database });
        return session;
      },
      close: async () => {
        await client.close();
      },
    };
  } catch (error) {
    // Closing an embedded engine that never opened would hang as well.
    if (kind === 'server') await client.close().catch(() => undefined);
    throw explained(error, settings.url);
  } finally {
    clearTimeout(timer);
  }
}
