import { mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import type { PassFaultPoint } from '../../fault-points.js';
import type { Part, Parts } from '../parts.js';
import { fileName, list, MANIFEST, makeDirectory, PARTS, remove, syncDirectory } from './directory.js';
import { settleFile, writeFile } from './files.js';
import { BYTE_ORDER, encodeManifest, FORMAT_VERSION, type Manifest, PART_TYPES, type PartType } from './manifest.js';

/** What is to be read back as it is. */
export interface Snapshot extends Pick<Manifest, 'identity' | 'cursor' | 'anchor' | 'counts'> {
  /** The parts of each structure, by its name. They must not change before this returns. */
  parts: Record<string, Parts>;
  /** Files that somebody else writes; `write` makes the file `path` and nothing beside it. */
  files?: { name: string; write(path: string): void }[];
  passFaultPoint?: PassFaultPoint;
}

/**
 * Writes a snapshot that takes the place of the one in `dir`. It appears under its name when all of it is on disk, and
 * only then the older one goes: whatever breaks this off leaves one of the two, whole. Both need room for that time. Blocks
 * the thread. One process at a time writes to `dir`.
 * @throws Error of the system (`code` ENOSPC, EACCES, EROFS …): the older one is still there, or this one is already
 */
export function writeSnapshot(dir: string, snapshot: Snapshot): void {
  makeDirectory(dir);
  const { snapshots, unfinished, next } = list(dir);
  unfinished.forEach(remove);
  const writing = join(dir, `writing-${next}`);
  mkdirSync(writing, { mode: 0o700 });
  try {
    fill(writing, snapshot);
    snapshot.passFaultPoint?.('warm-index:snapshot_written');
    renameSync(writing, join(dir, `snapshot-${next}`));
  } catch (error) {
    discard(writing);
    throw error;
  }
  syncDirectory(dir);
  snapshot.passFaultPoint?.('warm-index:snapshot_renamed');
  snapshots.forEach(remove);
}

/** The next reader or writer removes what is left after a second fault; the first one is the one to tell. */
function discard(writing: string): void {
  try {
    remove(writing);
  } catch {}
}

function fill(directory: string, { identity, cursor, anchor, counts, parts, files = [] }: Snapshot): void {
  const structures = Object.entries(parts).map(([name, some]) => ({ name, parts: Object.entries(some) }));
  const arrays = structures.flatMap((structure) => structure.parts.map(([, part]) => bytesOf(part)));
  const written = [{ name: PARTS, ...writeFile(join(directory, PARTS), arrays) }];
  for (const { name, write } of files) {
    const file = fileName(name);
    if (written.some((other) => other.name === file)) throw new Error(`two files of a snapshot are named ${name}`);
    write(join(directory, file));
    written.push({ name: file, ...settleFile(join(directory, file)) });
  }
  const manifest: Manifest = {
    format_version: FORMAT_VERSION,
    byte_order: BYTE_ORDER,
    identity,
    cursor,
    anchor,
    counts,
    structures: structures.map(({ name, parts: some }) => ({
      name,
      parts: some.map(([part, array]) => ({ name: part, type: typeOf(array), length: array.length })),
    })),
    files: written,
  };
  writeFile(join(directory, MANIFEST), [encodeManifest(manifest)]);
  syncDirectory(directory);
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Part) => new Uint8Array(buffer, byteOffset, byteLength);

function typeOf(part: Part): PartType {
  const types = Object.keys(PART_TYPES) as PartType[];
  const type = types.find((name) => part instanceof PART_TYPES[name]);
  if (type === undefined) throw new Error('a part is no array of numbers');
  return type;
}
