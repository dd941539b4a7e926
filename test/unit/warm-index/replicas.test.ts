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

it('a snapshot that turns out to be of another version leaves no file open and none behind', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'acervo-replicas-'));
  const identity = { database: 'test', space: 'test', language: 'english' } as const;
  const request = { identity, dimensions: DIMENSIONS, graphFrom: 10_000, directory, restore: true };
  const embedding = (n: number) => Float32Array.from({ length: DIMENSIONS }, (_, d) => Math.sin(1 + n + d));
  const first = new Replicas();
  first.open(request);
  for (const of of ['document', 'decision'] as const)
    first.apply({
      of,
      documents: Array.from({ length: 100 }, (_, n) => ({
        ...{ id: `d${n}`, revision: 1, content_revision: 1, columns: {}, passages: [] },
        vectors: [{ ordinal: -1, embedding: embedding(n) }],
      })),
      removed: [],
    });
  first.moveToDisk();
  await first.save({
    cursor: '2026-01-01T00:00:00Z',
    anchor: '2026-01-01T00:00:00Z_11111111-1111-7111-8111-111111111111',
  });
  first.close();
  rename(join(directory, 'snapshot-1', 'manifest.json'), 'decision.postings', 'term_ends');
  const second = new Replicas();
  expect(second.open(request)).toEqual({ place: undefined, refused: 'the part term_ends is missing' });
  expect(readdirSync(join(directory, 'working'))).toEqual([]);
  expect(second.measure()).toMatchObject({ documents: { document: 0, decision: 0 }, disk_bytes: 0 });
  second.close();
  rmSync(directory, { recursive: true });
});
