import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Parts } from '../../../../src/warm-index/parts.js';
import { readSnapshot } from '../../../../src/warm-index/snapshot/read.js';
import { writeSnapshot } from '../../../../src/warm-index/snapshot/write.js';
import { expectOneOf, IDENTITY, opened, partsOf, sample, temporaryDirectory } from './support/snapshots.js';

let directory: ReturnType<typeof temporaryDirectory>;
let dir: string;
beforeEach(() => {
  directory = temporaryDirectory();
  dir = join(directory.path, 'warm-index', 'documents');
});
afterEach(() => directory.remove());

const parts: fc.Arbitrary<Parts> = fc.dictionary(
  fc.stringMatching(/^[a-z0-9_.]{1,8}$/),
  fc.oneof(
    fc.uint8Array(),
    fc.uint16Array(),
    fc.int16Array(),
    fc.uint32Array(),
    fc.int32Array(),
    fc.float32Array(),
    fc.float64Array(),
  ),
);
const text = fc.string({ unit: 'binary' });
const named = fc.dictionary(fc.stringMatching(/^[a-z_]{1,8}$/), text);

describe('what is written', () => {
  test('comes back as it was, whatever it is', () => {
    const structures = fc.dictionary(fc.stringMatching(/^[a-z0-9]{1,4}$/), parts);
    const counts = fc.dictionary(fc.stringMatching(/^[a-z]{1,4}$/), fc.nat());
    fc.assert(
      fc.property(structures, named, text, text, counts, (given, identity, cursor, anchor, counted) => {
        writeSnapshot(dir, { identity, cursor, anchor, counts: counted, parts: given });
        const found = readSnapshot(dir, identity);
        if (found === undefined || 'refused' in found) throw new Error(`not read: ${found?.refused}`);
        expect(partsOf(found.parts)).toBe(partsOf(given));
        expect(found.manifest).toMatchObject({ identity, cursor, anchor, counts: counted });
      }),
      { numRuns: 60 },
    );
  });

  test('may be views at any offset, of which nothing else is written', () => {
    const memory = new Uint8Array(64).map((_, index) => index);
    const given = {
      part: { odd: memory.subarray(3, 9), wide: new Uint16Array(memory.buffer, 10, 4), bytes: Buffer.from('a') },
    };
    writeSnapshot(dir, { ...sample(1), parts: given });
    const found = opened(dir);
    expect(found?.parts.part).toEqual({
      odd: Uint8Array.of(3, 4, 5, 6, 7, 8),
      wide: Uint16Array.from(given.part.wide),
      bytes: Uint8Array.of(97),
    });
    expect(found?.manifest.files[0]).toMatchObject({ name: 'parts.bin', size_bytes: 6 + 8 + 1 });
  });

  test('may be larger than what is hashed at once, and has memory of its own for each array', () => {
    const large = new Uint32Array(800_001).map((_, index) => index * 7_919);
    writeSnapshot(dir, { ...sample(1), parts: { one: { large, small: Uint8Array.of(1) } } });
    const found = opened(dir)?.parts.one;
    expect(Buffer.from(found!.large!.buffer).equals(Buffer.from(large.buffer))).toBe(true);
    expect([found!.large!.buffer.byteLength, found!.small!.buffer.byteLength]).toEqual([3_200_004, 1]);
  });

  test('takes the place of what was there, and is for its owner alone', () => {
    expect(readSnapshot(dir, IDENTITY)).toBeUndefined();
    for (const number of [1, 2, 3]) {
      writeSnapshot(dir, sample(number));
      expect(expectOneOf(dir, [number])).toBe(number);
    }
    const [name] = readdirSync(dir);
    const modes = [dir, join(dir, name!), join(dir, name!, 'parts.bin')].map((path) => statSync(path).mode & 0o777);
    expect(modes).toEqual([0o700, 0o700, 0o600]);
  });

  test('names only files that it has', () => {
    writeSnapshot(dir, { ...sample(1), files: [] });
    expect(opened(dir)?.filePath('graph')).toBeUndefined();
  });
});

describe('what cannot be written', () => {
  const none = { name: 'graph', write: () => undefined };
  const broken = {
    name: 'graph',
    write: () => {
      throw new Error('no memory for a graph');
    },
  };
  const stranger = { name: '../graph', write: () => undefined };
  test.each([
    ['a file that was not made', [none], 'ENOENT'],
    ['a file that fails', [broken], 'no memory for a graph'],
    ['a file with a path for a name', [stranger], '../graph is no name'],
    ['two files of one name', [...sample(2).files!, ...sample(2).files!], 'two files of a snapshot are named graph'],
  ])('%s leaves what was there', (_, files, message) => {
    writeSnapshot(dir, sample(1));
    expect(() => writeSnapshot(dir, { ...sample(2), files })).toThrow(message);
    expect(readdirSync(dir)).toEqual(['snapshot-1']);
    expectOneOf(dir, [1]);
  });
});
