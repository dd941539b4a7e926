import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { evaluateFilter } from '../../../src/search/filter/evaluate.js';
import { parseFilter } from '../../../src/search/filter/parse.js';
import { documents, filterInputs } from '../../support/filters.js';

const matches = (input: unknown, document: Record<string, unknown>) => evaluateFilter(parseFilter(input), document);

describe('evaluateFilter', () => {
  const document = {
    id: 'd1',
    title: 'Ação',
    revision: 3,
    created_at: '2026-01-01T00:00:00.123456789Z',
    metadata: {
      n: 1,
      s: 'abc',
      none: null,
      yes: true,
      tags: ['x', 1, null, ['y']],
      list: [{ name: 'x' }],
      o: { k: { v: 2 } },
      emoji: '😀',
    },
  };
  const cases: [unknown, boolean][] = [
    [{}, true],
    [{ $not: {} }, false],
    [{ id: 'd1', revision: { $gt: 2, $lt: 4 } }, true],
    [{ id: 'd1', revision: { $gt: 2, $lt: 3 } }, false],
    [{ title: 'Ação' }, true],
    [{ title: { $contains: 'ção' } }, true],
    [{ title: { $contains: '' } }, true],
    // Missing paths.
    [{ agent_id: 'a' }, false],
    [{ agent_id: { $ne: 'a' } }, true],
    [{ agent_id: { $in: ['a'] } }, false],
    [{ agent_id: { $nin: ['a'] } }, true],
    [{ agent_id: { $exists: false } }, true],
    [{ agent_id: { $exists: true } }, false],
    [{ agent_id: { $lt: 'z' } }, false],
    [{ $not: { agent_id: { $lt: 'z' } } }, true],
    [{ 'metadata.nope.deeper': null }, false],
    // null is explicit.
    [{ 'metadata.none': null }, true],
    [{ 'metadata.none': { $exists: true } }, true],
    [{ 'metadata.nope': null }, false],
    [{ 'metadata.n': { $ne: null } }, true],
    [{ 'metadata.nope': { $in: [null] } }, false],
    [{ 'metadata.none': { $in: [1, null] } }, true],
    // Types do not mix.
    [{ 'metadata.n': '1' }, false],
    [{ 'metadata.n': true }, false],
    [{ 'metadata.yes': 1 }, false],
    [{ 'metadata.s': { $gt: 0 } }, false],
    [{ 'metadata.n': { $lt: 'z' } }, false],
    [{ 'metadata.none': { $lte: 0 } }, false],
    [{ 'metadata.n': { $lte: 1 } }, true],
    [{ 'metadata.s': { $gte: 'abb' } }, true],
    // By code point: U+1F600 is after U+FFEE, though its first UTF-16 unit is before.
    [{ 'metadata.emoji': { $gt: '\uffee' } }, true],
    // Lists and objects.
    [{ 'metadata.tags': { $contains: 'x' } }, true],
    [{ 'metadata.tags': { $contains: 1 } }, true],
    [{ 'metadata.tags': { $contains: null } }, true],
    [{ 'metadata.tags': { $contains: 'y' } }, false],
    [{ 'metadata.tags': { $contains: 'xx' } }, false],
    [{ 'metadata.tags': 'x' }, false],
    [{ 'metadata.s': { $contains: 'bc' } }, true],
    [{ 'metadata.n': { $contains: 1 } }, false],
    [{ 'metadata.o': { $contains: 'k' } }, false],
    [{ 'metadata.o.k.v': 2 }, true],
    [{ 'metadata.o.k': { $exists: true } }, true],
    [{ 'metadata.list.name': 'x' }, false],
    [{ 'metadata.list.name': { $exists: false } }, true],
    [{ 'metadata.tags.length': { $exists: false } }, true],
    [{ 'metadata.s.length': { $exists: false } }, true],
    [{ 'metadata.toString': { $exists: false } }, true],
    // Times, by the millisecond and across offsets.
    [{ created_at: '2026-01-01T01:00:00.123+01:00' }, true],
    [{ created_at: { $gt: '2026-01-01T00:00:00.123Z' } }, false],
    [{ created_at: { $gte: '2026-01-01T00:00:00.124Z' } }, false],
    [{ created_at: { $in: ['2026-01-01T00:00:00.123999Z'] } }, true],
    [{ $or: [{ id: 'x' }, { 'metadata.n': 1 }] }, true],
    [{ $or: [{ id: 'x' }], 'metadata.n': 1 }, false],
  ];
  it.each(cases)('judges %j as %j', (input, expected) => {
    expect(matches(input, document)).toBe(expected);
  });

  it('follows the laws of logic', () => {
    fc.assert(
      fc.property(documents, filterInputs, filterInputs, (body, p, q) => {
        const [a, b] = [matches(p, body), matches(q, body)];
        expect(matches({ $not: p }, body)).toBe(!a);
        expect(matches({ $and: [p, q] }, body)).toBe(a && b);
        expect(matches({ $or: [p, q] }, body)).toBe(a || b);
        expect(matches({ $not: { $or: [p, q] } }, body)).toBe(matches({ $and: [{ $not: p }, { $not: q }] }, body));
      }),
    );
  });
});
