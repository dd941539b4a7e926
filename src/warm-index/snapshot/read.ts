import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Parts } from '../parts.js';
import { codeOf, fileName, list, MANIFEST, PARTS, remove } from './directory.js';
import { readFile } from './files.js';
import { checkIdentity, decodeManifest, type Manifest, PART_TYPES, Refusal } from './manifest.js';

/** A snapshot that was read back whole. */
export interface OpenSnapshot {
  manifest: Manifest;
  /** As they were given, by structure; each array has memory of its own, which may be taken over. */
  parts: Record<string, Parts>;
  /** Where the file of that name lies until the next snapshot is written; undefined when the snapshot has none. */
  filePath(name: string): string | undefined;
}

interface Refused {
  /** For the log. */
  refused: string;
}

/**
 * Reads the snapshot in `dir`, when it is to the byte what was written and was made for `identity`. What it cannot be
 * (damaged, of another format, made for something else) is refused and removed; what the system does not let us read is
 * refused and stays. Removes leftovers too. Throws nothing: a replica can always be built from the database.
 * @returns undefined when there is none
 */
export function readSnapshot(dir: string, identity: Record<string, string>): OpenSnapshot | Refused | undefined {
  try {
    const { snapshots, unfinished } = list(dir);
    unfinished.forEach(removed);
    let newest: Refused | undefined;
    // There are two when a process was killed between the appearance of one and the removal of the other.
    for (const [index, path] of snapshots.entries()) {
      const found = openOrRefuse(path, identity);
      if ('refused' in found) {
        newest ??= found;
        continue;
      }
      snapshots.slice(index + 1).forEach(removed);
      return found;
    }
    return newest;
  } catch (error) {
    return codeOf(error) === 'ENOENT' ? undefined : { refused: reasonOf(error) };
  }
}

function openOrRefuse(path: string, identity: Record<string, string>): OpenSnapshot | Refused {
  try {
    return open(path, identity);
  } catch (error) {
    const gone = !(error instanceof Refusal) || removed(path);
    return { refused: gone ? reasonOf(error) : `${reasonOf(error)}, and it could not be removed` };
  }
}

/** False when the system does not allow it: that must not keep a node from its start. */
function removed(path: string): boolean {
  try {
    remove(path);
    return true;
  } catch {
    return false;
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof Refusal) return error.message;
  const code = codeOf(error);
  // RangeError: there is no memory for an array.
  if (error instanceof RangeError || code !== undefined) return `it could not be read: ${code ?? String(error)}`;
  throw error;
}

function open(path: string, identity: Record<string, string>): OpenSnapshot {
  const manifest = decodeManifest(readFileSync(join(path, MANIFEST)));
  checkIdentity(manifest.identity, identity);
  const parts = readParts(path, manifest);
  for (const facts of manifest.files) if (facts.name !== PARTS) readFile(join(path, facts.name), facts);
  const names = new Set(manifest.files.map(({ name }) => name));
  const filePath = (name: string) => (names.has(fileName(name)) ? join(path, fileName(name)) : undefined);
  return { manifest, parts, filePath };
}

/** Straight into arrays of the right type: nothing is copied, and none holds the memory of another. */
function readParts(path: string, { structures, files }: Manifest): Record<string, Parts> {
  const sizes = structures.flatMap(({ parts }) =>
    parts.map(({ type, length }) => length * PART_TYPES[type].BYTES_PER_ELEMENT),
  );
  const facts = files.find(({ name }) => name === PARTS);
  if (facts?.size_bytes !== sizes.reduce((sum, bytes) => sum + bytes, 0))
    throw new Refusal('its manifest contradicts itself');
  const read: Record<string, Parts> = {};
  // Made one by one, once the file is known to be as long as all of them.
  function* arrays() {
    for (const structure of structures) {
      const parts: Parts = {};
      read[structure.name] = parts;
      for (const { name, type, length } of structure.parts) {
        const array = new PART_TYPES[type](length);
        parts[name] = array;
        yield new Uint8Array(array.buffer);
      }
    }
  }
  readFile(join(path, PARTS), facts, arrays());
  return read;
}
