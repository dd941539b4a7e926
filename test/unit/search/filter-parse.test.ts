import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AcervoError } from '../../../src/errors/error.js';
import { compileFilter } from '../../../src/search/filter/compile.js';
import { parseFilter } from '../../../src/search/filter/parse.js';
import { filterExample, filterSchema } from '../../../src/search/filter/schema.js';
import { filterInputs } from '../../support/filters.js';

function refusal(input: unknown): AcervoError {
  try {
    parseFilter(input);
  } catch (error) {
    if (error instanceof AcervoError) return error;
    throw error;
  }
  throw new Error(`${JSON.stringify(input)} was accepted`);
}

const metadata = (...segments: string[]) => ({ column: 'metadata', segments, type: 'any' });
const title = { column: 'title', segments: [], type: 'string' };

describe('parseFilter', () => {
  it('reads a value as $eq, and several keys and operators as AND', () => {
    expect(parseFilter({ title: 't' })).toEqual({ kind: 'eq', path: title, value: 't' });
    expect(parseFilter({ title: 't', 'metadata.a.x-1': { $gt: 1, $lt: 2 } })).toEqual({
      kind: 'and',
      of: [
        { kind: 'eq', path: title, value: 't' },
        { kind: 'gt', path: metadata('a', 'x-1'), value: 1 },
        { kind: 'lt', path: metadata('a', 'x-1'), value: 2 },
      ],
    });
    expect(parseFilter({})).toEqual({ kind: 'and', of: [] });
  });

  it('reads the negative operators as not', () => {
    expect(parseFilter({ 'metadata.a': { $ne: null } })).toEqual({
      kind: 'not',
      of: { kind: 'eq', path: metadata('a'), value: null },
    });
    expect(parseFilter({ 'metadata.a': { $nin: [1, 'x'] } })).toEqual({
      kind: 'not',
      of: { kind: 'in', path: metadata('a'), values: [1, 'x'] },
    });
    expect(parseFilter({ title: { $exists: false } })).toEqual({ kind: 'not', of: { kind: 'exists', path: title } });
  });

  it('reads groups', () => {
    const eq = (value: string) => ({ kind: 'eq', path: title, value });
    expect(parseFilter({ $or: [{ title: 'a' }, { $not: { title: 'b' } }] })).toEqual({
      kind: 'or',
      of: [eq('a'), { kind: 'not', of: eq('b') }],
    });
    expect(parseFilter({ $and: [{ title: 'a' }, {}] })).toEqual({
      kind: 'and',
      of: [eq('a'), { kind: 'and', of: [] }],
    });
  });

  it('reads datetimes with their offset', () => {
    expect(parseFilter({ created_at: { $gte: '2026-01-01T02:00:00.5+02:00' } })).toEqual({
      kind: 'gte',
      path: { column: 'created_at', segments: [], type: 'datetime' },
      value: new Date('2026-01-01T00:00:00.500Z'),
    });
  });

  const paths = [
    'content',
    'metadata',
    'metadata.',
    'metadata..a',
    'metadata.a b',
    'metadata.1a',
    'metadata.a`b',
    'Title',
    '',
    'title.x',
    'metadata.__proto__',
    'metadata.a.constructor',
    'metadata.prototype',
    '__proto__',
    'constructor',
    'toString',
    `metadata.${'a'.repeat(65)}`,
    `metadata${'.a'.repeat(9)}`,
    'metadata.a\n',
    'metadata.é',
    'metadata.a.*',
    'metadata.a[0]',
  ];
  it.each(paths)('refuses the path %j', (path) => {
    const error = refusal(Object.fromEntries([[path, 1]]));
    expect(error.code).toBe('filter:unknown_path');
    expect(error.faults).toEqual([{ path: `filter.${path}`, message: expect.stringContaining('created_at') }]);
  });

  it('takes the longest path that is allowed', () => {
    const path = ['metadata', ...Array.from({ length: 8 }, () => `_${'z'.repeat(63)}`)].join('.');
    expect(parseFilter({ [path]: 1 })).toMatchObject({ kind: 'eq', value: 1 });
  });

  it('refuses __proto__ as it comes from JSON', () => {
    expect(refusal(JSON.parse('{"__proto__": {"$eq": 1}}')).code).toBe('filter:unknown_path');
    expect(refusal(JSON.parse('{"title": {"__proto__": 1}}')).code).toBe('filter:unknown_operator');
  });

  const unknownOperators: unknown[] = [
    { $nor: [{}] },
    { $eq: 1 },
    { title: { $regex: 'x' } },
    { title: { eq: 'x' } },
    { 'metadata.a': { b: 1 } },
    { title: { $not: { $eq: 'x' } } },
    { title: { $EQ: 'x' } },
  ];
  it.each(unknownOperators)('refuses the operator in %j', (input) => {
    expect(refusal(input).code).toBe('filter:unknown_operator');
  });

  const invalid: unknown[] = [
    null,
    [],
    'title',
    1,
    true,
    undefined,
    { title: {} },
    { title: 1 },
    { title: null },
    { title: ['a'] },
    { title: { $in: 'a' } },
    { title: { $in: [] } },
    { title: { $in: ['a', 1] } },
    { title: { $in: Array(101).fill('a') } },
    { title: { $exists: 1 } },
    { title: { $contains: 1 } },
    { 'metadata.a': { $contains: [1] } },
    { 'metadata.a': { $gt: null } },
    { 'metadata.a': { $lte: true } },
    { 'metadata.a': [1] },
    { 'metadata.a': { $eq: {} } },
    { 'metadata.a': Number.NaN },
    { 'metadata.a': { $lt: Number.POSITIVE_INFINITY } },
    { 'metadata.a': undefined },
    { title: 'a'.repeat(1001) },
    { 'metadata.a': { $in: ['a'.repeat(1001)] } },
    { title: '\ud800' },
    { 'metadata.a': { $contains: 'x\udc00y' } },
    { revision: '1' },
    { revision: 1.5 },
    { revision: { $contains: 1 } },
    { revision: null },
    { created_at: '2026-01-01' },
    { created_at: '2026-01-01T00:00Z' },
    { created_at: '2026-01-01T00:00:00' },
    { created_at: '2026-02-30T00:00:00Z' },
    { created_at: '2026-01-01T24:00:00Z' },
    { created_at: 1767225600000 },
    { created_at: { $contains: '2026-01-01T00:00:00Z' } },
    { updated_at: { $in: ['2026-01-01T00:00:00Z', 'x'] } },
    { created_at: '0000-01-01T00:00:00+01:00' },
    { created_at: '9999-12-31T23:59:59-01:00' },
    { $and: [] },
    { $or: {} },
    { $or: [1] },
    { $not: [] },
    { $not: null },
    { $and: null },
  ];
  it.each(invalid)('refuses %j', (input) => {
    const error = refusal(input);
    expect(error.code).toBe('filter:invalid');
    expect(error.faults).toHaveLength(1);
    expect(error.faults[0]!.message).toMatch(/\.$/);
  });

  it('names every fault with its place, and takes the code of the first', () => {
    const error = refusal({ $or: [{ title: 'a' }, { 'metadata.a': { $gt: true, $near: 1 } }], content: 'x' });
    expect(error.code).toBe('filter:invalid');
    expect(error.faults.map(({ path }) => path)).toEqual([
      'filter.$or[1].metadata.a.$gt',
      'filter.$or[1].metadata.a.$near',
      'filter.content',
    ]);
  });

  const nested = (depth: number): unknown => (depth === 1 ? { title: 'a' } : { $not: nested(depth - 1) });
  it('is bounded in depth, conditions and text of its own answer', () => {
    expect(parseFilter(nested(8))).toMatchObject({ kind: 'not' });
    expect(refusal(nested(9)).faults[0]!.message).toContain('8 objects deep');
    const wide = (n: number) => ({ $or: Array.from({ length: n }, (_, index) => ({ revision: index })) });
    expect(parseFilter(wide(100))).toMatchObject({ kind: 'or', of: { length: 100 } });
    for (const input of [wide(101), { $and: Array(101).fill({}) }, { $and: Array(101).fill(1) }])
      expect(refusal(input).faults).toEqual([{ path: 'filter', message: 'A filter has at most 100 conditions.' }]);
    expect(refusal({ [`metadata.${'x'.repeat(100_000)}`]: 1 }).faults[0]!.path).toHaveLength(200);
  });

  it('accepts the example that its schema shows', () => {
    expect(filterSchema.parse(filterExample)).toEqual(filterExample);
    expect(parseFilter(filterExample)).toMatchObject({
      kind: 'and',
      of: [{ kind: 'gt' }, { kind: 'gte' }, { kind: 'or' }],
    });
  });
});

describe('compileFilter', () => {
  it('binds every value under a name of its own, and writes only checked paths', () => {
    const filter = parseFilter({
      'metadata.a.x-y': { $gte: 5 },
      agent_id: { $in: ['a1', 'a2'] },
      created_at: '2026-01-01T00:00:00Z',
    });
    expect(compileFilter(filter, 'document.')).toEqual({
      text:
        '((type::is_object(document.metadata.`a`) AND type::is_number(document.metadata.`a`.`x-y`) AND document.metadata.`a`.`x-y` >= $f0)' +
        ' AND (document.agent_id IN $f1)' +
        ' AND (type::is_datetime(document.created_at) AND time::floor(document.created_at, 1ms) = $f2))',
      params: { f0: 5, f1: ['a1', 'a2'], f2: new Date('2026-01-01T00:00:00Z') },
    });
    expect(compileFilter(parseFilter({}))).toEqual({ text: 'true', params: {} });
  });

  it('lets nothing of a value into the text', () => {
    fc.assert(
      fc.property(filterInputs, (input) => {
        const { text, params } = compileFilter(parseFilter(input));
        const vocabulary =
          /^(?:[()!,[\] ]|AND|OR|IS NOT NONE|IN|CONTAINS|=|[<>]=?|true|\$f\d+|1ms|(?:type|time|record)::\w+|`[A-Za-z_][\w-]*`|[a-z_]+|\.)*$/;
        expect(text).toMatch(vocabulary);
        expect(text).not.toMatch(/['"]/);
        const used = [...new Set(text.match(/\$f\d+/g) ?? [])].sort();
        expect(used).toEqual(
          Object.keys(params)
            .map((name) => `$${name}`)
            .sort(),
        );
      }),
    );
  });
});
