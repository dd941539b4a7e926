import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readEvents } from '../../../src/bucket-events/parse.js';
import { isAcervoError } from '../../../src/errors/error.js';

/** Bodies that a real MinIO sent, by what was done to it. */
type Letter = { Key: string; Records: { s3: { object: Record<string, unknown> } }[] };
const LETTERS = JSON.parse(readFileSync(new URL('minio-letters.json', import.meta.url), 'utf8')) as Record<
  string,
  Letter[]
>;

const bodyOf = (letter: unknown) => Buffer.from(JSON.stringify(letter));
const eventsOf = (name: string) => (LETTERS[name] ?? []).flatMap((letter) => readEvents(bodyOf(letter)).events);

describe('what MinIO sent', () => {
  test('put', () => {
    expect(eventsOf('put')).toEqual([
      {
        bucket: 'agents-artifacts',
        key: '2026/11/report/one.txt',
        version_id: 'e9096a98-a6ff-4f1b-9812-c57d5dc1cf63',
        sequencer: '18EA0C65BD891BDB',
        event_name: 's3:ObjectCreated:Put',
        event_time: '2026-11-21T11:37:12.572Z',
        etag: '5d41402abc4b2a76b9719d911017c592',
        size_bytes: 5,
        content_type: 'text/plain',
        lifecycle: false,
        user_agent: 'MinIO (linux; x64) minio-js/8.0.7',
      },
    ]);
  });

  test('overwrite: the same key, another version, a later sequencer', () => {
    const [first, second] = [...eventsOf('put'), ...eventsOf('overwrite')];
    expect(second?.key).toBe(first?.key);
    expect(second?.version_id).not.toBe(first?.version_id);
    expect(BigInt(`0x${second?.sequencer}`)).toBeGreaterThan(BigInt(`0x${first?.sequencer}`));
  });

  test('an empty object has size 0, which MinIO leaves out', () => {
    expect(LETTERS.empty?.[0]?.Records[0]?.s3.object).not.toHaveProperty('size');
    expect(eventsOf('empty')).toMatchObject([{ key: 'empty.bin', size_bytes: 0 }]);
  });

  test('a marker, and a version that is removed for good', () => {
    const marker = { event_name: 's3:ObjectRemoved:DeleteMarkerCreated', size_bytes: undefined, etag: undefined };
    expect(eventsOf('delete')).toMatchObject([{ ...marker, key: '2026/11/report/one.txt', lifecycle: false }]);
    const version_id = eventsOf('put')[0]?.version_id;
    expect(eventsOf('delete_version')).toMatchObject([{ event_name: 's3:ObjectRemoved:Delete', version_id }]);
  });

  test('parts, a copy, tags', () => {
    expect(eventsOf('multipart')).toMatchObject([
      { event_name: 's3:ObjectCreated:CompleteMultipartUpload', size_bytes: 5_242_884 },
    ]);
    expect(eventsOf('copy')).toMatchObject([{ event_name: 's3:ObjectCreated:Copy', key: 'copied.txt' }]);
    // Nothing but its name tells it from the event of the object itself.
    const [tags, object] = [eventsOf('tagging')[0], eventsOf('multipart')[0]];
    expect(tags?.event_name).toBe('s3:ObjectCreated:PutTagging');
    expect([tags?.sequencer, tags?.version_id]).toEqual([object?.sequencer, object?.version_id]);
  });

  test('a lifecycle rule is told by its user agent alone', () => {
    const [put, expired] = eventsOf('expiry');
    expect(put).toMatchObject({ event_name: 's3:ObjectCreated:Put', lifecycle: false });
    expect(expired).toMatchObject({ event_name: 's3:ObjectRemoved:Delete', key: 'old/x.txt', lifecycle: true });
  });

  test('a bucket without versions', () => {
    const [put, removed] = [...eventsOf('unversioned_put'), ...eventsOf('unversioned_delete')];
    expect([put?.version_id, removed?.version_id]).toEqual([undefined, undefined]);
  });

  test.each(Object.keys(LETTERS))('%s: the escaped key is the one that MinIO shows beside it', (name) => {
    for (const letter of LETTERS[name] ?? []) {
      const [event] = readEvents(bodyOf(letter)).events;
      expect(`${event?.bucket}/${event?.key}`).toBe(letter.Key);
    }
  });

  test('the recordings hold a plus sign, a percent sign, spaces, accents, right-to-left text and an emoji', () => {
    const keys = ['plus', 'unicode', 'rtl'].flatMap((name) => eventsOf(name).map(({ key }) => key));
    expect(keys).toEqual(['a+b c%20d&e=f.txt', 'relatórios/ação 2026 ça.txt', 'שלום/مرحبا-日本語😀.txt']);
  });
});

const record = (fields: Record<string, unknown> = {}, object: Record<string, unknown> = {}) => ({
  eventVersion: '2.1',
  eventSource: 'aws:s3',
  awsRegion: 'us-east-1',
  eventTime: '2026-01-02T03:04:05.678Z',
  eventName: 'ObjectCreated:Put',
  s3: {
    s3SchemaVersion: '1.0',
    bucket: { name: 'documents', ownerIdentity: { principalId: 'A' }, arn: 'arn:aws:s3:::documents' },
    object: {
      key: 'a+b%2Fc.txt',
      size: 1024,
      eTag: 'd41d',
      versionId: 'v1',
      sequencer: '0055AED6DCD90281E5',
      ...object,
    },
  },
  ...fields,
});
const one = (fields?: Record<string, unknown>, object?: Record<string, unknown>) =>
  readEvents(bodyOf({ Records: [record(fields, object)] })).events[0];

describe('what AWS sends', () => {
  test('names without s3:, the same shape otherwise', () => {
    expect(one()).toEqual({
      bucket: 'documents',
      key: 'a b/c.txt',
      version_id: 'v1',
      sequencer: '0055AED6DCD90281E5',
      event_name: 's3:ObjectCreated:Put',
      event_time: '2026-01-02T03:04:05.678Z',
      etag: 'd41d',
      size_bytes: 1024,
      content_type: undefined,
      lifecycle: false,
      user_agent: undefined,
    });
  });

  test.each(['LifecycleExpiration:Delete', 'LifecycleExpiration:DeleteMarkerCreated'])('%s', (eventName) => {
    expect(one({ eventName })).toMatchObject({ event_name: `s3:${eventName}`, lifecycle: true });
  });

  test('its test event holds nothing', () => {
    const letter = { Service: 'Amazon S3', Event: 's3:TestEvent', Time: '2026-01-02T03:04:05Z', Bucket: 'documents' };
    expect(readEvents(bodyOf(letter))).toEqual({ events: [], unreadable: [] });
  });
});

describe('odd records', () => {
  test.each([['null'], [''], [null]])('version id %j is none', (versionId) => {
    expect(one({}, { versionId })?.version_id).toBeUndefined();
  });

  test.each(['', 'not hex', '-5', 'f'.repeat(65)])('sequencer %j is none', (sequencer) => {
    expect(one({}, { sequencer })).toMatchObject({ key: 'a b/c.txt', sequencer: undefined });
  });

  test('a time that is none', () => {
    expect(one({ eventTime: 'yesterday' })?.event_time).toBeUndefined();
  });

  test.each([
    ['a key with a broken escape', record({}, { key: '%E0%A4%A' })],
    ['an empty key', record({}, { key: '' })],
    ['a key of 1 025 bytes', record({}, { key: 'x'.repeat(1025) })],
    ['a negative size', record({}, { size: -1 })],
    ['no bucket', { ...record(), s3: { object: { key: 'a' } } }],
    ['a name with a newline', record({ eventName: 'ObjectCreated:Put\nX' })],
    ['null', null],
    ['a number', 7],
  ])('%s is kept apart, and the others are read', (_name, bad) => {
    const { events, unreadable } = readEvents(bodyOf({ Records: [record(), bad, record({}, { key: 'last' })] }));
    expect(events.map(({ key }) => key)).toEqual(['a b/c.txt', 'last']);
    expect(unreadable.map((text) => JSON.parse(text))).toEqual([{ Records: [bad] }]);
  });

  test.each([
    ['nothing', '', 'request:malformed_json'],
    ['no JSON', '{', 'request:malformed_json'],
    ['foreign JSON', '{"a":1}', 'request:invalid'],
    ['an array', '[]', 'request:invalid'],
    ['no records', '{"Records":[]}', 'request:invalid'],
    ['records that are none', '{"Records":{"0":{}}}', 'request:invalid'],
    ['a prototype', '{"Records":[{"__proto__":{"x":1}}]}', 'request:forbidden_key'],
    ['too many records', JSON.stringify({ Records: Array(1001).fill(null) }), 'request:too_large'],
    ['deep nesting', `{"Records":[${'['.repeat(5000)}${']'.repeat(5000)}]}`, 'request:invalid'],
  ])('a body of %s is refused', (_name, text, code) => {
    expect(() => readEvents(Buffer.from(text))).toThrow(expect.objectContaining({ code }) as unknown as Error);
  });

  test('bytes that are not UTF-8', () => {
    expect(() => readEvents(Buffer.from([0x7b, 0xff, 0x7d]))).toThrow(
      expect.objectContaining({ code: 'request:malformed_utf8' }) as unknown as Error,
    );
  });

  test('whatever comes, it is read or refused with a code of ours', () => {
    const anything = fc.oneof(
      fc.json(),
      fc.string(),
      fc.json().map((text) => `{"Records":[${text}]}`),
    );
    fc.assert(
      fc.property(anything, (text) => {
        try {
          const { events, unreadable } = readEvents(Buffer.from(text));
          expect(events.length + unreadable.length).toBeLessThanOrEqual(1000);
        } catch (error) {
          expect(isAcervoError(error)).toBe(true);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
