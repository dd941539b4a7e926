import { createHash } from 'node:crypto';
import { readdir, readFile, rm, rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { v7 as uuidv7 } from 'uuid';
import type { ObjectLockState, ObjectName } from '../port.js';
import { codeOf, ifThere, makeDirectory, move, syncDirectory, writeNew } from './files.js';

/** Bytes of a key in one file name; they take two hexadecimal digits each. */
const PIECE_BYTES = 100;
const ENDING = '.json';

export interface Version {
  version_id: string;
  size_bytes: number;
  etag: string;
  content_type: string;
  modified_at: string;
  /** A delete marker. */
  deleted?: true;
  /** None: in a bucket without object lock, and for a marker. */
  lock?: ObjectLockState;
}

/** All that is known of one key: one file. Versions stand oldest first; the last one is the current one. */
export interface Entry extends ObjectName {
  versions: Version[];
}

const hexOf = (text: string) => Buffer.from(text).toString('hex');

/**
 * A key as folder names and a file name: hexadecimal, so that no key can leave its root and file systems that fold case
 * or normalise keep keys apart; cut behind each slash and every 100 bytes. Sorted, the names are in order of the keys.
 */
function piecesOf(key: string): string[] {
  return key.split(/(?<=\/)/).flatMap((part) => hexOf(part).match(new RegExp(`.{1,${2 * PIECE_BYTES}}`, 'g')) ?? []);
}

/**
 * The one record of what is in the store:
 * `entries/<bucket>/<key in pieces>.json` says which versions there are, `bytes/<digest>` holds the bytes of one, and
 * `staged/` what is not committed. Bytes come first; the rename of the entry is the commit.
 */
export class Catalog {
  readonly staged: string;

  constructor(private readonly root: string) {
    this.staged = join(root, 'staged');
  }

  /** Makes the directories and removes what a process left behind that was killed. */
  async open(): Promise<void> {
    await makeDirectory(this.staged);
    const names = await readdir(this.staged);
    for (const name of names.filter((left) => left.endsWith(ENDING))) await this.settle(join(this.staged, name));
    for (const name of names) await rm(join(this.staged, name), { recursive: true, force: true });
  }

  /** Where the bytes of a version lie. */
  bytesPath({ bucket, key }: ObjectName, version_id: string): string {
    const digest = createHash('sha256')
      .update(JSON.stringify([bucket, key, version_id]))
      .digest('hex');
    return join(this.root, 'bytes', digest.slice(0, 2), digest);
  }

  async read({ bucket, key }: ObjectName): Promise<Entry> {
    const text = await ifThere(readFile(this.entryPath({ bucket, key }), 'utf8'));
    return text === undefined ? { bucket, key, versions: [] } : (JSON.parse(text) as Entry);
  }

  /** Commits `entry`, after moving the bytes of its newest version in from `bytes`. */
  async commit(entry: Entry, bytes?: string): Promise<void> {
    const path = this.entryPath(entry);
    const next = await this.note(entry);
    try {
      const newest = entry.versions.at(-1);
      if (bytes !== undefined && newest !== undefined) await move(bytes, this.bytesPath(entry, newest.version_id));
      await move(next, path);
    } finally {
      await this.settle(next);
    }
  }

  /** Takes versions out of an entry, and their bytes away. @returns what is left */
  async remove(entry: Entry, doomed: readonly Version[]): Promise<Entry> {
    const ids = new Set(doomed.map(({ version_id }) => version_id));
    const note = await this.note({ ...entry, versions: [...doomed] });
    const left = { ...entry, versions: entry.versions.filter(({ version_id }) => !ids.has(version_id)) };
    if (left.versions.length > 0) await this.commit(left);
    else await this.forget(entry);
    await this.settle(note);
    return left;
  }

  /** Keys in the order of their UTF-8 bytes, behind `after`. Holds the names of one folder at each level at a time. */
  async *keys(bucket: string, prefix: string, after: string): AsyncGenerator<string> {
    const walk = { prefix: hexOf(prefix), after: hexOf(after) };
    for await (const hex of keysUnder(join(this.root, 'entries', bucket), '', walk))
      yield Buffer.from(hex, 'hex').toString();
  }

  /** Writes down, durably, which bytes are about to come or go, so that `settle` can tell after a crash. */
  private async note(entry: Entry): Promise<string> {
    const path = join(this.staged, `${uuidv7()}${ENDING}`);
    await writeNew(path, JSON.stringify(entry));
    return path;
  }

  /** Removes the bytes of versions that a note names and the committed entry does not, then the note. */
  private async settle(note: string): Promise<void> {
    const text = await ifThere(readFile(note, 'utf8'));
    if (text === undefined) return;
    const noted = parsed(text);
    // A note that was cut short was not yet durable: so nothing was moved on its account.
    if (noted !== undefined) {
      const there = new Set((await this.read(noted)).versions.map(({ version_id }) => version_id));
      for (const { version_id } of noted.versions)
        if (!there.has(version_id)) await rm(this.bytesPath(noted, version_id), { force: true });
    }
    await rm(note, { force: true });
  }

  private async forget(entry: Entry): Promise<void> {
    const path = this.entryPath(entry);
    await rm(path, { force: true });
    await syncDirectory(dirname(path));
    const top = join(this.root, 'entries', entry.bucket);
    for (let folder = dirname(path); folder.length > top.length; folder = dirname(folder)) {
      const emptied = await rmdir(folder).then(
        () => true,
        () => false,
      );
      if (!emptied) break;
    }
  }

  private entryPath({ bucket, key }: ObjectName): string {
    return join(this.root, 'entries', bucket, `${join(...piecesOf(key))}${ENDING}`);
  }
}

function parsed(text: string): Entry | undefined {
  try {
    return JSON.parse(text) as Entry;
  } catch {
    return undefined;
  }
}

/** Entries of a folder in key order. A file sorts before the folder of the same piece: its key is the shorter one. */
async function sortedEntries(folder: string): Promise<{ piece: string; isKey: boolean }[]> {
  const names = await readdir(folder).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return [];
    throw error;
  });
  // Sorted as plain text, which is many times quicker: `.` comes before all digits, and `.json` before `.~`.
  return names
    .map((name) => (name.endsWith(ENDING) ? name : `${name}.~`))
    .sort()
    .map((name) => ({ piece: name.slice(0, name.indexOf('.')), isKey: name.endsWith(ENDING) }));
}

async function* keysUnder(
  folder: string,
  above: string,
  walk: { prefix: string; after: string },
): AsyncGenerator<string> {
  for (const { piece, isKey } of await sortedEntries(folder)) {
    const hex = above + piece;
    if (isKey) {
      if (hex.startsWith(walk.prefix) && hex > walk.after) yield hex;
    } else {
      const mayMatch = hex.startsWith(walk.prefix) || walk.prefix.startsWith(hex);
      const mayFollow = hex > walk.after || walk.after.startsWith(hex);
      if (mayMatch && mayFollow) yield* keysUnder(join(folder, piece), hex, walk);
    }
  }
}
