import { mkdir, open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { AcervoError } from '../../errors/error.js';

/** The `code` of a system error such as ENOENT. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined;
}

/** What `work` gives, or undefined when the file it asks for is not there. */
export async function ifThere<Result>(work: Promise<Result>): Promise<Result | undefined> {
  try {
    return await work;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

const DISK_TROUBLE = new Set(['ENOSPC', 'EDQUOT', 'EROFS', 'EIO', 'EMFILE', 'ENFILE']);

/** Runs what writes. @throws AcervoError `objects:unavailable` when the disk is full, read-only or broken */
export async function onDisk<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    throw DISK_TROUBLE.has(codeOf(error) ?? '') ? new AcervoError('objects:unavailable', { cause: error }) : error;
  }
}

/** Makes names in a directory survive a power cut: fsync of a file does not cover its name. */
export async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Makes a directory and all above it, and their names durable. */
export async function makeDirectory(path: string): Promise<void> {
  const highest = await mkdir(path, { recursive: true, mode: 0o700 });
  if (highest === undefined) return;
  for (let made = path; made.length >= highest.length; made = dirname(made)) await syncDirectory(dirname(made));
}

/** A new file with this text, on disk when this returns. */
export async function writeNew(path: string, text: string): Promise<void> {
  const handle = await open(path, 'wx', 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await syncDirectory(dirname(path));
}

/** Renames, making the directory; on disk when this returns. Another may be removing that directory as empty just now. */
export async function move(from: string, to: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await makeDirectory(dirname(to));
      await rename(from, to);
      return await syncDirectory(dirname(to));
    } catch (error) {
      if (codeOf(error) !== 'ENOENT' || attempt === 5) throw error;
    }
  }
}
