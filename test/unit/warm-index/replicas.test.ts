import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
// As they are built: a snapshot is written by a thread from a file beside it.
import { Replicas } from '../../../dist/warm-index/replicas.js';

const DIMENSIONS = 64;

/** Another name for a part, and a digest that says that all is well: as if another version had written it. */
function rename(manifestPath: string, structure: string, part: string): void {
  const { manifest } = JSON.parse(readFileSync(manifestPath, 'utf8'));
  const { parts } = manifest.structures.find(({ name }: { name: string }) => name === structure);
  parts.find(({ name }: { name: string }) => name === part).name = 'another';
  const text = JSON.stringify(manifest);
  const sha256 = createHash('sha256').update(text).digest('hex');
  writeFileSync(manifestPath, `{"sha256":"${sha256}","manifest":${text}}\n`);
}

const identity = { database: 'test', space: 'test', language: 'english' } as const;
const embedding = (n: number) =>
  Float32Array.from({ length: DIMENSIONS }, (_, d) => Math.sin(1e4 * Math.sin(1 + DIMENSIONS * n + d)));
const place = {
  cursor: '2026-01-01T00:00:00Z',
  anchor: '2026-01-01T00:00:00Z_11111111-1111-7111-8111-111111111111',
};

function numbered(count: number) {
  return Array.from({ length: count }, (_, n) => ({
    ...{ id: `d${n}`, revision: 1, content_revision: 1, columns: {}, passages: [] },
    vectors: [{ ordinal: -1, embedding: embedding(n) }],
  }));
}

/** The nearest document, its cosine, and how it was found. */
function nearest(replicas: Replicas, n: number): unknown[] {
  const vector = embedding(n);
  const length = Math.hypot(...vector);
  const legs = replicas.search({
    ...{ of: 'document', words: undefined, match: 'any', require: [], depth: 1 },
    ...{ vector: vector.map((x) => x / length), filter: undefined, minScore: undefined },
  });
  const { documents, method } = legs!.vector!;
  return [documents[0]?.id, Math.round((documents[0]?.score ?? 0) * 1000) / 1000, method];
}

it('a snapshot that turns out to be of another version leaves no file open and none behind', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'acervo-replicas-'));
  const request = { identity, dimensions: DIMENSIONS, graphFrom: 10_000, directory, restore: true };
  const first = new Replicas();
  first.open(request);
  for (const of of ['document', 'decision'] as const) first.apply({ of, documents: numbered(100), removed: [] });
  first.moveToDisk();
  await first.save(place);
  first.close();
  rename(join(directory, 'snapshot-1', 'manifest.json'), 'decision.postings', 'term_ends');
  const second = new Replicas();
  expect(second.open(request)).toEqual({ place: undefined, refused: 'the part term_ends is missing' });
  expect(readdirSync(join(directory, 'working'))).toEqual([]);
  expect(second.measure()).toMatchObject({ documents: { document: 0, decision: 0 }, disk_bytes: 0 });
  second.close();
  rmSync(directory, { recursive: true });
});

it.each([
  ['in memory', false],
  ['on disk', true],
])('a graph over vectors %s comes back from its snapshot, and goes on', async (_where, onDisk) => {
  const directory = mkdtempSync(join(tmpdir(), 'acervo-replicas-'));
  const request = { identity, dimensions: DIMENSIONS, graphFrom: 500, directory, restore: true };
  const first = new Replicas();
  first.open(request);
  first.apply({ of: 'document', documents: numbered(4_000), removed: [] });
  while (first.settle());
  if (onDisk) first.moveToDisk();
  // Dead, and not yet taken in: both are in what is written.
  first.apply({ of: 'document', documents: numbered(4_010).slice(4_000), removed: ['d7'] });
  await first.save(place);
  first.close();
  const second = new Replicas();
  expect(second.open(request)).toEqual({ place, refused: undefined });
  expect(second.measure()).toMatchObject({
    ...{ documents: { document: 4_009, decision: 0 }, vectors: 4_009, indexed_vectors: 3_999 },
    disk_bytes: onDisk ? expect.any(Number) : 0,
  });
  for (const n of [0, 8, 500, 3_999, 4_009]) expect(nearest(second, n)).toEqual([`d${n}`, 1, 'index']);
  expect(nearest(second, 7)[0]).not.toBe('d7');
  while (second.settle());
  expect(second.measure()).toMatchObject({ vectors: 4_009, indexed_vectors: 4_009 });
  second.close();
  rmSync(directory, { recursive: true });
});

it('moves no vector within the file that a snapshot is made of', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'acervo-replicas-'));
  const request = { identity, dimensions: DIMENSIONS, graphFrom: 10_000, directory, restore: true };
  const first = new Replicas();
  first.open(request);
  first.apply({ of: 'document', documents: numbered(100), removed: [] });
  first.moveToDisk();
  const saved = first.save(place);
  const removed = Array.from({ length: 80 }, (_, n) => `d${n}`);
  first.apply({ of: 'document', documents: [], removed });
  expect(first.compact()).toBe(false);
  await saved;
  expect(first.compact()).toBe(true);
  expect([nearest(first, 99), first.measure().disk_bytes]).toEqual([['d99', 1, 'scan'], 20 * DIMENSIONS * 2]);
  first.close();
  const second = new Replicas();
  second.open(request);
  for (const n of [80, 90, 99]) expect(nearest(second, n)).toEqual([`d${n}`, 1, 'scan']);
  second.close();
  rmSync(directory, { recursive: true });
});
