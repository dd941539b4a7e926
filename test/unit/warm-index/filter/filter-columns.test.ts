import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ARTIFACT_COLUMNS, DECISION_COLUMNS } from '../../../../src/search/filter/ast.js';
import { evaluateFilter } from '../../../../src/search/filter/evaluate.js';
import { parseFilter } from '../../../../src/search/filter/parse.js';
import type { Bitset } from '../../../../src/warm-index/bitset.js';
import { Documents } from '../../../../src/warm-index/documents.js';
import { FilterColumns } from '../../../../src/warm-index/filter/columns.js';
import { UnsupportedFilterError } from '../../../../src/warm-index/filter/unsupported.js';
import type { Part } from '../../../../src/warm-index/parts.js';
import { documents as bodies, filterInputs } from '../../../support/filters.js';

type Body = Record<string, unknown>;

/** Documents by their ids, with columns, as a replica keeps them. */
class Kept {
  documents = new Documents();
  columns = new FilterColumns();
  readonly bodies = new Map<string, Body>();

  put(id: string, body: Body): void {
    this.remove(id);
    const placed = this.documents.add({ id, revision: 1, content_revision: 1 }, { passages: 1, whole: false });
    this.columns.add(placed.row, { id, ...body });
    this.bodies.set(id, { id, ...body });
  }

  remove(id: string): void {
    this.documents.remove(id);
    this.bodies.delete(id);
  }

  compact(): void {
    const { documents, renumbered } = this.documents.compacted();
    this.columns = this.columns.compacted(renumbered);
    this.documents = documents;
  }

  reload(): void {
    this.columns = FilterColumns.load(structuredClone(this.columns.dump()));
  }

  select(input: unknown): string[] {
    const rows = this.columns.select(parseFilter(input)).and(this.documents.live);
    return listOf(rows).map((row) => this.documents.idOf(row));
  }

  judge(input: unknown): string[] {
    const filter = parseFilter(input);
    return [...this.bodies].filter(([, body]) => evaluateFilter(filter, body)).map(([id]) => id);
  }
}

function listOf(rows: Bitset): number[] {
  const list: number[] = [];
  rows.forEach((row) => {
    list.push(row);
  });
  return list;
}

const ids = fc.constantFrom('d1', 'd2', 'D3', '123', 'a.b-c_d', 'd6', 'd7', 'd8');
const steps = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('put'), id: ids, body: bodies }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('remove'), id: ids }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('compact', 'reload') }) },
) as fc.Arbitrary<{ kind: 'put' | 'remove' | 'compact' | 'reload'; id: string; body: Body }>;

describe('FilterColumns', () => {
  it('selects what the plain evaluation matches, whatever was put, replaced, removed, compacted and loaded', () => {
    const seen = { some: 0, none: 0 };
    fc.assert(
      fc.property(
        fc.array(steps, { minLength: 5, maxLength: 60 }),
        fc.array(filterInputs, { minLength: 8, maxLength: 8 }),
        (all, inputs) => {
          const kept = new Kept();
          for (const { kind, id, body } of all) {
            if (kind === 'put') kept.put(id, body);
            else if (kind === 'remove') kept.remove(id);
            else kept[kind]();
            // In between too: what a selection leaves behind must follow what comes after.
            if (kind !== 'put') kept.select(inputs[0]);
          }
          for (const input of inputs) {
            const expected = kept.judge(input).sort();
            seen[expected.length > 0 ? 'some' : 'none'] += 1;
            expect(kept.select(input).sort()).toEqual(expected);
            expect(kept.select(input).sort()).toEqual(expected);
          }
        },
      ),
      { numRuns: 400 },
    );
    // Both answers must be common, or the property says little.
    expect(seen.some).toBeGreaterThan(500);
    expect(seen.none).toBeGreaterThan(500);
  });

  const document = {
    title: 'Ação',
    minio_ref: { bucket: 'b', key: 'k/x.pdf', name: 'x.pdf', content_type: 'application/pdf', size_bytes: 10 },
    outcome: { status: 'failure', summary: null, recorded_at: '2026-01-02T00:00:00.5Z' },
    created_at: '2026-01-01T00:00:00.123456789Z',
    updated_at: 'no time at all',
    metadata: {
      n: 1,
      zero: -0,
      none: null,
      tags: ['x', 1, null, true, ['y'], { name: 'z' }],
      empty: [],
      o: { k: { v: 2 } },
      'a.b': 1,
      '1st': 1,
      emoji: '😀',
    },
  };
  const cases: [Record<string, unknown>, boolean][] = [
    [{ 'minio_ref.bucket': 'b', 'minio_ref.size_bytes': { $gt: 9 } }, true],
    [{ 'minio_ref.key': { $contains: '/x' } }, true],
    [{ 'minio_ref.name': { $exists: false } }, false],
    [{ created_at: '2026-01-01T01:00:00.123+01:00' }, true],
    [{ created_at: { $gt: '2026-01-01T00:00:00.123Z' } }, false],
    [{ created_at: { $in: ['2026-01-01T00:00:00.123999Z', '2020-01-01T00:00:00Z'] } }, true],
    // A time that cannot be read is there, and is no time.
    [{ updated_at: { $exists: true } }, true],
    [{ updated_at: { $gte: '0000-01-01T00:00:00Z' } }, false],
    [{ updated_at: { $lte: '9999-01-01T00:00:00Z' } }, false],
    [{ 'metadata.zero': 0 }, true],
    [{ 'metadata.zero': { $in: [0, 5] } }, true],
    [{ 'metadata.zero': { $lt: 0 } }, false],
    [{ 'metadata.none': null }, true],
    [{ 'metadata.none': { $in: [false, true, 0, ''] } }, false],
    [{ 'metadata.tags': { $contains: true } }, true],
    [{ 'metadata.tags': { $contains: false } }, false],
    [{ 'metadata.tags': { $contains: 'y' } }, false],
    [{ 'metadata.tags': 'x' }, false],
    [{ 'metadata.tags.name': { $exists: true } }, false],
    [{ 'metadata.empty': { $exists: true } }, true],
    [{ 'metadata.empty': { $contains: '' } }, false],
    [{ 'metadata.o': { $exists: true } }, true],
    [{ 'metadata.o': { $ne: 'k' } }, true],
    [{ 'metadata.o.k.v': { $gte: 2, $lte: 2 } }, true],
    // A key with a dot is no path.
    [{ 'metadata.a.b': 1 }, false],
    [{ 'metadata.emoji': { $gt: '\uffee' } }, true],
    [{ 'metadata.emoji': { $lt: '\uffee' } }, false],
  ];
  it.each(cases)('judges %j as %j', (input, expected) => {
    const filter = parseFilter(input);
    const columns = new FilterColumns();
    columns.add(0, {});
    columns.add(1, document);
    expect(evaluateFilter(filter, document)).toBe(expected);
    expect(columns.select(filter).has(1)).toBe(expected);
    expect(columns.select(filter).has(0)).toBe(evaluateFilter(filter, {}));
  });

  it('judges the columns of decisions', () => {
    const columns = new FilterColumns();
    columns.add(0, document);
    const rows = (input: unknown) => listOf(columns.select(parseFilter(input, DECISION_COLUMNS)));
    expect(rows({ 'outcome.status': { $in: ['failure', 'partial'] } })).toEqual([0]);
    expect(rows({ 'outcome.recorded_at': { $lt: '2026-01-02T00:00:00.501Z' } })).toEqual([0]);
    expect(rows({ 'outcome.recorded_at': { $lt: '2026-01-02T00:00:00.5Z' } })).toEqual([]);
    expect(rows({ 'outcome.summary': { $exists: true } })).toEqual([0]);
    expect(rows({ 'outcome.summary': { $contains: '' } })).toEqual([]);
  });

  it('selects nothing and everything where there is nothing, and only rows that are there', () => {
    const columns = new FilterColumns();
    expect(listOf(columns.select(parseFilter({ title: 'a' })))).toEqual([]);
    expect(listOf(columns.select(parseFilter({ title: { $ne: 'a' } })))).toEqual([]);
    expect(listOf(columns.select(parseFilter({})))).toEqual([]);
    for (let row = 0; row < 33; row += 1) columns.add(row, {});
    expect(listOf(columns.select(parseFilter({ 'metadata.x': { $ne: 'a' } })))).toHaveLength(33);
    expect(columns.select(parseFilter({})).size).toBe(33);
  });

  it('gives a set that its caller may change', () => {
    const columns = new FilterColumns();
    for (let row = 0; row < 100; row += 1) columns.add(row, { language: 'english' });
    const filter = parseFilter({ language: 'english' });
    columns.select(filter).delete(7);
    columns.select({ kind: 'and', of: [filter] }).delete(8);
    columns.select({ kind: 'or', of: [filter] }).delete(9);
    expect(columns.select(filter).size).toBe(100);
  });

  it('leaves behind what only dead rows had', () => {
    const columns = new FilterColumns();
    columns.add(0, { title: 'secret', metadata: { password: ['hidden'], kept: 'public' } });
    columns.add(1, { title: 'open', metadata: { kept: 'public' } });
    const text = (of: FilterColumns) =>
      Object.values(of.dump())
        .map((part) => Buffer.from(part.buffer).toString('latin1'))
        .join();
    expect(text(columns)).toMatch(/secret.*password|password.*secret/s);
    const compacted = columns.compacted({ rows: Int32Array.of(-1, 0), slots: new Int32Array() });
    expect(text(compacted)).toContain('public');
    expect(text(compacted)).not.toMatch(/secret|password|hidden/);
    expect(listOf(compacted.select(parseFilter({})))).toEqual([0]);
  });

  describe('within its bounds', () => {
    const filled = (bounds: { maxPaths: number; maxTextBytes: number }) => {
      const columns = new FilterColumns(bounds);
      columns.add(0, { title: 't0', metadata: { a: 'aaaa', b: 1 } });
      columns.add(1, { title: 't1', metadata: { a: 'bbbb', b: 2, c: 3 }, agent_id: 'x' });
      return columns;
    };
    const select = (columns: FilterColumns, input: unknown) => listOf(columns.select(parseFilter(input)));

    it('leaves paths of metadata beyond a number to the database, and goes on answering for the others', () => {
      // Columns with a name of their own do not count.
      const columns = filled({ maxPaths: 2, maxTextBytes: 1_000 });
      for (const state of [columns, FilterColumns.load(columns.dump())]) {
        expect(select(state, { 'metadata.b': 2 })).toEqual([1]);
        expect(select(state, { agent_id: { $exists: false } })).toEqual([0]);
        for (const path of ['metadata.c', 'metadata.d'])
          expect(() => select(state, { $or: [{ title: 't0' }, { [path]: 3 }] })).toThrow(UnsupportedFilterError);
        // Compaction makes room for paths, but brings back nothing of what was not taken in.
        state.add(2, { title: 't2', metadata: { c: 5 } });
        const compacted = state.compacted({ rows: Int32Array.of(-1, -1, 0), slots: new Int32Array() });
        compacted.add(1, { metadata: { c: 5 } });
        expect(select(compacted, { title: 't2' })).toEqual([0]);
        expect(() => select(compacted, { 'metadata.c': 5 })).toThrow(UnsupportedFilterError);
      }
    });

    it('says that nobody has a path only when all paths are kept', () => {
      expect(select(filled({ maxPaths: 3, maxTextBytes: 1_000 }), { 'metadata.d': { $exists: false } })).toEqual([
        0, 1,
      ]);
    });

    it('drops a path with too much text, for good', () => {
      const columns = filled({ maxPaths: 10, maxTextBytes: 7 });
      columns.add(2, { metadata: { a: 'c', b: 3 } });
      for (const state of [columns, FilterColumns.load(columns.dump(), { maxPaths: 10, maxTextBytes: 7 })]) {
        expect(() => select(state, { 'metadata.a': 'c' })).toThrow(UnsupportedFilterError);
        expect(select(state, { 'metadata.b': { $gt: 1 } })).toEqual([1, 2]);
      }
    });

    it('knows only documents and decisions', () => {
      const columns = filled({ maxPaths: 10, maxTextBytes: 1_000 });
      const filter = parseFilter({ sha256: 'a' }, ARTIFACT_COLUMNS);
      expect(() => columns.select(filter)).toThrow(UnsupportedFilterError);
    });
  });

  it('refuses parts that do not fit together', () => {
    const columns = new FilterColumns();
    columns.add(0, { title: 'a', revision: 1, metadata: { tags: ['x'] } });
    const parts = columns.dump();
    expect(() => FilterColumns.load({})).toThrow('paths');
    // Without elements a column is one without lists.
    const names = Object.keys(parts).filter((name) => !name.endsWith('.elements.texts.bytes'));
    for (const name of names) {
      const { [name]: _, ...rest } = parts;
      expect(() => FilterColumns.load(rest), name).toThrow(Error);
    }
    for (const name of names.filter((name) => /(hashes|previous|counts|values|texts\.bytes)$/.test(name)))
      expect(() => FilterColumns.load({ ...parts, [name]: longer(parts[name]!) }), name).toThrow('fit');
  });
});

function longer(part: Part): Part {
  const longer = new (part.constructor as new (length: number) => Part)(part.length + 1);
  longer.set(part);
  return longer;
}
