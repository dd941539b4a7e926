import { describe, expect, test } from 'vitest';
import type { Entry } from '../../../src/objects/disk/catalog.js';
import { agingOf } from '../../../src/objects/disk/janitor.js';
import { daysHavePassed, expiresBy, type LifecycleRule, rulesOf } from '../../../src/objects/lifecycle.js';
import { comparable, comparableRules, lifecycleXml, parseLifecycle } from '../../../src/objects/lifecycle-xml.js';
import { read } from '../repository/sources.js';

const OURS = read('lifecycle.xml');
const BUCKETS = ['agents-artifacts', 'documents', 'models'];
const rule = (actions: string, id = 'documents:x') =>
  `<Rule><ID>${id}</ID><Status>Enabled</Status><Filter><Prefix></Prefix></Filter>${actions}</Rule>`;
const file = (...rules: string[]) => `<LifecycleConfiguration>${rules.join('')}</LifecycleConfiguration>`;
const parse = (xml: string, tier?: string) => parseLifecycle(xml, { tier, buckets: BUCKETS });
const DAYS = '<Expiration><Days>3</Days></Expiration>';

describe('lifecycle.xml of Acervo', () => {
  test('says what the design says', () => {
    const { rules, left_out } = parse(OURS, 'COLD');
    expect(left_out).toEqual([]);
    const clean = { expire_lone_markers: true, old_versions: { after_days: 30, keep: 0 }, abort_uploads_after_days: 7 };
    expect(rules.map(({ id, bucket: _, prefix, ...actions }) => [id, prefix, actions])).toEqual([
      ['agents-artifacts:expire', '', { expire_after_days: 30 }],
      ['agents-artifacts:tier', '', { transition: { after_days: 7, tier: 'COLD' } }],
      ['agents-artifacts:clean', '', clean],
      ['documents:expire', '', { expire_after_days: 365 }],
      ['documents:tier', '', { transition: { after_days: 90, tier: 'COLD' } }],
      ['documents:clean', '', clean],
      ['models:clean', '', { expire_lone_markers: true, abort_uploads_after_days: 7 }],
    ]);
    expect(rulesOf(rules, 'models').map(({ id }) => id)).toEqual(['models:clean']);
  });

  test('says which rules are not in force', () => {
    expect(parse(OURS).left_out).toEqual([
      'agents-artifacts:tier: objects stay where they are, as no tier is configured',
      'documents:tier: objects stay where they are, as no tier is configured',
    ]);
    const { rules, left_out } = parseLifecycle(OURS, { tier: 'COLD', buckets: ['documents', 'reports'] });
    expect(new Set(rules.map(({ bucket }) => bucket))).toEqual(new Set(['documents']));
    expect(left_out).toContain('models:clean: there is no such bucket here');
    expect(parse(file(rule(DAYS).replace('Enabled', 'Disabled')))).toEqual({
      rules: [],
      left_out: ['documents:x: it is disabled'],
    });
  });
});

describe('reading rules', () => {
  test('takes a rule of several actions, and all but a transition without a tier', () => {
    const both = file(
      rule(`${DAYS}<Transition><Days>0</Days><StorageClass>\${MINIO_TIER}</StorageClass></Transition>`),
    );
    expect(parse(both, 'COLD').rules).toEqual([
      {
        id: 'documents:x',
        bucket: 'documents',
        prefix: '',
        expire_after_days: 3,
        transition: { after_days: 0, tier: 'COLD' },
      },
    ]);
    expect(parse(both)).toEqual({
      rules: [{ id: 'documents:x', bucket: 'documents', prefix: '', expire_after_days: 3 }],
      left_out: ['documents:x: objects stay where they are, as no tier is configured'],
    });
  });

  test('takes prefixes and dates', () => {
    const xml = file(
      rule('<Expiration><Date>2027-01-01T00:00:00Z</Date></Expiration>').replace(
        '<Prefix>',
        '<Prefix>007/a&amp;b &lt;',
      ),
    );
    expect(parse(xml).rules).toMatchObject([{ prefix: '007/a&b <', expire_on: '2027-01-01T00:00:00.000Z' }]);
  });

  test.each([
    ['an unknown element', rule(`${DAYS}<Colour>red</Colour>`), 'documents:x: knows no element Colour'],
    [
      'an unknown filter',
      rule(DAYS).replace('<Prefix></Prefix>', '<Tag><Key>a</Key></Tag>'),
      'documents:x: knows no element Tag',
    ],
    ['an unknown bucket', rule(DAYS, 'elsewhere:x'), 'elsewhere:x: its ID begins with no bucket'],
    ['an ID twice', rule(DAYS) + rule(DAYS), 'documents:x: is there twice'],
    ['no ID', rule(DAYS).replace(/<ID>.*<\/ID>/, ''), 'number 1: has an ID'],
    ['no status', rule(DAYS).replace('Enabled', 'On'), 'documents:x: Status is Enabled or Disabled'],
    ['no action', rule(''), 'documents:x: does nothing'],
    ['no number', rule('<Expiration><Days>many</Days></Expiration>'), 'documents:x: Days is a whole number from 1'],
    ['a number below', rule('<Expiration><Days>0</Days></Expiration>'), 'documents:x: Days is a whole number from 1'],
    ['a fraction', rule('<Expiration><Days>1.5</Days></Expiration>'), 'documents:x: Days is a whole number from 1'],
    ['two expirations', rule(DAYS + DAYS), 'documents:x: an element is there twice'],
    [
      'two kinds of end',
      rule(DAYS.replace('</Exp', '<ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Exp')),
      'documents:x: Expiration is one of',
    ],
    [
      'a time of day',
      rule('<Expiration><Date>2027-01-01T01:00:00Z</Date></Expiration>'),
      'documents:x: Date is a midnight',
    ],
    [
      'no such day',
      rule('<Expiration><Date>2027-13-01T00:00:00Z</Date></Expiration>'),
      'documents:x: Date is a midnight',
    ],
    [
      'another class',
      rule('<Transition><Days>1</Days><StorageClass>COLD</StorageClass></Transition>'),
      `documents:x: StorageClass is \${MINIO_TIER}`,
    ],
    ['text for elements', rule('<Expiration>soon</Expiration>'), 'documents:x: has text where elements belong'],
  ])('refuses %s, and names the rule', (_, rules, fault) => {
    expect(() => parse(file(rules))).toThrow(fault);
  });

  test.each([
    ['<LifecycleConfiguration><Rule></LifecycleConfiguration>', 'lifecycle: line 1'],
    ['<Rules></Rules>', 'its root is LifecycleConfiguration'],
    [file('<Rules></Rules>'), 'knows no element Rules'],
    ['', 'lifecycle: line 1'],
  ])('refuses what is no such file: %s', (xml, fault) => {
    expect(() => parse(xml)).toThrow(fault);
  });

  test('tells all faults at once', () => {
    const xml = file(rule(''), rule(DAYS, 'elsewhere:x'));
    expect(() => parse(xml)).toThrow(expect.objectContaining({ faults: [expect.any(String), expect.any(String)] }));
  });
});

describe('rules in a store', () => {
  test('are the same when written and read back', () => {
    const rules = parse(OURS, 'A&B').rules.map(({ abort_uploads_after_days: _, ...rest }) => rest);
    const back = comparableRules(lifecycleXml(rules));
    expect([...back]).toEqual(rules.map((one) => [one.id, comparable(one)]));
  });

  test('of a shape that we do not write are never the same', () => {
    const mine: LifecycleRule = { id: 'documents:x', bucket: 'documents', prefix: '', expire_after_days: 3 };
    expect(comparableRules(file(rule(DAYS))).get('documents:x')).toBe(comparable(mine));
    for (const foreign of [
      rule(`${DAYS}<DelMarkerExpiration><Days>1</Days></DelMarkerExpiration>`),
      rule(DAYS).replace('Enabled', 'Disabled'),
    ])
      expect(comparableRules(file(foreign)).get('documents:x')).not.toBe(comparable(mine));
  });
});

describe('time', () => {
  test('is whole days, to the midnight in UTC behind them', () => {
    const since = '2026-01-01T00:00:01Z';
    expect(daysHavePassed(1, since, new Date('2026-01-02T23:59:59.999Z'))).toBe(false);
    expect(daysHavePassed(1, since, new Date('2026-01-03T00:00:00Z'))).toBe(true);
  });

  test('expires what a rule of its bucket and prefix names', () => {
    const days: LifecycleRule = { id: 'documents:x', bucket: 'documents', prefix: 'a/', expire_after_days: 1 };
    const date: LifecycleRule = { id: 'models:x', bucket: 'models', prefix: '', expire_on: '2026-01-03T00:00:00.000Z' };
    const modified_at = '2026-01-01T12:00:00Z';
    const expires = (bucket: string, key: string, now: string) =>
      expiresBy([days, date], { bucket, key, modified_at }, new Date(now));
    expect(expires('documents', 'a/b', '2026-01-03T00:00:00Z')).toBe(true);
    expect(expires('documents', 'a/b', '2026-01-02T23:00:00Z')).toBe(false);
    expect(expires('documents', 'b', '2027-01-03T00:00:00Z')).toBe(false);
    expect(expires('models', 'b', '2026-01-03T00:00:00Z')).toBe(true);
    expect(expires('models', 'b', '2026-01-02T23:59:59Z')).toBe(false);
  });
});

describe('the age of versions', () => {
  const version = (version_id: string, day: number, more: object = {}) => ({
    version_id,
    size_bytes: 1,
    etag: 'e',
    content_type: 'text/plain',
    modified_at: `2026-01-${String(day).padStart(2, '0')}T12:00:00Z`,
    ...more,
  });
  const entry = (...versions: Entry['versions']): Entry => ({ bucket: 'documents', key: 'k', versions });
  const old = (after_days: number, keep = 0): LifecycleRule => ({
    id: 'documents:old',
    bucket: 'documents',
    prefix: '',
    expire_lone_markers: true,
    old_versions: { after_days, keep },
  });
  const aged = (of: Entry, rules: LifecycleRule[], day: number) => {
    const { remove, hide } = agingOf(of, rules, new Date(`2026-01-${String(day).padStart(2, '0')}T12:00:00Z`));
    return [remove.map(({ version_id }) => version_id), hide];
  };

  test('counts from when the next one came, and spares the current one', () => {
    const three = entry(version('1', 1), version('2', 5), version('3', 9));
    expect(aged(three, [old(2)], 7)).toEqual([[], false]);
    expect(aged(three, [old(2)], 8)).toEqual([['1'], false]);
    expect(aged(three, [old(2)], 30)).toEqual([['1', '2'], false]);
    expect(aged(three, [old(2, 1)], 30)).toEqual([['1'], false]);
    expect(aged(three, [old(2, 2)], 30)).toEqual([[], false]);
    expect(aged(three, [], 30)).toEqual([[], false]);
  });

  test('leaves alone what is held, until it no longer is', () => {
    const retention = { mode: 'GOVERNANCE', retain_until: '2026-01-20T00:00:00Z' } as const;
    const held = entry(
      version('1', 1, { lock: { legal_hold: false, retention } }),
      version('2', 2, { lock: { legal_hold: true, retention: null } }),
      version('3', 3),
    );
    expect(aged(held, [old(1)], 19)).toEqual([[], false]);
    expect(aged(held, [old(1)], 21)).toEqual([['1'], false]);
  });

  test('ends a marker with the last version behind it, not before', () => {
    const hidden = entry(version('1', 1), version('m', 2, { deleted: true }));
    expect(aged(hidden, [old(5)], 7)).toEqual([[], false]);
    expect(aged(hidden, [old(5)], 8)).toEqual([['1', 'm'], false]);
    expect(aged(entry(version('m', 2, { deleted: true })), [old(5)], 3)).toEqual([['m'], false]);
    const { expire_lone_markers: _, ...without } = old(5);
    expect(aged(hidden, [without], 8)).toEqual([['1'], false]);
  });

  test('hides what expires, once', () => {
    const expire: LifecycleRule = { id: 'documents:e', bucket: 'documents', prefix: '', expire_after_days: 3 };
    expect(aged(entry(version('1', 1)), [expire], 4)).toEqual([[], false]);
    expect(aged(entry(version('1', 1)), [expire], 5)).toEqual([[], true]);
    expect(aged(entry(version('1', 1), version('m', 2, { deleted: true })), [expire], 9)).toEqual([[], false]);
    expect(aged(entry(), [expire], 9)).toEqual([[], false]);
  });
});
