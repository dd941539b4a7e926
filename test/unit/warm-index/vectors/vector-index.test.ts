import { copyFileSync, existsSync, mkdtempSync, statSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Bitset } from '../../../../src/warm-index/bitset.js';
import { Documents } from '../../../../src/warm-index/documents.js';
import { VectorIndex } from '../../../../src/warm-index/vectors/vector-index.js';
import { seededRandom } from '../../../support/search.js';
import { clustered } from './clustered.js';
import { Judged, recallOfTen } from './naive.js';

const DIMENSIONS = 40;

function filled(documents: number, { graphFrom = 10_000, seed = 1 } = {}) {
  const random = seededRandom(seed);
  const make = clustered(DIMENSIONS, random);
  const judged = new Judged({ dimensions: DIMENSIONS, graphFrom, threads: 2 });
  for (let i = 0; i < documents; i += 1) {
    judged.put(
      `d${i}`,
      Array.from({ length: 1 + Math.floor(random() * 3) }, () => make()),
    );
  }
  return { judged, make, random };
}

/** Rows that a filter keeps: every `modulus`-th. */
function every(modulus: number, judged: Judged): Bitset {
  const keeps = new Bitset();
  for (let row = 0; row < judged.documents.rows; row += modulus) keeps.add(row);
  return keeps;
}

/** Of many queries: two threads build another graph each time, and it may miss some of one. */
const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

describe('without a graph', () => {
  test('finds the nearest documents with their cosines, and says when there are no more', () => {
    const { judged, make } = filled(300);
    for (const [depth, modulus] of [
      [10, 1],
      [299, 1],
      [300, 1],
      [1_000, 1],
      [10, 3],
      [100, 3],
      [5, 1_000],
    ] as const) {
      const vector = make();
      const keeps = modulus === 1 ? {} : { keeps: every(modulus, judged) };
      const found = judged.search({ vector, depth, ...keeps });
      const expected = judged.judge({ vector, ...keeps });
      expect(found.method).toBe(modulus === 1 ? 'scan' : 'exact');
      expect(found.exhausted).toBe(expected.length <= depth);
      expect(found.documents).toHaveLength(Math.min(depth, expected.length));
      for (const [place, { score }] of found.documents.entries())
        expect(score).toBeCloseTo(expected[place]!.score, 3.5);
      expect(recallOfTen(found.documents, expected)).toBeGreaterThanOrEqual(0.9);
    }
  });

  test('leaves out what is below the least score', () => {
    const { judged, make } = filled(300);
    const vector = make();
    const ranked = judged.judge({ vector });
    const minScore = (ranked[6]!.score + ranked[7]!.score) / 2;
    const found = judged.search({ vector, depth: 50, minScore });
    expect(found.documents.map(({ id }) => id)).toEqual(ranked.slice(0, 7).map(({ id }) => id));
    expect(found.exhausted).toBe(true);
    expect(judged.search({ vector, depth: 7, minScore }).exhausted).toBe(true);
    expect(judged.search({ vector, depth: 6, minScore }).exhausted).toBe(false);
  });

  test('a document is as good as its best passage, and names its three best', () => {
    const judged = new Judged({ dimensions: 2 });
    const at = (degrees: number) => {
      const angle = (degrees * Math.PI) / 180;
      return Float32Array.of(Math.cos(angle), Math.sin(angle));
    };
    judged.put('near', [at(80), at(5), at(60), at(20)]);
    judged.put('other', [at(10)]);
    const { documents } = judged.search({ vector: at(0), depth: 10 });
    expect(documents.map(({ id, passages }) => [id, passages.map(({ ordinal }) => ordinal)])).toEqual([
      ['near', [1, 3, 2]],
      ['other', [0]],
    ]);
    expect(documents[0]!.score).toBeCloseTo(Math.cos((5 * Math.PI) / 180), 4);
  });

  test('a document with very many passages does not push others out', () => {
    const { judged, make } = filled(30);
    const vector = make();
    judged.put('long', Array(400).fill(vector));
    const found = judged.search({ vector, depth: 20 });
    expect(found.documents[0]!.id).toBe('long');
    expect(found.documents).toHaveLength(20);
  });

  test('the cosines of given rows', () => {
    const { judged, make } = filled(50);
    const vector = make();
    const rows = [3, 7, 11];
    const expected = judged.judge({ vector }).filter(({ id }) => ['d3', 'd7', 'd11'].includes(id));
    const found = judged.index.scoresOf(vector, rows, judged.documents);
    expect(found.map(({ id }) => id)).toEqual(expected.map(({ id }) => id));
    expect(judged.index.scoresOf(vector, [], judged.documents)).toEqual([]);
    judged.index.remove(judged.documents.firstSlotOf(3));
    judged.put('bare', []);
    const bare = judged.documents.rowOf('bare')!;
    expect(judged.index.scoresOf(vector, [bare], judged.documents)).toEqual([]);
  });

  test('a vector that is none is refused and leaves nothing behind', () => {
    const index = new VectorIndex({ dimensions: 2 });
    for (const wrong of [[0, 0], [Number.NaN, 1], [1], [Number.POSITIVE_INFINITY, 0]])
      expect(() => index.add(0, Float32Array.from(wrong))).toThrow(RangeError);
    expect([index.size, index.has(0)]).toEqual([0, false]);
    index.add(0, Float32Array.of(0, 1));
    expect(() => index.add(0, Float32Array.of(0, 1))).toThrow(RangeError);
    index.remove(0);
    index.remove(0);
    expect([index.size, index.has(0)]).toEqual([0, false]);
  });
});

describe('with a graph', () => {
  /** Compares with all; the mean of the recall of ten over queries with filters of all sizes. */
  function recall(judged: Judged, make: () => Float32Array, moduli = [1, 2, 10]): number {
    const recalls = moduli.flatMap((modulus) =>
      Array.from({ length: 8 }, () => {
        const vector = make();
        const keeps = modulus === 1 ? {} : { keeps: every(modulus, judged) };
        const found = judged.search({ vector, depth: 10, ...keeps });
        const expected = judged.judge({ vector, ...keeps });
        expect(found.documents).toHaveLength(Math.min(10, expected.length));
        return recallOfTen(found.documents, expected);
      }),
    );
    return mean(recalls);
  }

  test('finds what comparing all finds, after changes and removals too', () => {
    const { judged, make, random } = filled(3_000, { graphFrom: 1_000 });
    expect(judged.index.pending).toBe(judged.index.size);
    expect(judged.index.buildGraph(500)).toBe(false);
    expect(judged.index.pending).toBe(judged.index.size - 500);
    judged.buildAll();
    expect(judged.index.pending).toBe(0);
    const query = { vector: make(), depth: 10 };
    expect(judged.search(query).method).toBe('index');
    expect(recall(judged, make)).toBeGreaterThan(0.99);
    for (let round = 0; round < 2; round += 1) {
      for (let i = 0; i < 600; i += 1) judged.remove(`d${Math.floor(random() * 3_000)}`);
      expect(recall(judged, make)).toBeGreaterThan(0.99);
      for (let i = 0; i < 600; i += 1) judged.put(`d${Math.floor(random() * 3_000)}`, [make(), make()]);
      expect(recall(judged, make)).toBeGreaterThan(0.99);
      judged.buildAll();
      expect(judged.search(query).method).toBe('index');
      expect(recall(judged, make)).toBeGreaterThan(0.99);
    }
  });

  test('gives the same scores as comparing all', () => {
    const { judged, make } = filled(2_600, { graphFrom: 1_000 });
    const vector = make();
    const scanned = judged.search({ vector, depth: 10 });
    judged.buildAll();
    const found = judged.search({ vector, depth: 10 });
    expect([scanned.method, found.method]).toEqual(['scan', 'index']);
    expect(found.documents.map(({ id, score }) => [id, score])).toEqual(
      scanned.documents.map(({ id, score }) => [id, score]),
    );
  });

  test('is never short: a filter that keeps only what is far from the query', () => {
    const { judged, make } = filled(1_500, { graphFrom: 1_000 });
    judged.buildAll();
    const vector = make();
    const ranked = judged.judge({ vector });
    const keeps = new Bitset();
    for (const { id } of ranked.slice(-1_200)) keeps.add(judged.documents.rowOf(id)!);
    const found = judged.search({ vector, depth: 10, keeps });
    expect(recallOfTen(found.documents, judged.judge({ vector, keeps }))).toBe(1);
    expect([found.method, found.exhausted]).toEqual(['exact', false]);
  });

  test('a filter that keeps what is near the query: of many neighbours that match the best are found', () => {
    const { judged, make } = filled(14_000, { graphFrom: 1_000 });
    judged.buildAll();
    const recalls = Array.from({ length: 3 }, () => {
      const vector = make();
      const near = judged.judge({ vector }).slice(0, 8_400);
      const keeps = new Bitset();
      for (const { id } of near) keeps.add(judged.documents.rowOf(id)!);
      const found = judged.search({ vector, depth: 60, keeps });
      expect([found.method, found.exhausted, found.documents.length]).toEqual(['index', false, 60]);
      return recallOfTen(found.documents, near);
    });
    expect(mean(recalls)).toBeGreaterThan(0.95);
  });

  test('with a least score it knows when it has seen all', () => {
    const { judged, make } = filled(1_500, { graphFrom: 1_000 });
    judged.buildAll();
    const vector = make();
    const ranked = judged.judge({ vector });
    const minScore = (ranked[4]!.score + ranked[5]!.score) / 2;
    const found = judged.search({ vector, depth: 20, minScore });
    expect(found).toMatchObject({ method: 'index', exhausted: true });
    expect(found.documents.map(({ id }) => id)).toEqual(ranked.slice(0, 5).map(({ id }) => id));
    expect(judged.search({ vector, depth: 4, minScore })).toMatchObject({ method: 'index', exhausted: false });
  });

  test('a compaction keeps the graph and what it finds', () => {
    const { judged, make, random } = filled(1_500, { graphFrom: 1_000 });
    judged.buildAll();
    for (let i = 0; i < 500; i += 1) judged.put(`d${Math.floor(random() * 1_500)}`, [make()]);
    judged.remove('d1');
    judged.buildAll();
    const vector = make();
    const before = judged.search({ vector, depth: 10 });
    judged.compact();
    expect(judged.index.pending).toBe(0);
    expect(judged.search({ vector, depth: 10 })).toEqual(before);
    judged.put('d1', [vector]);
    judged.remove(before.documents[0]!.id);
    judged.buildAll();
    expect(judged.search({ vector, depth: 10 }).documents[0]).toMatchObject({ id: 'd1', score: expect.closeTo(1, 3) });
    expect(recall(judged, make)).toBeGreaterThan(0.99);
  });

  test('a compaction after most was removed gives their memory back', () => {
    const { judged, make } = filled(1_500, { graphFrom: 250 });
    judged.buildAll();
    for (let i = 0; i < 1_200; i += 1) judged.remove(`d${i}`);
    expect(recall(judged, make)).toBe(1);
    const { bytes } = judged.index;
    judged.compact();
    expect(judged.index.bytes).toBeLessThan(bytes / 2);
    expect(judged.index.pending).toBe(judged.index.size);
    expect(recall(judged, make)).toBe(1);
  });
});

describe('from disk', () => {
  const graphPath = () => join(mkdtempSync(join(tmpdir(), 'vectors-')), 'graph');

  test('comes back the same, with a graph and without', () => {
    const { judged, make, random } = filled(1_200, { graphFrom: 1_000 });
    judged.buildAll();
    for (let i = 0; i < 300; i += 1) judged.put(`d${Math.floor(random() * 1_200)}`, [make()]);
    for (let i = 0; i < 300; i += 1) judged.remove(`d${Math.floor(random() * 1_200)}`);
    const path = graphPath();
    expect(judged.index.hasGraph).toBe(true);
    judged.index.saveGraph(path);
    const parts = judged.index.dump();
    const { size, pending } = judged.index;
    const queries = Array.from({ length: 10 }, () => ({ vector: make(), depth: 10 }));
    const expected = queries.map((query) => judged.search(query));
    judged.index = VectorIndex.load(parts, judged.options, { graph: path });
    expect([judged.index.size, judged.index.pending]).toEqual([size, pending]);
    expect(queries.map((query) => judged.search(query))).toEqual(expected);
    const withGraph = judged.index;
    judged.index = VectorIndex.load(parts, judged.options);
    expect([judged.index.size, judged.index.pending]).toEqual([size, size]);
    expect(queries.map((query) => judged.search(query).documents)).toEqual(expected.map(({ documents }) => documents));

    judged.index = withGraph;
    for (let i = 0; i < 400; i += 1) judged.put(`d${Math.floor(random() * 1_200)}`, [make()]);
    judged.buildAll();
    const vector = make();
    expect(recallOfTen(judged.search({ vector, depth: 10 }).documents, judged.judge({ vector }))).toBe(1);
  });

  test('what does not fit is refused', () => {
    const { judged } = filled(1_000, { graphFrom: 1_000 });
    judged.buildAll();
    const path = graphPath();
    judged.index.saveGraph(path);
    const other = filled(900, { graphFrom: 1_000 }).judged;
    const { slots, ...rest } = judged.index.dump();
    expect(() => VectorIndex.load(other.index.dump(), other.options, { graph: path })).toThrow('another graph');
    expect(() => VectorIndex.load(rest, judged.options)).toThrow('slots');
    expect(() => VectorIndex.load({ ...rest, slots: slots!.slice(1) }, judged.options)).toThrow('other places');
    expect(() => VectorIndex.load(judged.index.dump(), { dimensions: 100 })).toThrow('another length');
    expect(() => VectorIndex.load(judged.index.dump(), judged.options, { graph: `${path}-none` })).toThrow();
  });

  test('without a graph there is no file', () => {
    const { index } = filled(10).judged;
    const path = graphPath();
    index.saveGraph(path);
    expect([index.hasGraph, existsSync(path)]).toEqual([false, false]);
  });
});

describe('with its vectors on disk', () => {
  const directory = () => mkdtempSync(join(tmpdir(), 'vectors-'));
  const answers = (judged: Judged, asked: { vector: Float32Array; depth: number; keeps?: Bitset }[]) =>
    asked.map((query) => judged.search(query).documents);

  test('answers as it did before, whatever changes then, and takes less memory', () => {
    const { judged, make, random } = filled(3_000, { graphFrom: 1_000 });
    judged.buildAll();
    const path = join(directory(), 'vectors');
    // Filters for which both choose the same method: a graph may miss what comparing all finds.
    const asked = [undefined, 2, 500].flatMap((modulus) =>
      Array.from({ length: 5 }, () => ({
        vector: make(),
        depth: 10,
        ...(modulus && { keeps: every(modulus, judged) }),
      })),
    );
    const expected = answers(judged, asked);
    const { bytes, size } = judged.index;
    expect(judged.index.moveToDisk(path)).toBe(true);
    expect(judged.index.moveToDisk(path)).toBe(false);
    expect(judged.index.vectorsPath).toBe(path);
    // 40 numbers of 2 bytes, rounded up to what the kernel takes.
    expect([judged.index.diskBytes, statSync(path).size]).toEqual([size * 128, size * 128]);
    expect(judged.index.bytes).toBeLessThan(bytes - judged.index.diskBytes / 2);
    expect(answers(judged, asked)).toEqual(expected);

    for (let i = 0; i < 1_500; i += 1) judged.remove(`d${i}`);
    for (let i = 2_000; i < 2_500; i += 1) judged.put(`d${i}`, [make()]);
    judged.compact();
    for (let i = 0; i < 900; i += 1) judged.remove(`d${Math.floor(random() * 3_000)}`);
    judged.compact();
    expect(statSync(path).size).toBe(judged.index.diskBytes);
    judged.buildAll();
    const recalls = Array.from({ length: 30 }, (_, i) => {
      const vector = make();
      const keeps = every(1 + (i % 3), judged);
      return recallOfTen(judged.search({ vector, depth: 10, keeps }).documents, judged.judge({ vector, keeps }));
    });
    expect(mean(recalls)).toBeGreaterThan(0.95);
    judged.index.close();
    expect(existsSync(path)).toBe(false);
  });

  test('comes back from a copy that was made while it went on changing, once the changes are taken in again', () => {
    const { judged, make } = filled(1_200, { graphFrom: 1_000 });
    judged.buildAll();
    const at = directory();
    judged.index.moveToDisk(join(at, 'working'));
    judged.index.saveGraph(join(at, 'graph'));
    const [parts, documents] = [structuredClone(judged.index.dump()), structuredClone(judged.documents.dump())];
    const before = judged.index.size;
    const change = () => {
      for (let i = 0; i < 40; i += 1)
        judged.put(
          `d${i}`,
          judged.vectors.get(`d${i}`)!.map((own) => own.map((x) => -x)),
        );
      for (let i = 0; i < 40; i += 1)
        judged.put(`n${i}`, [Float32Array.from({ length: DIMENSIONS }, (_, at) => at + i)]);
    };
    change();
    copyFileSync(join(at, 'working'), join(at, 'copy'));
    judged.index.close();
    const files = { graph: join(at, 'graph'), vectors: join(at, 'copy'), workingPath: join(at, 'working') };
    judged.index = VectorIndex.load(parts, judged.options, files);
    judged.documents = Documents.load(documents);
    expect(judged.index.size).toBe(before);
    change();
    const recalls = Array.from({ length: 30 }, () => {
      const vector = make();
      return recallOfTen(judged.search({ vector, depth: 10 }).documents, judged.judge({ vector }));
    });
    expect(mean(recalls)).toBeGreaterThan(0.95);
    truncateSync(join(at, 'copy'), 128 * 10);
    expect(() => VectorIndex.load(parts, judged.options, files)).toThrow('too short');
  });

  test('stays in memory where there is no room, and says why', () => {
    const { judged, make } = filled(100);
    const vector = make();
    const expected = judged.search({ vector, depth: 10 });
    expect(() => judged.index.moveToDisk(join(directory(), 'nowhere', 'vectors'))).toThrow('ENOENT');
    expect(judged.index.vectorsPath).toBeUndefined();
    expect(judged.search({ vector, depth: 10 })).toEqual(expected);
  });
});
