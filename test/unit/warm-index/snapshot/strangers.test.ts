import { cpSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readSnapshot } from '../../../../src/warm-index/snapshot/read.js';
import { writeSnapshot } from '../../../../src/warm-index/snapshot/write.js';
import { expectOneOf, IDENTITY, opened, sample, temporaryDirectory } from './support/snapshots.js';

let directory: ReturnType<typeof temporaryDirectory>;
let dir: string;
beforeEach(() => {
  directory = temporaryDirectory();
  dir = join(directory.path, 'documents');
});
afterEach(() => directory.remove());

/** Every file below a directory with its content; links are followed. */
function contentOf(path: string): Record<string, string> {
  const files = readdirSync(path, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return Object.fromEntries(
    files.map((entry) => join(entry.parentPath, entry.name)).map((file) => [file, readFileSync(file, 'utf8')]),
  );
}

test('a directory that is a link is used where it leads to', () => {
  const disk = join(directory.path, 'large-disk');
  mkdirSync(disk);
  symlinkSync(disk, dir);
  for (const number of [1, 2]) {
    writeSnapshot(dir, sample(number));
    expectOneOf(dir, [number]);
  }
  expect(readdirSync(disk)).toEqual(['snapshot-2']);
});

test('a link that leads nowhere takes nothing and holds nothing', () => {
  symlinkSync(join(directory.path, 'nowhere'), dir);
  expect(readSnapshot(dir, IDENTITY)).toBeUndefined();
  expect(() => writeSnapshot(dir, sample(1))).toThrow(/ENOENT|EEXIST/);
  expect(readdirSync(directory.path)).toEqual(['documents']);
});

test('a file in place of the directory stays', () => {
  writeFileSync(dir, 'a note');
  expect(readSnapshot(dir, IDENTITY)).toEqual({ refused: 'it could not be read: ENOTDIR' });
  expect(() => writeSnapshot(dir, sample(1))).toThrow('EEXIST');
  expect(readFileSync(dir, 'utf8')).toBe('a note');
});

test('files and directories of others stay as they are, also those that are named nearly as ours', () => {
  const names = [
    'notes.txt',
    'snapshot-1.tar',
    'snapshot-x/manifest.json',
    'writing/parts.bin',
    'snapshot-/graph.file',
  ];
  for (const name of names) {
    mkdirSync(join(dir, name, '..'), { recursive: true });
    writeFileSync(join(dir, name), `of somebody else: ${name}`);
  }
  const strangers = contentOf(dir);
  writeSnapshot(dir, sample(1));
  writeSnapshot(dir, sample(2));
  expect(opened(dir)?.manifest.cursor).toBe('cursor 2');
  expect(readSnapshot(dir, { space: 'other' })).toMatchObject({ refused: expect.stringContaining('its space') });
  expect(contentOf(dir)).toEqual(strangers);
});

test('links and files that bear the names of ours are not followed, replaced or removed', () => {
  const elsewhere = join(directory.path, 'elsewhere');
  writeSnapshot(elsewhere, sample(7));
  mkdirSync(dir);
  symlinkSync(join(elsewhere, 'snapshot-1'), join(dir, 'snapshot-5'));
  symlinkSync(join(elsewhere, 'snapshot-1'), join(dir, 'writing-4'));
  writeFileSync(join(dir, 'snapshot-6'), 'a note');
  expect(readSnapshot(dir, IDENTITY)).toBeUndefined();
  writeSnapshot(dir, sample(1));
  writeSnapshot(dir, sample(2));
  expect(opened(dir)?.manifest.cursor).toBe('cursor 2');
  expect(readdirSync(dir).sort()).toEqual(['snapshot-5', 'snapshot-6', 'snapshot-8', 'writing-4']);
  expectOneOf(elsewhere, [7]);
});

test('what others put into a snapshot outlives it, and is no snapshot', () => {
  writeSnapshot(dir, sample(1));
  const path = join(dir, 'snapshot-1');
  writeFileSync(join(path, 'notes.txt'), 'a note');
  mkdirSync(join(path, 'parts'));
  writeFileSync(join(path, 'parts', 'parts.bin'), 'a part');
  const kept = join(directory.path, 'kept');
  cpSync(path, kept, { recursive: true });

  writeSnapshot(dir, sample(2));
  const strangers = { [join(path, 'notes.txt')]: 'a note', [join(path, 'parts', 'parts.bin')]: 'a part' };
  expect(contentOf(path)).toEqual(strangers);
  expect(opened(dir)?.manifest.cursor).toBe('cursor 2');

  rmSync(dir, { recursive: true });
  mkdirSync(dir);
  renameSync(kept, path);
  expect(readSnapshot(dir, { ...IDENTITY, space: 'other' })).toHaveProperty('refused');
  expect(contentOf(path)).toEqual(strangers);
  expect(readSnapshot(dir, IDENTITY)).toBeUndefined();
});
