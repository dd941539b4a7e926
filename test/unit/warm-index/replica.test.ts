import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { COLUMNS, type Filter } from '../../../src/search/filter/ast.js';
import { evaluateFilter } from '../../../src/search/filter/evaluate.js';
import { parseFilter } from '../../../src/search/filter/parse.js';
import { compactedParts } from '../../../src/warm-index/compacted-parts.js';
import type { ReplicaDocument } from '../../../src/warm-index/document.js';
import { Replica, type ReplicaQuery } from '../../../src/warm-index/replica.js';
import { createAnalyzer } from '../../../src/warm-index/text/analyzer.js';
import { documents as columnsOfDocuments, filterInputs } from '../../support/filters.js';

/**
 * The judge knows documents as a plain list, and answers every search by looking at all of them. Whatever has happened to a
 * replica (changes out of order, deletes, compactions, a way over the disk), it must answer like the judge.
 */
const DIMENSIONS = 8;
const IDS = ['d1', 'd2', 'D3', '123', 'a.b-c_d', 'e', 'f', 'g'];
const WORDS = ['w0', 'w1', 'w2', 'w3', 'w4', 'w5'];
const analyzer = createAnalyzer('english');
/** 4 vectors make a graph: what a million would go through, a dozen do here. */
const options = { analyzer, dimensions: DIMENSIONS, graphFrom: 4 };
const RUNS = Number(process.env.ACERVO_TEST_FULL ?? 0) > 0 ? 2_000 : 150;

const texts = fc.array(fc.constantFrom(...WORDS), { maxLength: 12 }).map((words) => words.join(' '));
const vectors = fc
  .array(fc.integer({ min: -9, max: 9 }), { minLength: DIMENSIONS, maxLength: DIMENSIONS })
  .filter((numbers) => numbers.some((number) => number !== 0))
  .map((numbers) => Float32Array.from(numbers, (number) => number / Math.hypot(...numbers)));

/** Each passage may have a vector, and so may the whole. */
const states = fc.record({
  columns: columnsOfDocuments,
  passages: fc.array(fc.record({ text: texts, vector: fc.option(vectors, { nil: undefined }) }), { maxLength: 4 }),
  whole: fc.option(vectors, { nil: undefined }),
});

const steps = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ do: fc.constant('apply' as const), id: fc.constantFrom(...IDS), state: states }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('stale' as const), id: fc.constantFrom(...IDS), state: states }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('remove' as const), id: fc.constantFrom(...IDS) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('compact' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('reload' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('settle' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('move to disk' as const) }) },
);

const questions = fc.record({
  words: fc.option(fc.uniqueArray(fc.constantFrom(...WORDS, 'nowhere'), { minLength: 1, maxLength: 3 }), {
    nil: undefined,
  }),
  match: fc.constantFrom('any' as const, 'all' as const),
  vector: fc.option(vectors, { nil: undefined }),
  filter: fc.option(filterInputs, { nil: undefined }),
  minScore: fc.option(fc.double({ min: -1, max: 1, noNaN: true }), { nil: undefined }),
  require: fc.subarray(['text' as const, 'vector' as const]),
  depth: fc.integer({ min: 1, max: 12 }),
});

function documentOf(
  id: string,
  revision: number,
  { columns, passages, whole }: fcValue<typeof states>,
): ReplicaDocument {
  return {
    id,
    revision,
    content_revision: revision,
    columns: { ...columns, id, revision },
    passages: passages.map(({ text }) => text),
    vectors: [
      ...(whole === undefined ? [] : [{ ordinal: -1, embedding: whole }]),
      ...passages.flatMap(({ vector }, ordinal) => (vector === undefined ? [] : [{ ordinal, embedding: vector }])),
    ],
  };
}

type fcValue<T> = T extends fc.Arbitrary<infer Value> ? Value : never;

/** BM25 of each passage that holds the words, over the passages that have any. */
function textScores(documents: ReplicaDocument[], words: string[], match: 'any' | 'all') {
  const passages = documents.flatMap(({ id, passages: own }) =>
    own.map((text, ordinal) => ({ id, ordinal, terms: analyzer.terms(text) })).filter(({ terms }) => terms.length > 0),
  );
  const average = passages.reduce((sum, { terms }) => sum + terms.length, 0) / passages.length;
  const frequency = new Map(words.map((word) => [word, passages.filter(({ terms }) => terms.includes(word)).length]));
  return passages
    .filter(({ terms }) => words[match === 'all' ? 'every' : 'some']((word) => terms.includes(word)))
    .map(({ id, ordinal, terms }) => ({
      id,
      ordinal,
      score: words.reduce((sum, word) => {
        const tf = terms.filter((term) => term === word).length;
        const df = frequency.get(word)!;
        const idf = Math.log(1 + (passages.length - df + 0.5) / (df + 0.5));
        return sum + (idf * tf * 2.2) / (tf + 1.2 * (0.25 + (0.75 * terms.length) / average));
      }, 0),
    }));
}

function bestOf(scores: { id: string; score: number }[]): Map<string, number> {
  const best = new Map<string, number>();
  for (const { id, score } of scores) best.set(id, Math.max(score, best.get(id) ?? Number.NEGATIVE_INFINITY));
  return best;
}

function cosines(documents: ReplicaDocument[], vector: Float32Array) {
  return documents.flatMap(({ id, vectors: own }) =>
    own.map(({ embedding }) => ({ id, score: embedding.reduce((sum, x, i) => sum + x * vector[i]!, 0) })),
  );
}

/** Are these the best `depth` of what the judge found, in an order that its scores allow? */
function expectBest(
  found: { id: string; score: number; completed?: boolean }[],
  judged: Map<string, number>,
  { depth, exhausted, digits }: { depth: number; exhausted: boolean; digits: number },
) {
  const own = found.filter(({ completed }) => !completed);
  expect(own.length).toBe(Math.min(depth, judged.size));
  for (const { id, score } of found) expect(score).toBeCloseTo(judged.get(id)!, digits);
  const worst = Math.min(...own.map(({ score }) => score));
  const given = new Set(own.map(({ id }) => id));
  for (const [id, score] of judged) if (!given.has(id)) expect(score).toBeLessThan(worst + 10 ** -digits);
  for (const [place, { score }] of found.entries())
    expect(score).toBeLessThanOrEqual(place === 0 ? Number.POSITIVE_INFINITY : found[place - 1]!.score);
  expect(exhausted && judged.size > depth).toBe(false);
  if (judged.size < depth) expect(exhausted).toBe(true);
}

function judge(replica: Replica, documents: ReplicaDocument[], asked: fcValue<typeof questions>) {
  const filter: Filter | undefined = asked.filter === undefined ? undefined : parseFilter(asked.filter, COLUMNS);
  const kept = filter === undefined ? documents : documents.filter(({ columns }) => evaluateFilter(filter, columns));
  const query: ReplicaQuery = { ...asked, of: 'document', filter };
  const legs = replica.search(query);
  const keptIds = new Set(kept.map(({ id }) => id));
  // Of the whole corpus: a filter does not change how rare a word is.
  const scored = asked.words && textScores(documents, asked.words, asked.match).filter(({ id }) => keptIds.has(id));
  const inText = scored && bestOf(scored);
  if (inText !== undefined) expectBest(legs.text!.documents, inText, { ...asked, ...legs.text!, digits: 6 });
  else expect(legs.text).toBeUndefined();
  if (asked.vector === undefined) return expect(legs.vector).toBeUndefined();
  const near = bestOf(cosines(kept, asked.vector));
  const least = asked.minScore ?? -2;
  // What is within an error of the bound may be on either side of it.
  if (asked.minScore !== undefined && [...near.values()].some((score) => Math.abs(score - least) < 1e-3)) return;
  for (const [id, score] of near) if (score < least) near.delete(id);
  if (legs.text !== undefined && asked.require.includes('text')) {
    const ids = legs.text.documents.map(({ id }) => id).filter((id) => near.has(id));
    expect(legs.vector!.documents.map(({ id }) => id).sort()).toEqual(ids.sort());
    return;
  }
  expectBest(legs.vector!.documents, near, { ...asked, ...legs.vector!, digits: 3 });
  if (legs.text !== undefined && asked.require.includes('vector')) {
    const found = new Set(legs.vector!.documents.map(({ id }) => id));
    for (const { id } of legs.text.documents) if (near.has(id)) expect(found.has(id)).toBe(true);
  }
}

const directory = mkdtempSync(join(tmpdir(), 'replica-'));
afterAll(() => rmSync(directory, { recursive: true }));

/** What comes back from a snapshot. */
function reloaded(replica: Replica): Replica {
  const vectors = replica.vectorsPath && join(directory, 'snapshot');
  if (vectors !== undefined) copyFileSync(replica.vectorsPath!, vectors);
  const dumped = structuredClone(replica.dump());
  const parts = replica.size.dead > 0 ? compactedParts(dumped) : dumped;
  replica.close();
  return Replica.load(parts, options, { vectors, workingPath: join(directory, 'vectors') });
}

describe('a replica', () => {
  it('answers like a judge that looks at every document, whatever has happened to it', () => {
    fc.assert(
      fc.property(
        fc.array(steps, { maxLength: 40 }),
        fc.array(questions, { minLength: 1, maxLength: 6 }),
        (run, asked) => {
          let replica = new Replica(options);
          const documents = new Map<string, ReplicaDocument>();
          let revision = 1;
          for (const step of run) {
            if (step.do === 'apply') {
              const document = documentOf(step.id, ++revision, step.state);
              documents.set(step.id, document);
              replica.apply(document);
            } else if (step.do === 'stale') {
              if (documents.has(step.id))
                replica.apply(documentOf(step.id, documents.get(step.id)!.revision - 1, step.state));
            } else if (step.do === 'remove') {
              documents.delete(step.id);
              replica.remove(step.id);
            } else if (step.do === 'compact') replica.compact();
            else if (step.do === 'settle') while (replica.settle());
            else if (step.do === 'move to disk') replica.moveVectorsToDisk(join(directory, 'vectors'));
            else replica = reloaded(replica);
          }
          expect(replica.size.documents).toBe(documents.size);
          for (const question of asked) judge(replica, [...documents.values()], question);
          replica.close();
        },
      ),
      { numRuns: RUNS },
    );
  });

  it('keeps nothing of what was deleted once it is compacted', () => {
    const replica = new Replica(options);
    const document = documentOf('secret', 1, {
      columns: { created_at: '2026-01-01T00:00:00.000Z', revision: 1, metadata: { name: 'Mrs Example' } },
      passages: [{ text: 'xylophone', vector: Float32Array.of(1, 0, 0, 0, 0, 0, 0, 0) }],
      whole: undefined,
    });
    replica.apply(document);
    const held = () =>
      Buffer.concat(Object.values(replica.dump()).flatMap((parts) => Object.values(parts).map(bytesOf)));
    expect(held().includes('xylophon')).toBe(true);
    expect(held().includes('Mrs Example')).toBe(true);
    replica.remove('secret');
    const written = Object.values(compactedParts(structuredClone(replica.dump())));
    const text = Buffer.concat(written.flatMap((parts) => Object.values(parts).map(bytesOf)));
    for (const trace of ['xylophon', 'Mrs Example', 'secret']) expect(text.includes(trace)).toBe(false);
    replica.compact();
    for (const trace of ['xylophon', 'Mrs Example', 'secret']) expect(held().includes(trace)).toBe(false);
  });

  it.each(['memory', 'disk'])('keeps no vector of what was deleted in %s', (where) => {
    const replica = new Replica(options);
    const axis = (at: number) => Float32Array.from({ length: DIMENSIONS }, (_, i) => (i === at ? 1 : 0));
    const put = (id: string, at: number) =>
      replica.apply(
        documentOf(id, 1, {
          columns: { created_at: '2026-01-01T00:00:00.000Z', revision: 1, metadata: {} },
          passages: [],
          whole: axis(at),
        }),
      );
    put('secret', 0);
    for (let at = 1; at < 4; at += 1) put(`d${at}`, at);
    if (where === 'disk') expect(replica.moveVectorsToDisk(join(directory, 'secret'))).toBe(true);
    const held = () =>
      where === 'disk' ? readFileSync(replica.vectorsPath!) : bytesOf(replica.dump().vectors['vectors.0']!);
    const written = Buffer.from(Int16Array.of(32_767, ...new Array(DIMENSIONS - 1).fill(0)).buffer);
    const count = () => Array.from({ length: 4 }, (_, place) => held().readInt16LE(place * 64)).filter(Boolean).length;
    expect(held().includes(written)).toBe(true);
    expect(count()).toBe(1);
    replica.remove('secret');
    expect(count()).toBe(0);
    replica.close();
  });
});

function bytesOf(part: { buffer: ArrayBufferLike; byteOffset: number; byteLength: number }): Buffer {
  return Buffer.from(part.buffer, part.byteOffset, part.byteLength);
}
