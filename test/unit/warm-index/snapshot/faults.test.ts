import { readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { writeSnapshot } from '../../../../src/warm-index/snapshot/write.js';
import { expectOneOf, expectTidy, opened, sample, temporaryDirectory } from './support/snapshots.js';

/** The calls to the system that change something: `left` of them succeed, then one fails, or all from then on. */
const faults = vi.hoisted(() => ({ left: Number.POSITIVE_INFINITY, forever: false, code: 'ENOSPC', failed: '' }));
/** What reached the disk and what changed its name, in order: an open descriptor is told as the path that it stands for. */
const calls = vi.hoisted((): { name: string; path: string }[] => []);

vi.mock('node:fs', async (importOriginal) => {
  const fs = await importOriginal<typeof import('node:fs')>();
  const faulty = (name: 'mkdirSync' | 'openSync' | 'fsyncSync' | 'renameSync' | 'unlinkSync' | 'rmdirSync') => {
    const real = fs[name] as (...given: unknown[]) => unknown;
    return (...given: unknown[]) => {
      fail(name);
      const result = real(...given);
      if (name === 'openSync') paths.set(result as number, String(given[0]));
      else calls.push({ name, path: paths.get(given[0] as number) ?? String(given[0]) });
      return result;
    };
  };
  const paths = new Map<number, string>();
  const fail = (name: string) => {
    faults.left -= 1;
    if (faults.left >= 0 || (faults.left < -1 && !faults.forever)) return;
    faults.failed ||= name;
    throw Object.assign(new Error(`${faults.code}: ${name}`), { code: faults.code });
  };
  const names = ['mkdirSync', 'openSync', 'fsyncSync', 'renameSync', 'unlinkSync', 'rmdirSync'] as const;
  const mocked = {
    ...fs,
    ...Object.fromEntries(names.map((name) => [name, faulty(name)])),
    /** A disk that fills takes the half of it first. */
    writeSync: (fd: number, bytes: Uint8Array, at: number) => {
      const half = bytes.length - at > 1 ? (bytes.length - at) >> 1 : 1;
      const written = fs.writeSync(fd, bytes, at, half);
      fail('writeSync');
      return written;
    },
  };
  return { ...mocked, default: mocked };
});

let directory: ReturnType<typeof temporaryDirectory>;
let dir: string;
beforeEach(() => {
  directory = temporaryDirectory();
  dir = join(directory.path, 'documents');
});
afterEach(() => {
  noFaults();
  directory.remove();
});

function noFaults(): void {
  Object.assign(faults, { left: Number.POSITIVE_INFINITY, forever: false, failed: '' });
}

/** Writes sample 2 with a fault after so many calls. @returns which call failed; undefined when all was well */
function writeWithFault(after: number, forever: boolean): string | undefined {
  Object.assign(faults, { left: after, forever });
  try {
    writeSnapshot(dir, sample(2));
    expect(faults.failed).toBe('');
    return undefined;
  } catch (error) {
    expect((error as NodeJS.ErrnoException).code).toBe(faults.code);
    return faults.failed;
  } finally {
    noFaults();
  }
}

/** Goes through all the calls of a write over sample 1. */
function eachCall(forever: boolean, check: (before: string[]) => void): Set<string> {
  const failed = new Set<string>();
  for (let after = 0; ; after += 1) {
    writeSnapshot(dir, sample(1));
    const before = readdirSync(dir);
    const call = writeWithFault(after, forever);
    if (call === undefined) return failed;
    failed.add(call);
    check(before);
  }
}

const ALL_CALLS = ['mkdirSync', 'openSync', 'writeSync', 'fsyncSync', 'renameSync', 'unlinkSync', 'rmdirSync'];

describe('a call to the system that fails', () => {
  test('leaves the directory as it was, or the new snapshot', () => {
    const seen = new Set<number>();
    const failed = eachCall(false, (before) => {
      const after = readdirSync(dir);
      const number = expectOneOf(dir, [1, 2]);
      if (number === 1) expect(after).toEqual(before);
      seen.add(number);
    });
    expect([...failed].sort()).toEqual([...ALL_CALLS].sort());
    expect(seen).toEqual(new Set([1, 2]));
  });
});

test('what stands under its name is on the disk, and the older one goes after that', () => {
  writeSnapshot(dir, sample(1));
  calls.length = 0;
  writeSnapshot(dir, sample(2));
  const steps = calls.map(({ name, path }) => `${name} ${relative(dir, path)}`);
  expect(steps).toEqual([
    'mkdirSync ',
    'mkdirSync writing-2',
    'fsyncSync writing-2/parts.bin',
    'fsyncSync writing-2/graph.file',
    'fsyncSync writing-2/manifest.json',
    'fsyncSync writing-2',
    'renameSync writing-2',
    'fsyncSync ',
    'unlinkSync snapshot-1/manifest.json',
    'unlinkSync snapshot-1/graph.file',
    'unlinkSync snapshot-1/parts.bin',
    'rmdirSync snapshot-1',
  ]);
});

describe('a process that ends at any call to the system', () => {
  test('leaves the old or the new snapshot to the next reader', () => {
    const seen = new Set<number>();
    const failed = eachCall(true, () => seen.add(expectOneOf(dir, [1, 2])));
    expect([...failed].sort()).toEqual([...ALL_CALLS].sort());
    expect(seen).toEqual(new Set([1, 2]));
  });

  test('leaves nothing in the way of the next writer', () => {
    eachCall(true, () => {
      writeSnapshot(dir, sample(3));
      expectTidy(dir);
      expectOneOf(dir, [3]);
    });
  });

  test('while the first one is written leaves none, or that one', () => {
    for (let after = 0; ; after += 1) {
      const call = writeWithFault(after, true);
      if (call === undefined) break;
      const found = opened(dir);
      expect(found?.manifest.cursor ?? 'cursor 2').toBe('cursor 2');
      directory.remove();
      directory = temporaryDirectory();
      dir = join(directory.path, 'documents');
    }
    expectOneOf(dir, [2]);
  });
});
