import { describe, expect, test } from 'vitest';
import { type Bucket, parseBuckets } from '../../../src/objects/buckets.js';
import type { LifecycleRule } from '../../../src/objects/lifecycle.js';
import { type Setting, settingsOf } from '../../../src/objects/s3/settings.js';

const bucketOf = (text: string) => parseBuckets(text).buckets[0]!;
const plain = bucketOf('documents');
const settings = (wishes: { rules?: LifecycleRule[]; notifyId?: string } = {}) =>
  Object.fromEntries(
    settingsOf({ rules: [], region: 'eu-1', notifyId: undefined, ...wishes }).map((one) => [one.name, one]),
  ) as Record<Setting['name'], Setting>;

/** Writes what is wanted into a document, and makes sure that nothing is wanted then. */
function settled(setting: Setting, bucket: Bucket, current = ''): string {
  const { next = '' } = setting.wanted(bucket, current) ?? {};
  expect(setting.wanted(bucket, next)).toBeUndefined();
  return next;
}

describe('what a bucket should be', () => {
  test('versioning: on, also where it was suspended', () => {
    const { versioning } = settings();
    expect(settled(versioning, plain)).toContain('<Status>Enabled</Status>');
    expect(
      versioning.wanted(plain, '<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>'),
    ).toMatchObject({ texts: ['turn it on'] });
  });

  test('object lock: the retention of the configuration, or none', () => {
    const lock = settings()['object lock'];
    expect(lock.wanted(plain, '')).toBeUndefined();
    const models = bucketOf('models');
    const xml = settled(lock, models);
    expect(xml).toContain('<Mode>GOVERNANCE</Mode><Days>30</Days>');
    expect(lock.wanted(bucketOf('models?lock=COMPLIANCE:9'), xml)?.texts).toEqual(['COMPLIANCE for 9 days']);
    expect(lock.wanted(plain, xml)?.texts).toEqual(['no retention for new versions']);
    expect(settled(lock, plain, xml)).not.toContain('DefaultRetention');
  });

  test('lifecycle: our rules, no others, and nothing where there are none', () => {
    const rule: LifecycleRule = { id: 'documents:a', bucket: 'documents', prefix: '', expire_after_days: 3 };
    const { lifecycle } = settings({ rules: [rule, { ...rule, id: 'models:a', bucket: 'models' }] });
    expect(lifecycle.wanted(plain, '')?.texts).toEqual(['add documents:a']);
    const xml = settled(lifecycle, plain);
    const drifted = xml
      .replace('<Days>3<', '<Days>4<')
      .replace(
        '<Rule>',
        '<Rule><ID>hand</ID><Status>Enabled</Status><Expiration><Days>1</Days></Expiration></Rule><Rule>',
      );
    expect(lifecycle.wanted(plain, drifted)?.texts).toEqual(['change documents:a', 'remove hand']);
    expect(settings().lifecycle.wanted(plain, xml)).toEqual({ texts: ['remove documents:a'], next: undefined });
    const uploads = settings({
      rules: [{ id: 'documents:u', bucket: 'documents', prefix: '', abort_uploads_after_days: 7 }],
    });
    expect(uploads.lifecycle.wanted(plain, '')).toBeUndefined();
  });

  test('notification: ours once, and those to other targets stay', () => {
    const { notification } = settings({ notifyId: 'ACERVO' });
    const queue = (target: string, inside = '') =>
      `<QueueConfiguration><Id>q</Id>${inside}<Event>s3:ObjectCreated:*</Event><Queue>arn:minio:sqs:eu-1:${target}:webhook</Queue></QueueConfiguration>`;
    const topic = '<TopicConfiguration><Id>t</Id><Topic>arn:x</Topic><Event>e</Event></TopicConfiguration>';
    const all = (inside: string) => `<NotificationConfiguration xmlns="x">${inside}</NotificationConfiguration>`;
    const others = queue('OTHER', '<Filter><S3Key></S3Key></Filter>') + topic;
    const xml = settled(notification, plain, all(others + queue('ACERVO') + queue('ACERVO')));
    expect(xml).toContain(queue('OTHER', '<Filter><S3Key></S3Key></Filter>'));
    expect(xml).toContain(topic);
    expect(xml.match(/:ACERVO:/g)).toHaveLength(1);
    // MinIO has its own order, and the region that it was started with.
    const asMinio = xml
      .replace('sqs:eu-1:ACERVO', 'sqs::ACERVO')
      .replace(/(<Event>s3:Lif[^/]*\/Event>)(.*)(<Queue>)/, '$2$1$3');
    expect(notification.wanted(plain, asMinio)).toBeUndefined();
    expect(
      notification.wanted(plain, xml.replace('<Id>acervo</Id>', '<Id>acervo</Id><Filter></Filter>')),
    ).toBeDefined();
    expect(settings().notification.wanted(plain, '')).toBeUndefined();
  });

  test('replication: ours beside others, with a priority of its own', () => {
    const { replication } = settings();
    expect(replication.wanted(plain, '')).toBeUndefined();
    const copied = bucketOf('models?replicate=arn:minio:replication::x:y');
    const other =
      '<Rule><ID>other</ID><Status>Enabled</Status><Priority>4</Priority><Destination><Bucket>arn:z</Bucket></Destination></Rule>';
    const xml = settled(
      replication,
      copied,
      `<ReplicationConfiguration><Role>r</Role>${other}</ReplicationConfiguration>`,
    );
    expect(xml).toContain(`<Role>r</Role>${other}<Rule><ID>acervo</ID><Status>Enabled</Status><Priority>5</Priority>`);
    expect(replication.wanted(copied, xml.replace('<Bucket>arn:minio', '<Bucket>arn:old'))?.texts).toEqual([
      'copy new versions to arn:minio:replication::x:y',
    ]);
    expect(
      replication.wanted(copied, xml.replace('<ID>acervo</ID><Status>Enabled', '<ID>acervo</ID><Status>Disabled')),
    ).toBeDefined();
  });
});
