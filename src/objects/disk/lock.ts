import { randomUUID } from 'node:crypto';
import { type FileHandle, open, rename, unlink } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { codeOf, ifThere } from './files.js';

/** sockaddr_un holds 108 bytes on Linux, 104 on macOS. */
const MAX_SOCKET_PATH_BYTES = 100;
const ATTEMPTS = 3;

function listen(path: string): Promise<Server> {
  const server = createServer((socket) => socket.destroy());
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => resolve(server.unref()));
  });
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('error', () => resolve(false));
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
  });
}

/** Removes a socket that nobody listens on. False when somebody does, be it since a moment ago. */
async function removeStale(path: string): Promise<boolean> {
  if (await answers(path)) return false;
  const aside = `${path}.${randomUUID().slice(0, 8)}`;
  await ifThere(rename(path, aside));
  // Between the question and the rename another process may have taken the lock: then it gets its name back.
  if (await answers(aside)) {
    await rename(aside, path);
    return false;
  }
  await ifThere(unlink(aside));
  return true;
}

/** Another process holds the directory. */
export class DirectoryInUseError extends Error {}

/**
 * Holds a directory for this process alone: a Unix socket that the holder listens on. The kernel knows whether somebody
 * listens, also after kill -9, with process ids used again, and between containers that share the directory; a file with
 * a process id knows none of that.
 * @returns what lets go of it
 * @throws DirectoryInUseError
 */
export async function lockDirectory(directory: string): Promise<() => Promise<void>> {
  let handle: FileHandle | undefined;
  let path = join(directory, 'lock');
  if (Buffer.byteLength(path) > MAX_SOCKET_PATH_BYTES) {
    handle = await open(directory, 'r');
    path = `/proc/self/fd/${handle.fd}/lock`;
  }
  try {
    const server = await take(path, directory);
    return async () => {
      await new Promise((resolve) => server.close(resolve));
      await handle?.close();
    };
  } catch (error) {
    await handle?.close();
    throw error;
  }
}

async function take(path: string, directory: string): Promise<Server> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    try {
      return await listen(path);
    } catch (error) {
      if (codeOf(error) !== 'EADDRINUSE') throw error;
    }
    if (!(await removeStale(path))) break;
  }
  throw new DirectoryInUseError(`${directory} is in use by another process.`);
}
