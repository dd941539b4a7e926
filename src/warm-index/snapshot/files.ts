import { createHash } from 'node:crypto';
import { closeSync, fstatSync, fsyncSync, lstatSync, openSync, readSync, writeSync } from 'node:fs';
import { type FileFacts, Refusal } from './manifest.js';

/** Hashed right after it was read or before it is written, while it is in the processor's cache. */
const CHUNK_BYTES = 2 ** 20;

function withFile<Result>(path: string, flags: string, work: (fd: number) => Result): Result {
  const fd = openSync(path, flags, 0o600);
  try {
    return work(fd);
  } finally {
    closeSync(fd);
  }
}

function* chunksOf(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES) yield bytes.subarray(at, at + CHUNK_BYTES);
}

/** The same memory again and again, as often as a file of that size needs it. */
function* scratchFor(size_bytes: number): Generator<Uint8Array> {
  const scratch = new Uint8Array(Math.min(size_bytes, CHUNK_BYTES));
  for (let at = 0; at < size_bytes; at += CHUNK_BYTES) yield scratch.subarray(0, size_bytes - at);
}

/** Makes a new file of pieces, one behind the other; on disk when this returns. @throws Error of the system */
export function writeFile(path: string, pieces: Iterable<Uint8Array>): Omit<FileFacts, 'name'> {
  return withFile(path, 'wx', (fd) => {
    const hash = createHash('sha256');
    let size_bytes = 0;
    for (const piece of pieces)
      for (const chunk of chunksOf(piece)) {
        hash.update(chunk);
        // A disk that is nearly full takes a part of it; the rest then fails.
        for (let at = 0; at < chunk.length; ) at += writeSync(fd, chunk, at);
        size_bytes += chunk.length;
      }
    fsyncSync(fd);
    return { size_bytes, sha256: hash.digest('hex') };
  });
}

/** Brings a file that somebody else wrote to the disk, and says what it holds. @throws Error of the system */
export function settleFile(path: string): Omit<FileFacts, 'name'> {
  return withFile(path, 'r+', (fd) => {
    fsyncSync(fd);
    const size_bytes = fstatSync(fd).size;
    return { size_bytes, sha256: digestOf(fd, scratchFor(size_bytes)) };
  });
}

/**
 * Reads a file into `targets`, one behind the other, or only through it, and compares it with what is known of it.
 * @throws Refusal when it is not there, or is another
 * @throws Error of the system
 */
export function readFile(
  path: string,
  { name, size_bytes, sha256 }: FileFacts,
  targets: Iterable<Uint8Array> = scratchFor(size_bytes),
): void {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined || !found.isFile()) throw new Refusal(`its ${name} is missing`);
  if (found.size !== size_bytes) throw new Refusal(`its ${name} has ${found.size} bytes, not ${size_bytes}`);
  if (withFile(path, 'r', (fd) => digestOf(fd, targets)) !== sha256) throw new Refusal(`its ${name} is damaged`);
}

function digestOf(fd: number, targets: Iterable<Uint8Array>): string {
  const hash = createHash('sha256');
  for (const target of targets)
    for (const chunk of chunksOf(target)) {
      for (let at = 0; at < chunk.length; ) {
        const read = readSync(fd, chunk, at, chunk.length - at, null);
        if (read === 0) throw new Refusal('one of its files ends early');
        at += read;
      }
      hash.update(chunk);
    }
  return hash.digest('hex');
}
