import {
  cpSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { decodeManifest, encodeManifest, type Manifest } from '../../../../src/warm-index/snapshot/manifest.js';
import { readSnapshot } from '../../../../src/warm-index/snapshot/read.js';
import { writeSnapshot } from '../../../../src/warm-index/snapshot/write.js';
import { expectOneOf, IDENTITY, sample, temporaryDirectory } from './support/snapshots.js';

let directory: ReturnType<typeof temporaryDirectory>;
let dir: string;
let path: string;
beforeEach(() => {
  directory = temporaryDirectory();
  dir = join(directory.path, 'documents');
  path = join(dir, 'snapshot-1');
  writeSnapshot(dir, sample(1));
});
afterEach(() => directory.remove());

const FILES = ['manifest.json', 'parts.bin', 'graph.file'] as const;

/** Expects that it is refused, for that reason, and gone; puts a whole one in its place. */
function expectRefused(reason: RegExp, identity: Record<string, string> = IDENTITY): void {
  const kept = join(directory.path, 'kept');
  expect(readSnapshot(dir, identity)).toEqual({ refused: expect.stringMatching(reason) });
  expect(readdirSync(dir)).toEqual([]);
  expect(readSnapshot(dir, identity)).toBeUndefined();
  cpSync(kept, path, { recursive: true });
}

describe('a snapshot that is not to the byte what was written is refused and removed', () => {
  beforeEach(() => cpSync(path, join(directory.path, 'kept'), { recursive: true }));

  test.each(FILES)('%s with a byte or more of it changed', (file) => {
    const whole = readFileSync(join(path, file));
    const change = fc.uint8Array({ minLength: 1, maxLength: 20, min: 1 });
    fc.assert(
      fc.property(fc.nat(whole.length - 1), change, (at, changes) => {
        const bytes = Buffer.from(whole);
        for (const [index, mask] of changes.entries()) {
          if (at + index < bytes.length) bytes[at + index] = bytes[at + index]! ^ mask;
        }
        writeFileSync(join(path, file), bytes);
        expectRefused(/is damaged$/);
      }),
      { numRuns: 60 },
    );
    expectOneOf(dir, [1]);
  });

  test('its manifest with any bit of it changed', () => {
    const whole = readFileSync(join(path, 'manifest.json'));
    expect(decodeManifest(whole).cursor).toBe('cursor 1');
    for (let bit = 0; bit < whole.length * 8; bit += 1) {
      const bytes = Buffer.from(whole);
      bytes[bit >> 3] = bytes[bit >> 3]! ^ (1 << (bit & 7));
      expect(() => decodeManifest(bytes), `bit ${bit}`).toThrow('its manifest is damaged');
    }
  });

  test.each(FILES)('%s cut anywhere', (file) => {
    const length = readFileSync(join(path, file)).length;
    const lengths = [0, 1, length >> 1, length - 1, ...fc.sample(fc.nat(length - 1), 20)];
    for (const cut of lengths) {
      truncateSync(join(path, file), cut);
      expectRefused(
        file === 'manifest.json' ? /manifest is damaged/ : new RegExp(`${file} has ${cut} bytes, not ${length}`),
      );
    }
  });

  test.each(FILES)('%s with more behind it', (file) => {
    const whole = readFileSync(join(path, file));
    for (const more of ['\n', ' ', '\0', '{}']) {
      writeFileSync(join(path, file), Buffer.concat([whole, Buffer.from(more)]));
      expectRefused(file === 'manifest.json' ? /manifest is damaged/ : /has \d+ bytes, not/);
    }
  });

  test.each(['parts.bin', 'graph.file'])('%s missing', (file) => {
    rmSync(join(path, file));
    expectRefused(new RegExp(`its ${file} is missing`));
  });

  test('parts of another snapshot of the same size', () => {
    writeSnapshot(join(directory.path, 'other'), sample(2));
    cpSync(join(directory.path, 'other', 'snapshot-1', 'parts.bin'), join(path, 'parts.bin'));
    expectRefused(/parts\.bin is damaged/);
  });

  test('without a manifest it is none: it was never finished', () => {
    rmSync(join(path, 'manifest.json'));
    expect(readSnapshot(dir, IDENTITY)).toBeUndefined();
    expect(readdirSync(dir)).toEqual([]);
  });

  test('a link in place of a file is not followed, and what it leads to stays', () => {
    const elsewhere = join(directory.path, 'parts.bin');
    renameSync(join(path, 'parts.bin'), elsewhere);
    symlinkSync(elsewhere, join(path, 'parts.bin'));
    expect(readSnapshot(dir, IDENTITY)).toEqual({ refused: 'its parts.bin is missing' });
    expect(readFileSync(elsewhere)).toHaveLength(5 + 16 + 600);
  });
});

describe('a snapshot made for something else is refused and removed', () => {
  beforeEach(() => cpSync(path, join(directory.path, 'kept'), { recursive: true }));

  test.each([
    [{ ...IDENTITY, space: 'other-768' }, /^its space is hashing-1024, not other-768$/],
    [{ ...IDENTITY, database: 'memory' }, /^its database is not given, not memory$/],
    [{ space: IDENTITY.space }, /^its analyzer is snowball 3, en, not given$/],
  ])('%j', (identity, reason) => expectRefused(reason, identity));

  /** The manifest with changes, and with a checksum that fits. */
  const rewritten = (change: (manifest: Manifest) => object) => {
    const { manifest } = JSON.parse(readFileSync(join(path, 'manifest.json'), 'utf8'));
    writeFileSync(join(path, 'manifest.json'), encodeManifest(change(manifest)));
  };
  const otherOrder = (order: string) => (order === 'LE' ? 'BE' : 'LE');

  test.each<[string, (manifest: Manifest) => object, RegExp]>([
    ['an older format', (manifest) => ({ ...manifest, format_version: 0 }), /it has the format 0, not 1/],
    ['a newer format', () => ({ format_version: 2, new: true }), /it has the format 2, not 1/],
    ['no format', () => ({}), /it has the format undefined, not 1/],
    ['another byte order', (m) => ({ ...m, byte_order: otherOrder(m.byte_order) }), /byte order [BL]E; this machine/],
    ['another form', ({ cursor: _, ...manifest }) => manifest, /manifest has another form/],
    ['a negative length', (m) => withLength(m, -1), /manifest has another form/],
    ['a length that does not fit', (m) => withLength(m, 1e12), /manifest contradicts itself/],
    ['no file of parts', (m) => ({ ...m, files: m.files.slice(1) }), /manifest contradicts itself/],
  ])('%s', (_, change, reason) => {
    rewritten(change);
    expectRefused(reason);
  });

  function withLength(manifest: Manifest, length: number): object {
    const parts = [{ ...manifest.structures[0]!.parts[0]!, length }];
    return { ...manifest, structures: [{ name: 'documents', parts }] };
  }
});

test('of two snapshots the newer is read, or the older where the newer is damaged; one is left', () => {
  const older = join(directory.path, 'older');
  cpSync(path, older, { recursive: true });
  writeSnapshot(dir, sample(2));
  cpSync(older, path, { recursive: true });
  expect(readdirSync(dir)).toEqual(['snapshot-1', 'snapshot-2']);
  expectOneOf(dir, [2]);
  cpSync(older, path, { recursive: true });
  truncateSync(join(dir, 'snapshot-2', 'parts.bin'), 10);
  expectOneOf(dir, [1]);
});
