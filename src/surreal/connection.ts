import { isServer, Link, type LinkSettings, LinkTimeoutError, type Session } from './link.js';

/** Sessions of one database; on the embedded engine both are the same. */
export interface Sessions {
  reads: Session;
  writes: Session;
}

/**
 * An engine, and the links to it. What is read from a server has a link of its own: behind a transaction of a hundred
 * documents an answer waits for up to .2 s (searches while 200 documents/s arrive, p95: 106 ms on one connection, 36 ms on
 * two; measured on 3.3.5).
 */
export interface Connection {
  kind: 'embedded' | 'server';
  /** For instance `3.3.5`. */
  version: string;
  openSessions(namespace: string, database: string): Promise<Sessions>;
  close(): Promise<void>;
}

/** The directory cannot be opened; the message says what to do. */
export class DataDirectoryError extends Error {}

/** A directory that another process has open never opens and never fails (surrealdb.js#592): time must tell. */
function noAnswer({ url, timeoutMs }: LinkSettings): Error {
  const waited = `${url} did not open within ${timeoutMs / 1000} s`;
  return isServer(url)
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
export async function connect(settings: LinkSettings): Promise<Connection> {
  const kind = isServer(settings.url) ? 'server' : 'embedded';
  const links: Link[] = [];
  const close = async () => {
    await Promise.all(links.map((link) => link.close()));
  };
  const open = async () => {
    const link = await Link.open(settings);
    links.push(link);
    return link;
  };
  try {
    const writes = await open();
    const reads = kind === 'server' ? await open() : writes;
    return {
      kind,
      version: writes.version.replace(/^surrealdb-/, ''),
      openSessions: async (namespace, database) => {
        const own = await writes.session(namespace, database);
        return { writes: own, reads: reads === writes ? own : await reads.session(namespace, database) };
      },
      close,
    };
  } catch (error) {
    await close().catch(() => undefined);
    throw error instanceof LinkTimeoutError ? noAnswer(settings) : explained(error, settings.url);
  }
}
