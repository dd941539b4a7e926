import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type BucketEvent, eventId, inOrder, isCreation, isRemoval } from '../../../src/bucket-events/event.js';

const optional = (values: string[]) => fc.option(fc.constantFrom(...values), { nil: undefined });

/** Few values each, so that equal ones meet; some would run into one another if they were only joined. */
const event: fc.Arbitrary<BucketEvent> = fc.record({
  bucket: fc.constantFrom('a', 'ab', 'a","b'),
  key: fc.constantFrom('b', 'bc', 'b","c', '"', '\\'),
  version_id: optional(['v1', 'v2', 'null']),
  sequencer: optional(['18EA', '18EB']),
  event_name: fc.constantFrom('s3:ObjectCreated:Put', 's3:ObjectRemoved:Delete'),
  event_time: optional(['2026-01-01T00:00:00.000Z', '2026-01-01T00:00:00.001Z']),
  etag: optional(['e1', 'e2']),
  size_bytes: fc.option(fc.nat(3), { nil: undefined }),
  lifecycle: fc.boolean(),
  user_agent: optional(['x', 'y']),
});

function sameIdentity(a: BucketEvent, b: BucketEvent): boolean {
  const always = ['bucket', 'key', 'version_id', 'sequencer', 'event_name'] as const;
  const also = a.sequencer === undefined ? (['event_time', 'etag'] as const) : [];
  return [...always, ...also].every((field) => a[field] === b[field]);
}

test('two events have one id exactly when all that makes them themselves is the same', () => {
  let equal = 0;
  fc.assert(
    fc.property(event, event, fc.boolean(), (a, other, again) => {
      const b = again ? { ...a, size_bytes: 7, user_agent: 'again', lifecycle: !a.lifecycle } : other;
      const same = sameIdentity(a, b);
      if (same) equal += 1;
      expect(eventId(a) === eventId(b)).toBe(same);
    }),
    { numRuns: 5000 },
  );
  expect(equal).toBeGreaterThan(1000);
});

const at = (sequencer: string | undefined, event_time?: string, received_at = '2026-01-01T00:00:09Z') => ({
  sequencer,
  event_time,
  received_at,
});

test('sequencers are numbers: of any length, in any case, beyond what a double can tell apart', () => {
  const ascending = ['9', '0a', 'FF', '100', '18ea0c65bd891bdb', '18EA0C65BD891BDC', `1${'0'.repeat(40)}`];
  fc.assert(
    fc.property(fc.shuffledSubarray(ascending, { minLength: ascending.length }), (shuffled) => {
      expect(inOrder(shuffled.map((text) => at(text))).map(({ sequencer }) => sequencer)).toEqual(ascending);
    }),
  );
});

test('on a tie, and where one of them has no sequencer, the time of the event decides, and then that of its receipt', () => {
  const early = at('5', '2026-01-01T00:00:01.000Z');
  const late = at('5', '2026-01-01T00:00:02.000Z');
  expect(inOrder([late, early])).toEqual([early, late]);
  const without = at(undefined, '2026-01-01T00:00:03.000Z');
  const small = at('1', '2026-01-01T00:00:04.000Z');
  expect(inOrder([small, without, late, early])).toEqual([early, late, without, small]);
  const first = at(undefined, undefined, '2026-01-01T00:00:01Z');
  const second = at(undefined, undefined, '2026-01-01T00:00:02Z');
  expect(inOrder([second, first])).toEqual([first, second]);
});

test.each([
  ['s3:ObjectCreated:Put', true, false],
  ['s3:ObjectCreated:Post', true, false],
  ['s3:ObjectCreated:Copy', true, false],
  ['s3:ObjectCreated:CompleteMultipartUpload', true, false],
  ['s3:ObjectCreated:PutTagging', false, false],
  ['s3:ObjectCreated:DeleteTagging', false, false],
  ['s3:ObjectCreated:PutRetention', false, false],
  ['s3:ObjectCreated:PutLegalHold', false, false],
  ['s3:ObjectAccessed:Get', false, false],
  ['s3:ObjectTransition:Complete', false, false],
  ['s3:Replication:OperationCompletedReplication', false, false],
  ['s3:ObjectRemoved:Delete', false, true],
  ['s3:ObjectRemoved:DeleteMarkerCreated', false, true],
  ['s3:ObjectRemoved:DeleteAllVersions', false, true],
  ['s3:LifecycleExpiration:Delete', false, true],
  ['s3:LifecycleExpiration:DeleteMarkerCreated', false, true],
  ['s3:LifecycleDelMarkerExpiration:Delete', false, true],
])('%s: creation %s, removal %s', (event_name, creation, removal) => {
  expect([isCreation({ event_name }), isRemoval({ event_name })]).toEqual([creation, removal]);
});
