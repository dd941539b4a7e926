import {
  closeSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmdirSync,
  rmSync,
  unlinkSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';

export const MANIFEST = 'manifest.json';
export const PARTS = 'parts.bin';

const OUR_DIRECTORY = /^(snapshot|writing)-(\d{1,15})$/;
const OUR_FILE = /^(manifest\.json|parts\.bin|[a-z0-9-]{1,64}\.file)$/;

/** The file name of a caller's file. @throws Error for a name that is not of `a-z`, digits and `-` */
export function fileName(name: string): string {
  const file = `${name}.file`;
  if (!OUR_FILE.test(file)) throw new Error(`${name} is no name for a file of a snapshot`);
  return file;
}

/** What is in the directory of a snapshot: paths. */
export interface Listed {
  /** Newest first. */
  snapshots: string[];
  /** What a process left behind that was killed while it wrote or removed one. */
  unfinished: string[];
  /** Higher than the number of anything there. */
  next: number;
}

/** Looks at names of our making. Links and files that bear such a name are not ours; only their number is not used again. */
export function list(dir: string): Listed {
  const found = readdirSync(dir, { withFileTypes: true }).flatMap((entry) => {
    const [, kind, digits] = OUR_DIRECTORY.exec(entry.name) ?? [];
    if (digits === undefined) return [];
    return [{ path: join(dir, entry.name), kind, number: Number(digits), ours: entry.isDirectory() }];
  });
  const ours = found.filter((one) => one.ours).sort((a, b) => b.number - a.number);
  const isWhole = ({ path, kind }: (typeof ours)[number]) =>
    kind === 'snapshot' && lstatSync(join(path, MANIFEST), { throwIfNoEntry: false })?.isFile() === true;
  return {
    snapshots: ours.filter(isWhole).map(({ path }) => path),
    unfinished: ours.filter((one) => !isWhole(one)).map(({ path }) => path),
    next: Math.max(0, ...found.map(({ number }) => number)) + 1,
  };
}

/**
 * Removes our files from one of our directories, the manifest first, and the directory, unless a stranger put something
 * there. @throws Error of the system
 */
export function remove(path: string): void {
  const files = readdirSync(path, { withFileTypes: true }).filter(
    (entry) => entry.isFile() && OUR_FILE.test(entry.name),
  );
  const names = files.map(({ name }) => name);
  for (const name of names.sort((a, b) => Number(b === MANIFEST) - Number(a === MANIFEST)))
    unlinkSync(join(path, name));
  try {
    rmdirSync(path);
  } catch (error) {
    if (codeOf(error) !== 'ENOTEMPTY') throw error;
  }
}

/** Files of a running process, which no other has a use for. */
export const workingDirectory = (dir: string): string => join(dir, 'working');

/** Removes what a process may have left in `workingDirectory`. @throws Error of the system */
export function removeWorking(dir: string): void {
  rmSync(workingDirectory(dir), { recursive: true, force: true });
}

/** Makes names in a directory survive a power cut: fsync of a file does not cover its name. */
export function syncDirectory(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Makes a directory and all above it, and their names durable. */
export function makeDirectory(path: string): void {
  const highest = mkdirSync(path, { recursive: true, mode: 0o700 });
  if (highest === undefined) return;
  for (let made = resolve(path); made.length >= highest.length; made = dirname(made)) syncDirectory(dirname(made));
}

/** The `code` of a system error such as ENOENT. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined;
}
