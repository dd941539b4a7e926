import { checkBucket, checkName, harmlessPiece, MAX_KEY_BYTES, MAX_SEGMENT_BYTES } from './keys.js';

/** Versions of a bucket with object lock cannot be deleted before their time. */
export interface ObjectLock {
  /** GOVERNANCE can be lifted by who has the right to; COMPLIANCE by nobody. */
  mode: 'GOVERNANCE' | 'COMPLIANCE';
  days: number;
}

export interface Bucket {
  name: string;
  /** Places: year month day entity id name user session_id agent_id, in braces; a slash makes folders. */
  key_template: string;
  /** Retention that new versions get; undefined: no object lock. */
  lock: ObjectLock | undefined;
  /** ARN of a replication target that the store knows. */
  replication_arn: string | undefined;
}

const DEFAULT_KEY_TEMPLATE = '{year}/{month}/{entity}/{id}/{name}';
const MAX_BUCKETS = 50;
const MAX_LOCK_DAYS = 36_500;
const PLACE = /\{(\w*)\}/g;
const TIME_BYTES: Record<string, number> = { year: 4, month: 2, day: 2 };
/** An id is never cut, and a name not to nothing. */
const MIN_VALUE_BYTES = 64;
const PLACES = new Set(['year', 'month', 'day', 'entity', 'id', 'name', 'user', 'session_id', 'agent_id']);
const OPTIONS = new Set(['key', 'lock', 'replicate']);

/** What a bucket is unless its entry says otherwise. */
const KNOWN: Record<string, Partial<Bucket>> = { models: { lock: { mode: 'GOVERNANCE', days: 30 } } };

export const DEFAULT_BUCKETS = 'agents-artifacts,documents,models';

/**
 * Reads `MINIO_BUCKETS`: names between commas, each with options behind a question mark:
 * `reports?key={user}/{name}&lock=COMPLIANCE:90&replicate=arn:…`; `lock=none` takes a default lock away.
 * @returns the buckets, or what is wrong with the text
 */
export function parseBuckets(text: string): { buckets: Bucket[]; faults: string[] } {
  const faults: string[] = [];
  const entries = text
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '');
  const buckets = entries.map((entry) => parseBucket(entry, (fault) => faults.push(`${entry}: ${fault}`)));
  if (buckets.length === 0 || buckets.length > MAX_BUCKETS) faults.push(`must be 1 to ${MAX_BUCKETS} buckets`);
  if (new Set(buckets.map(({ name }) => name)).size < buckets.length) faults.push('names a bucket twice');
  return { buckets, faults };
}

function parseBucket(entry: string, fault: (text: string) => void): Bucket {
  const [name = '', query = ''] = entry.split(/\?(.*)/s);
  try {
    checkBucket(name);
  } catch {
    fault('is not the name of a bucket');
  }
  // Not URLSearchParams: a plus sign in a template stays one.
  const options = new Map(query === '' ? [] : query.split('&').map((pair): [string, string] => split(pair, '=')));
  for (const option of options.keys()) if (!OPTIONS.has(option)) fault(`knows no option ${option}`);
  const known = KNOWN[name];
  const key_template = options.get('key') ?? DEFAULT_KEY_TEMPLATE;
  checkTemplate(key_template, fault);
  const lock = options.get('lock');
  return {
    name,
    key_template,
    lock: lock === undefined ? known?.lock : parseLock(lock, fault),
    replication_arn: options.get('replicate'),
  };
}

function split(text: string, by: string): [string, string] {
  const at = text.indexOf(by);
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}

function checkTemplate(template: string, fault: (text: string) => void): void {
  const places = [...template.matchAll(PLACE)].map((match) => match[1] ?? '');
  for (const place of places) if (!PLACES.has(place)) fault(`knows no place {${place}}`);
  if (!places.includes('id') && !places.includes('name')) fault('a key needs {id} or {name}');
  try {
    checkName({ bucket: 'any', key: template.replaceAll(PLACE, 'x') });
    if (/[{}]/.test(template.replaceAll(PLACE, ''))) fault('is not a template of a key');
  } catch {
    fault('is not a template of a key');
  }
  if (valueBytes(template) < MIN_VALUE_BYTES) fault('leaves too little room for what it names');
}

function parseLock(text: string, fault: (text: string) => void): ObjectLock | undefined {
  if (text === 'none') return undefined;
  const [mode, days] = split(text, ':');
  const wanted = Number(days);
  if (mode !== 'GOVERNANCE' && mode !== 'COMPLIANCE') fault('lock is GOVERNANCE:days, COMPLIANCE:days or none');
  else if (!Number.isInteger(wanted) || wanted < 1 || wanted > MAX_LOCK_DAYS)
    fault(`lock is for 1 to ${MAX_LOCK_DAYS} days`);
  else return { mode, days: wanted };
  return undefined;
}

/** What the places of a key template stand for. */
export type KeyPlaces = Record<'entity' | 'id' | 'name' | 'user' | 'session_id' | 'agent_id', string | undefined>;

/**
 * The key of a new object, which every store takes. The times are UTC. A value is one segment or a piece of one: slashes
 * and control characters in it become `_`, what is too long is cut before its ending, and what is missing is `none`.
 */
export function keyFor({ key_template }: Bucket, places: KeyPlaces, now: Date): string {
  const [year = '', month = '', day = ''] = now.toISOString().slice(0, 10).split('-');
  const values: Record<string, string | undefined> = { ...places, year, month, day };
  const maxBytes = valueBytes(key_template);
  return key_template.replaceAll(PLACE, (_, place: string) => pieceOf(values[place] || 'none', maxBytes));
}

function pieceOf(value: string, maxBytes: number): string {
  const flat = value.replaceAll(/[/\\\p{Cc}\p{Cs}]/gu, '_');
  const [ending = ''] = /\.\w{1,16}$/.exec(flat) ?? [];
  const cut = Buffer.byteLength(flat) > maxBytes ? firstBytes(flat, maxBytes - ending.length) + ending : flat;
  return harmlessPiece(cut);
}

/** As many whole characters as fit. */
function firstBytes(text: string, bytes: number): string {
  const { read } = new TextEncoder().encodeInto(text, new Uint8Array(bytes));
  return text.slice(0, read);
}

/** So long may a value be that no segment and no key of this template becomes too long. */
function valueBytes(template: string): number {
  const segments = template.split('/').map((segment) => {
    const places = [...segment.matchAll(PLACE)].map((match) => match[1] ?? '');
    const values = places.filter((place) => !(place in TIME_BYTES)).length;
    const times = places.reduce((sum, place) => sum + (TIME_BYTES[place] ?? 0), 0);
    return { values, fixed: Buffer.byteLength(segment.replaceAll(PLACE, '')) + times };
  });
  const values = segments.reduce((sum, segment) => sum + segment.values, 0);
  const fixed = segments.reduce((sum, segment) => sum + segment.fixed, segments.length - 1);
  const bounds = segments.map((segment) => (MAX_SEGMENT_BYTES - segment.fixed) / Math.max(segment.values, 1));
  return Math.floor(Math.min(...bounds, (MAX_KEY_BYTES - fixed) / Math.max(values, 1)));
}
