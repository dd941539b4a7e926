import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readSnapshot } from '../../../../src/warm-index/snapshot/read.js';
import { compileSnapshots, runWithin, runWriter, startWriter } from './support/process.js';
import { expectTidy, temporaryDirectory } from './support/snapshots.js';

let directory: ReturnType<typeof temporaryDirectory>;
let modules: string;
let dir: string;
beforeEach(() => {
  directory = temporaryDirectory();
  modules = compileSnapshots(directory.path);
  dir = join(directory.path, 'documents');
});
afterEach(() => directory.remove());

/** The round whose snapshot is there, whole; 0 when there is none. */
function roundOf(): number {
  const found = readSnapshot(dir, { space: 'a' });
  if (found === undefined) return 0;
  if ('refused' in found) throw new Error(`refused: ${found.refused}`);
  const round = Number(found.manifest.cursor);
  expect(found.parts.numbers).toEqual({
    many: new Uint32Array(500_000).fill(round),
    few: new Uint8Array(3).fill(round),
  });
  expect(readFileSync(found.filePath('graph')!).equals(Buffer.alloc(700_000, round))).toBe(true);
  expectTidy(dir);
  return round;
}

/** Lets a process write in a loop and kills it so long after its first snapshot. @returns the last that it told of */
async function killedAfter(milliseconds: number): Promise<number> {
  const child = startWriter(modules, dir, 'loop');
  const ended = new Promise((resolve) => child.once('exit', (_, signal) => resolve(signal)));
  let last = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    if (last === 0) setTimeout(() => child.kill('SIGKILL'), milliseconds);
    last = Number(line);
  }
  expect(await ended).toBe('SIGKILL');
  return last;
}

test('kill -9 at any moment leaves the last snapshot that was told of, or the one after it', {
  timeout: 120_000,
}, async () => {
  let left = 0;
  for (let kill = 0; kill < 8; kill += 1) {
    const milliseconds = Math.random() * 150;
    const told = await killedAfter(milliseconds);
    left += readdirSync(dir).length > 1 ? 1 : 0;
    expect([told, told + 1], `killed after ${milliseconds} ms`).toContain(roundOf());
  }
  // Most kills hit the middle of a write; where none did, nothing was tested.
  expect(left).toBeGreaterThan(0);
});

test('a file that the system does not let grow leaves the older snapshot and nothing beside it', async () => {
  expect(await runWriter(modules, dir, 'write')).toBe('written');
  const before = readdirSync(dir);
  // The parts have 2 000 003 bytes: some of them are written.
  expect(await runWithin(1_000, modules, dir, 'write')).toBe('EFBIG');
  expect(readdirSync(dir)).toEqual(before);
  expect(roundOf()).toBe(1);
});

/** Root may write anywhere: then another user tries. */
const user = process.getuid?.() === 0 ? { uid: 65_534 } : {};

describe('a directory that is read-only', () => {
  beforeEach(async () => {
    mkdirSync(dir);
    if (user.uid !== undefined) chownSync(dir, user.uid, -1);
    expect(await runWriter(modules, dir, 'write', user)).toBe('written');
  });
  afterEach(() => {
    for (const path of [dir, join(dir, 'snapshot-1')]) if (existsSync(path)) chmodSync(path, 0o700);
  });
  const lock = () => {
    for (const path of [join(dir, 'snapshot-1'), dir]) chmodSync(path, 0o500);
  };

  test('gives back what it has, and takes nothing new', async () => {
    lock();
    expect(await runWriter(modules, dir, 'write', user)).toBe('EACCES');
    expect(await runWriter(modules, dir, 'read', user)).toBe('1');
    expect(roundOf()).toBe(1);
  });

  test('keeps no node from its start with a snapshot that should be removed', async () => {
    writeFileSync(join(dir, 'snapshot-1', 'graph.file'), Buffer.alloc(700_000));
    mkdirSync(join(dir, 'writing-2'));
    lock();
    expect(await runWriter(modules, dir, 'read', user)).toBe('its graph.file is damaged, and it could not be removed');
    expect(readdirSync(dir)).toEqual(['snapshot-1', 'writing-2']);
  });

  test('that cannot even be listed is refused', async () => {
    chmodSync(dir, 0o000);
    expect(await runWriter(modules, dir, 'read', user)).toBe('it could not be read: EACCES');
    chmodSync(dir, 0o700);
    expect(roundOf()).toBe(1);
  });
});
