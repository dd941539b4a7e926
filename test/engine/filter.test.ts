import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeAll, describe, expect, inject, it } from 'vitest';
import { compileFilter } from '../../src/search/filter/compile.js';
import { evaluateFilter } from '../../src/search/filter/evaluate.js';
import { parseFilter } from '../../src/search/filter/parse.js';
import { connect } from '../../src/surreal/connection.js';
import type { Session } from '../../src/surreal/link.js';
import { collections, filterInputs } from '../support/filters.js';
import { onStack, unavailable } from './support/engine.js';

/** `ACERVO_TEST_DATABASE_URL=ws://…` (root, root) runs this on a server that is already there. */
function engineUrl(): string {
  if (process.env.ACERVO_TEST_DATABASE_URL) return process.env.ACERVO_TEST_DATABASE_URL;
  return onStack ? inject('surrealUrl') : `rocksdb://${mkdtempSync(join(tmpdir(), 'acervo-filter-'))}`;
}

describe.skipIf(unavailable && !process.env.ACERVO_TEST_DATABASE_URL)('a compiled filter on the engine', () => {
  let session: Session;

  beforeAll(async () => {
    const connection = await connect({ url: engineUrl(), username: 'root', password: 'root', timeoutMs: 15_000 });
    session = (await connection.openSessions('test', `filter_${process.pid}`)).reads;
    await session.query('DEFINE TABLE IF NOT EXISTS docs SCHEMALESS; DEFINE TABLE IF NOT EXISTS links SCHEMALESS;');
  });

  async function store(documents: { id: string; created_at: string; updated_at?: string }[]): Promise<void> {
    const rows = documents.map((document) => ({
      ...document,
      created_at: new Date(document.created_at),
      ...(document.updated_at === undefined ? {} : { updated_at: new Date(document.updated_at) }),
    }));
    await session.query(
      `BEGIN; DELETE docs; DELETE links; INSERT INTO docs $rows RETURN NONE;
       FOR $row IN $rows { CREATE type::record('links', $row.id) SET document = type::record('docs', $row.id) };
       CREATE links:dangling SET document = docs:gone; COMMIT;`,
      { rows },
    );
  }

  async function matches(input: unknown, table: 'docs' | 'links'): Promise<string[]> {
    const { text, params } = compileFilter(parseFilter(input), table === 'links' ? 'document.' : '');
    const [found] = await session.query<[string[]]>(`SELECT VALUE record::id(id) FROM ${table} WHERE ${text}`, params);
    return found.sort();
  }

  it('matches what the plain evaluation matches, directly and through a link', async () => {
    const seen = { some: 0, none: 0 };
    await fc.assert(
      fc.asyncProperty(
        collections,
        fc.array(filterInputs, { minLength: 8, maxLength: 8 }),
        async (documents, inputs) => {
          await store(documents);
          for (const input of inputs) {
            const filter = parseFilter(input);
            const expected = documents.filter((document) => evaluateFilter(filter, document)).map(({ id }) => id);
            seen[expected.length > 0 ? 'some' : 'none'] += 1;
            expect(await matches(input, 'docs')).toEqual([...expected].sort());
            // A link whose document is gone is a document with nothing in it.
            const linked = evaluateFilter(filter, {}) ? [...expected, 'dangling'] : expected;
            expect(await matches(input, 'links')).toEqual([...linked].sort());
          }
        },
      ),
      { numRuns: Number(process.env.ACERVO_TEST_RUNS ?? 60), interruptAfterTimeLimit: 30_000 },
    );
    // Both answers must be common, or the property says little.
    expect(seen.some).toBeGreaterThan(50);
    expect(seen.none).toBeGreaterThan(50);
  });

  const corners: Record<string, unknown>[] = [
    { 'metadata.list.name': { $exists: false } },
    { 'metadata.list.name': { $contains: 'x' } },
    { 'metadata.list.name.first': { $ne: 1 } },
    { 'metadata.list.length': { $exists: true } },
    { 'metadata.s.length': { $exists: true } },
    { 'metadata.o': { $contains: 'k' } },
    { 'metadata.o.k': { $exists: true } },
    { 'metadata.o': { $ne: 'k' } },
    { 'metadata.tags': { $contains: '' } },
    { 'metadata.tags': { $contains: null } },
    { 'metadata.tags': { $contains: 1 } },
    { 'metadata.s': { $contains: '' } },
    { 'metadata.n': { $contains: 1 } },
    { 'metadata.none': null },
    { 'metadata.none': { $exists: true } },
    { 'metadata.none': { $lt: 0 } },
    { 'metadata.none.deeper': { $exists: false } },
    { 'metadata.emoji': { $gt: '\uffee' } },
    { 'metadata.yes': { $in: [1, 'true', null] } },
    { 'metadata.yes': { $nin: [1, 'true', null] } },
    { id: { $gte: 'corner', $lte: 'corner' } },
    { id: { $contains: 'corn' } },
  ];
  it.each(corners)('agrees with the plain evaluation on %j', async (input) => {
    const metadata = {
      n: 1,
      s: 'a',
      none: null,
      yes: true,
      tags: ['x', 1, null],
      list: [{ name: 'x' }],
      o: { k: 1 },
      emoji: '😀',
    };
    const document = { id: 'corner', created_at: '2026-01-01T00:00:00Z', metadata };
    await store([document]);
    const expected = evaluateFilter(parseFilter(input), document) ? ['corner'] : [];
    expect(await matches(input, 'docs')).toEqual(expected);
    expect((await matches(input, 'links')).filter((id) => id !== 'dangling')).toEqual(expected);
  });

  it('cuts the nanoseconds of a stored time to milliseconds', async () => {
    await session.query("DELETE docs; CREATE docs:a SET created_at = d'2026-01-01T00:00:00.123456789Z'");
    expect(await matches({ created_at: '2026-01-01T00:00:00.123Z' }, 'docs')).toEqual(['a']);
    expect(await matches({ created_at: '2026-01-01T00:00:00.123456789Z' }, 'docs')).toEqual(['a']);
    expect(await matches({ created_at: { $gt: '2026-01-01T00:00:00.123Z' } }, 'docs')).toEqual([]);
    expect(await matches({ created_at: { $in: ['2026-01-01T00:00:00.123Z'] } }, 'docs')).toEqual(['a']);
    expect(await matches({ created_at: { $lt: '2026-01-01T00:00:00.124Z' } }, 'docs')).toEqual(['a']);
  });

  it('compares floats beyond 2^53', async () => {
    await session.query('DELETE docs; CREATE docs:a SET metadata = { n: 1e300f }');
    expect(await matches({ 'metadata.n': 1e300 }, 'docs')).toEqual(['a']);
    expect(await matches({ 'metadata.n': { $in: [1, 1e300] } }, 'docs')).toEqual(['a']);
    expect(await matches({ 'metadata.n': { $lt: 1e301 } }, 'docs')).toEqual(['a']);
    expect(await matches({ 'metadata.n': { $gt: 1e301 } }, 'docs')).toEqual([]);
  });

  const leaf = (n: number) => ({ [`metadata.a.b${n}`]: { $contains: 'x' } });
  const deep = (inner: Record<string, unknown>[], key: '$or' | '$and') =>
    Array.from({ length: 6 }).reduce<Record<string, unknown>>(
      (of, _, level) => (level % 2 === 0 ? { $not: of } : { [key]: [of, leaf(level)] }),
      { [key]: inner },
    );
  const leaves = (n: number) => Array.from({ length: n }, (_, index) => leaf(index));
  const widest: [string, unknown][] = [
    ['100 alternatives', { $or: leaves(100) }],
    ['100 conditions', Object.assign({}, ...leaves(100))],
    ['8 levels around 96 alternatives', deep(leaves(96), '$or')],
    ['8 levels around 96 conditions', deep(leaves(96), '$and')],
    [
      '7 levels of 14 members',
      Array.from({ length: 7 }).reduce<Record<string, unknown>>((of) => ({ $or: [of, ...leaves(13)] }), leaf(0)),
    ],
    [
      '3 levels of 33 members',
      Array.from({ length: 3 }).reduce<Record<string, unknown>>((of) => ({ $and: [of, ...leaves(33)] }), leaf(0)),
    ],
    ['50 alternatives of 2', { $or: Array.from({ length: 50 }, (_, n) => ({ ...leaf(n), ...leaf(n + 50) })) }],
    ['2 alternatives of 50', { $or: [{ $or: leaves(50) }, { $or: leaves(50) }] }],
    ['a list of 100', { 'metadata.a.b1': { $in: Array.from({ length: 100 }, (_, n) => 1e300 + n) } }],
  ];
  it.each(widest)('is read by the engine at its bounds, nested in a search: %s', async (_, input) => {
    await store([{ id: 'hit', created_at: '2026-01-01T00:00:00Z', ...{ metadata: { a: { b1: 'x' } } } }]);
    const { text, params } = compileFilter(parseFilter(input), 'document.');
    const [ids] = await session.query<[string[]]>(
      `SELECT VALUE record::id(id) FROM array::flatten([(SELECT id FROM (SELECT id FROM links WHERE id != NONE AND document != NONE AND (${text})))])`,
      params,
    );
    const expected = evaluateFilter(parseFilter(input), { metadata: { a: { b1: 'x' } } });
    expect(ids.includes('hit')).toBe(expected);
  });
});
