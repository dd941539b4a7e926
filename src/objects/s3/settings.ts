import type { BucketChange } from '../admin.js';
import type { Bucket } from '../buckets.js';
import { type LifecycleRule, rulesOf } from '../lifecycle.js';
import { comparable, comparableRules, lifecycleXml } from '../lifecycle-xml.js';

/** What MinIO tells us about. Its transitions and the end of markers have names that AWS does not know. */
const EVENTS = [
  's3:LifecycleDelMarkerExpiration:Delete',
  's3:ObjectCreated:*',
  's3:ObjectRemoved:*',
  's3:ObjectTransition:*',
];
const OUR_ID = 'acervo';

/** A document that a bucket has, and what it should be. */
export interface Setting {
  name: Exclude<BucketChange['setting'], 'bucket'>;
  /** Parameter of the request that reads and writes the document. */
  query: string;
  /** What the store answers where there is no such document. */
  noneCode: string;
  /**
   * @param current the document; empty where there is none
   * @returns undefined when it is right; else what is to be done, and the document to write (none: to be deleted)
   */
  wanted(bucket: Bucket, current: string): { texts: string[]; next: string | undefined } | undefined;
}

export interface Wishes {
  rules: readonly LifecycleRule[];
  /** Region in our ARN; MinIO takes any, and says its own. */
  region: string;
  /** Undefined: notifications are left alone. */
  notifyId: string | undefined;
}

/** In the order in which they are written. */
export function settingsOf(wishes: Wishes): Setting[] {
  return [VERSIONING, OBJECT_LOCK, lifecycle(wishes), notification(wishes), REPLICATION];
}

const VERSIONING: Setting = {
  name: 'versioning',
  query: 'versioning',
  noneCode: '',
  wanted: (_, current) =>
    current.includes('<Status>Enabled</Status>')
      ? undefined
      : { texts: ['turn it on'], next: '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>' },
};

const OBJECT_LOCK: Setting = {
  name: 'object lock',
  query: 'object-lock',
  noneCode: 'ObjectLockConfigurationNotFoundError',
  wanted: ({ lock }, current) => {
    const enabled = current.includes('<ObjectLockEnabled>Enabled</ObjectLockEnabled>');
    const [before] = elements(current, 'DefaultRetention');
    const retention = lock && `<DefaultRetention><Mode>${lock.mode}</Mode><Days>${lock.days}</Days></DefaultRetention>`;
    if (before === retention && (enabled || lock === undefined)) return undefined;
    const texts = lock === undefined ? ['no retention for new versions'] : [`${lock.mode} for ${lock.days} days`];
    if (!enabled) texts.unshift('turn it on (stores that can do so only when a bucket is made will refuse)');
    const rule = retention === undefined ? '' : `<Rule>${retention}</Rule>`;
    const next = `<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled>${rule}</ObjectLockConfiguration>`;
    return { texts, next };
  },
};

/** What the store is asked to do of a rule: all but the uploads, which Acervo aborts itself. */
export function rulesForStore(rules: readonly LifecycleRule[]): LifecycleRule[] {
  return rules
    .map(({ abort_uploads_after_days: _, ...rule }) => rule)
    .filter(({ id, bucket, prefix, ...actions }) => Object.keys(actions).length > 0);
}

const lifecycle = ({ rules }: Wishes): Setting => ({
  name: 'lifecycle',
  query: 'lifecycle',
  noneCode: 'NoSuchLifecycleConfiguration',
  wanted: ({ name }, current) => {
    const asked = rulesForStore(rulesOf(rules, name));
    const before = current === '' ? new Map<string, string>() : comparableRules(current);
    const texts = asked
      .filter((rule) => before.get(rule.id) !== comparable(rule))
      .map(({ id }) => `${before.has(id) ? 'change' : 'add'} ${id}`);
    const ids = new Set(asked.map(({ id }) => id));
    texts.push(...[...before.keys()].filter((id) => !ids.has(id)).map((id) => `remove ${id}`));
    if (texts.length === 0) return undefined;
    return { texts, next: asked.length === 0 ? undefined : lifecycleXml(asked) };
  },
});

const notification = ({ region, notifyId }: Wishes): Setting => ({
  name: 'notification',
  query: 'notification',
  noneCode: '',
  wanted: (_, current) => {
    if (notifyId === undefined) return undefined;
    const all = ['Queue', 'Topic', 'CloudFunction'].flatMap((kind) => elements(current, `${kind}Configuration`));
    const isOurs = (entry: string) => new RegExp(`<Queue>arn:minio:sqs:[^:<]*:${notifyId}:webhook</Queue>`).test(entry);
    const [ours, ...doubles] = all.filter(isOurs);
    const events = [...(ours ?? '').matchAll(/<Event>([^<]*)<\/Event>/g)].map(([, event]) => event);
    const filtered = /<Filter>/.test(ours ?? '');
    if (doubles.length === 0 && !filtered && events.toSorted().join() === EVENTS.join()) return undefined;
    const arn = `arn:minio:sqs:${region}:${notifyId}:webhook`;
    const listed = EVENTS.map((event) => `<Event>${event}</Event>`).join('');
    const entry = `<QueueConfiguration><Id>${OUR_ID}</Id>${listed}<Queue>${arn}</Queue></QueueConfiguration>`;
    const kept = all.filter((one) => !isOurs(one)).join('');
    return {
      texts: [`send ${EVENTS.join(', ')} to ${arn}`],
      next: `<NotificationConfiguration>${kept}${entry}</NotificationConfiguration>`,
    };
  },
});

const REPLICATION: Setting = {
  name: 'replication',
  query: 'replication',
  noneCode: 'ReplicationConfigurationNotFoundError',
  wanted: ({ replication_arn: arn }, current) => {
    if (arn === undefined) return undefined;
    const all = elements(current, 'Rule');
    const isOurs = (rule: string) => rule.includes(`<ID>${OUR_ID}</ID>`);
    // The rule's own status stands right in it; those of its parts stand in theirs.
    const isRight = (rule: string) =>
      rule.includes(`<Bucket>${arn}</Bucket>`) && !/^<Rule>(?:<ID>[^<]*<\/ID>)?<Status>Disabled/.test(rule);
    if (all.some((rule) => isOurs(rule) && isRight(rule))) return undefined;
    const kept = all.filter((rule) => !isOurs(rule));
    const used = kept.map((rule) => Number(/<Priority>(\d+)</.exec(rule)?.[1] ?? 0));
    const rule = [
      `<ID>${OUR_ID}</ID><Status>Enabled</Status><Priority>${Math.max(0, ...used) + 1}</Priority>`,
      '<DeleteMarkerReplication><Status>Enabled</Status></DeleteMarkerReplication>',
      '<DeleteReplication><Status>Disabled</Status></DeleteReplication>',
      `<Filter><Prefix></Prefix></Filter><Destination><Bucket>${arn}</Bucket></Destination>`,
    ].join('');
    const role = elements(current, 'Role')[0] ?? '<Role></Role>';
    return {
      texts: [`copy new versions to ${arn}`],
      next: `<ReplicationConfiguration>${role}${kept.join('')}<Rule>${rule}</Rule></ReplicationConfiguration>`,
    };
  },
};

/** Whole elements of a name, none of which is within another. */
function elements(xml: string, name: string): string[] {
  return xml.match(new RegExp(`<${name}>.*?</${name}>`, 'gs')) ?? [];
}
