import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DEFAULT_BUCKETS, keyFor, parseBuckets } from '../../../src/objects/buckets.js';
import { checkName } from '../../../src/objects/keys.js';

const only = (text: string) => {
  const { buckets, faults } = parseBuckets(text);
  expect(faults).toEqual([]);
  return buckets[0]!;
};
const NONE = {
  entity: undefined,
  id: undefined,
  name: undefined,
  user: undefined,
  session_id: undefined,
  agent_id: undefined,
};
const PLACES = ['year', 'month', 'day', ...Object.keys(NONE)];
const now = new Date('2026-03-09T23:59:59.999Z');

describe('MINIO_BUCKETS', () => {
  test('has three buckets by default, of which models are locked', () => {
    const { buckets, faults } = parseBuckets(DEFAULT_BUCKETS);
    expect(faults).toEqual([]);
    expect(buckets.map(({ name, lock }) => [name, lock])).toEqual([
      ['agents-artifacts', undefined],
      ['documents', undefined],
      ['models', { mode: 'GOVERNANCE', days: 30 }],
    ]);
    expect(new Set(buckets.map(({ key_template }) => key_template))).toEqual(
      new Set(['{year}/{month}/{entity}/{id}/{name}']),
    );
  });

  test('takes options', () => {
    expect(only('reports?key={user}/{name}&lock=COMPLIANCE:90&replicate=arn:minio:replication::x:y')).toEqual({
      name: 'reports',
      key_template: '{user}/{name}',
      lock: { mode: 'COMPLIANCE', days: 90 },
      replication_arn: 'arn:minio:replication::x:y',
    });
    expect(only('models?lock=none').lock).toBeUndefined();
    expect(only('one?key={id}/a+b').key_template).toBe('{id}/a+b');
  });

  test.each([
    ['', 'must be 1 to 50 buckets'],
    ['Upper', 'is not the name of a bucket'],
    ['one,two,one', 'names a bucket twice'],
    ['one?colour=red', 'knows no option colour'],
    ['one?key={who}/{id}', 'knows no place {who}'],
    ['one?key={year}', 'a key needs {id} or {name}'],
    ['one?key=/{id}', 'is not a template of a key'],
    ['one?key={id}/', 'is not a template of a key'],
    ['one?key={id}//x', 'is not a template of a key'],
    ['one?key={id', 'a key needs {id} or {name}'],
    ['one?key=../{id}', 'is not a template of a key'],
    ['one?key={id}/./x', 'is not a template of a key'],
    ['one?key=\u0007{id}', 'is not a template of a key'],
    [`one?key=${'x'.repeat(256)}/{id}`, 'is not a template of a key'],
    ['one?key={user}{entity}{session_id}{id}', 'leaves too little room'],
    ['one?lock=GOVERNANCE:0', 'lock is for 1 to 36500 days'],
    ['one?lock=SOME:3', 'lock is GOVERNANCE:days, COMPLIANCE:days or none'],
  ])('refuses %j: %s', (text, fault) => {
    expect(parseBuckets(text).faults.join('\n')).toContain(fault);
  });

  test('of any text ends in buckets or in faults, never in an exception', () => {
    const text = fc.oneof(
      fc.string(),
      fc.string({
        unit: fc.constantFrom('a', '-', '?', '&', '=', ',', '{', '}', 'id', 'name', 'key', 'lock', '/', ':'),
      }),
    );
    fc.assert(
      fc.property(text, (given) => {
        const { buckets, faults } = parseBuckets(given);
        expect(buckets.length + faults.length).toBeGreaterThan(0);
      }),
    );
  });
});

describe('keyFor', () => {
  test('fills places in, with times in UTC', () => {
    const places = { ...NONE, entity: 'ac/me', id: '7', name: 'Q1 report.pdf', user: 'ana' };
    expect(keyFor(only('documents'), places, now)).toBe('2026/03/ac_me/7/Q1 report.pdf');
    expect(keyFor(only('documents'), NONE, now)).toBe('2026/03/none/none/none');
    expect(keyFor(only('one?key={user}/{day}-{name}.v1'), places, now)).toBe('ana/09-Q1 report.pdf.v1');
  });

  test('gives a key that every store takes, whatever the names are', () => {
    const piece = fc.constantFrom(...PLACES.map((place) => `{${place}}`), '-', '.', '..', 'x', '+', ' ', 'é');
    const template = fc
      .array(fc.array(piece, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 5 })
      .map((segments) => `${segments.map((segment) => segment.join('')).join('/')}/{id}`);
    const value = fc.option(
      fc.oneof(
        fc.string({ unit: 'grapheme', maxLength: 300 }),
        fc.string({ unit: 'binary', maxLength: 300 }),
        fc.constantFrom(
          '',
          '.',
          '..',
          '...',
          '../..',
          '\\..\\',
          'a\u0000b',
          'é'.repeat(200),
          '📄'.repeat(80),
          '\uD800',
        ),
      ),
      { nil: undefined },
    );
    const places = fc.record({
      entity: value,
      id: value,
      name: value,
      user: value,
      session_id: value,
      agent_id: value,
    });
    fc.assert(
      fc.property(template, places, (key_template, values) => {
        const { buckets, faults } = parseBuckets(`bucket?key=${key_template}`);
        fc.pre(faults.length === 0);
        const key = keyFor(buckets[0]!, values, now);
        expect(() => checkName({ bucket: 'bucket', key })).not.toThrow();
      }),
      { numRuns: 500 },
    );
  });

  test('keeps the ending of a name that it has to cut', () => {
    const key = keyFor(only('one?key={id}/{name}'), { ...NONE, id: '1', name: `${'é'.repeat(200)}.pdf` }, now);
    expect(key).toMatch(/^1\/é+\.pdf$/);
    expect(Buffer.byteLength(key.slice(2))).toBeLessThanOrEqual(255);
  });
});
