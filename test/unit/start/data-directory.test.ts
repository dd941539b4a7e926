import { mkdtempSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { DataDirectoryError } from '../../../src/surreal/connection.js';
import { embeddedPath, prepareDirectory } from '../../../src/surreal/data-directory.js';

const fresh = () => join(mkdtempSync(join(tmpdir(), 'acervo-dir-')), 'a', 'data');
const markerOf = (directory: string) => JSON.parse(readFileSync(join(directory, 'engine.json'), 'utf8'));

test('is made for its owner alone, and marked only when the engine has opened it', () => {
  const directory = fresh();
  const { mark } = prepareDirectory(join(directory, 'db'), '3.0.2');
  expect(statSync(directory).mode & 0o777).toBe(0o700);
  expect(readdirSync(directory)).toEqual([]);
  mark();
  expect(markerOf(directory)).toEqual({ engine: 'surrealdb', version: '3.0.2' });
  expect(readdirSync(directory)).toEqual(['engine.json']);
});

test.each([
  ['3.0.2', '3.0.2', true],
  ['3.0.2', '3.0.10', true],
  ['3.0.10', '3.0.2', false],
  ['3.10.0', '3.9.9', false],
  ['4.0.0', '3.9.9', false],
])('written by %s: may %s open it? %s', (before, now, opens) => {
  const directory = fresh();
  const path = join(directory, 'db');
  prepareDirectory(path, before).mark();
  if (opens) {
    prepareDirectory(path, now).mark();
    expect(markerOf(directory).version).toBe(now);
    expect(() => prepareDirectory(path, now)).not.toThrow();
  } else {
    expect(() => prepareDirectory(path, now)).toThrow(DataDirectoryError);
    expect(() => prepareDirectory(path, now)).toThrow(/was written by a newer engine/);
    expect(markerOf(directory).version).toBe(before);
  }
});

test.each(['', '{"version":', '{"version":7}', 'null'])('a damaged marker is written anew: %j', (text) => {
  const directory = fresh();
  const path = join(directory, 'db');
  prepareDirectory(path, '3.0.2').mark();
  writeFileSync(join(directory, 'engine.json'), text);
  prepareDirectory(path, '3.0.2').mark();
  expect(markerOf(directory).version).toBe('3.0.2');
});

test('what cannot be a directory is said so', () => {
  const file = join(mkdtempSync(join(tmpdir(), 'acervo-dir-')), 'file');
  writeFileSync(file, '');
  expect(() => prepareDirectory(join(file, 'data', 'db'), '3.0.2')).toThrow(DataDirectoryError);
});

test('the path of a URL', () => {
  expect(embeddedPath('rocksdb:///srv/a b/db?sync=every')).toBe('/srv/a b/db');
  expect(embeddedPath('rocksdb://data/db')).toBe(join(process.cwd(), 'data/db'));
  expect(embeddedPath('ws://127.0.0.1:8000')).toBeUndefined();
});
