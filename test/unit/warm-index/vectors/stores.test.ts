import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { FileStore } from '../../../../src/warm-index/vectors/file-store.js';
import { MemoryStore } from '../../../../src/warm-index/vectors/memory-store.js';
import { numbersOf } from '../../../../src/warm-index/vectors/store.js';
import { seededRandom } from '../../../support/search.js';
import { clustered } from './clustered.js';
import { cosine } from './naive.js';

/** So small that three memories are needed for some hundred vectors. */
const BLOCK_BYTES = 131_072;

test.each([1, 31, 32, 33, 256])('cosines of %i dimensions, of places in several memories', (dimensions) => {
  const make = clustered(dimensions, seededRandom(dimensions));
  const store = new MemoryStore(dimensions, BLOCK_BYTES);
  const vectors = Array.from({ length: dimensions > 100 ? 600 : 3_000 }, () => make());
  for (const [place, vector] of vectors.entries()) store.write(place, numbersOf(vector, dimensions));
  const query = make();
  const places = Uint32Array.from(vectors.keys()).reverse();
  const expected = Array.from(places, (place) => cosine(query, vectors[place]!));
  const file = FileStore.holding(store, join(mkdtempSync(join(tmpdir(), 'vectors-')), 'vectors'));
  for (const from of [store, MemoryStore.load(store.dump(), dimensions, BLOCK_BYTES), file]) {
    const cosines = from.cosines(numbersOf(query, dimensions), places);
    expect(Math.max(...cosines.map((value, i) => Math.abs(value - expected[i]!)))).toBeLessThan(1e-4);
    expect(from.cosines(numbersOf(query, dimensions), places.subarray(0, 0))).toHaveLength(0);
  }
});

test('the largest numbers do not overflow', () => {
  const store = new MemoryStore(2_048);
  const axis = (sign: number) => Float32Array.from({ length: 2_048 }, (_, i) => (i === 5 ? sign : 0));
  const flat = new Float32Array(2_048).fill(1);
  [axis(1), axis(-1), flat].forEach((vector, place) => {
    store.write(place, numbersOf(vector, 2_048));
  });
  const places = Uint32Array.of(0, 1, 2);
  expect(Array.from(store.cosines(numbersOf(axis(1), 2_048), places).slice(0, 2))).toEqual([1, -1]);
  expect(store.cosines(numbersOf(flat, 2_048), places)[2]).toBeCloseTo(1, 3);
});
