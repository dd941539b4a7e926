import { v7 as uuidv7 } from 'uuid';
import { AcervoError } from '../../errors/error.js';
import type { Bucket } from '../buckets.js';
import { checkName } from '../keys.js';
import type { ObjectLockState, ObjectName, ObjectVersion, Precondition, StoredObject } from '../port.js';
import type { Catalog, Entry, Version } from './catalog.js';
import { onDisk } from './files.js';
import { Mutex } from './mutex.js';

/** An entry is read and written whole. */
export const MAX_VERSIONS = 1000;
const DAY_MS = 86_400_000;

/** What is known of a version that is about to be made. */
type About = Pick<Version, 'size_bytes' | 'etag' | 'content_type' | 'deleted'>;

/** What rules do to a key. */
export interface Aging {
  remove: Version[];
  /** Behind a marker. */
  hide: boolean;
}

/** The versions of each key, changed by one at a time. */
export class Entries {
  private readonly mutex = new Mutex();
  private readonly buckets: Map<string, Bucket>;

  constructor(
    private readonly catalog: Catalog,
    buckets: readonly Bucket[],
    private readonly clock: () => Date,
  ) {
    this.buckets = new Map(buckets.map((bucket) => [bucket.name, bucket]));
  }

  /** @throws AcervoError `artifact:bucket_not_found`, `artifact:key_invalid` */
  check(name: ObjectName): Bucket {
    checkName(name);
    return this.bucket(name.bucket);
  }

  /** @throws AcervoError `artifact:bucket_not_found` */
  bucket(name: string): Bucket {
    const bucket = this.buckets.get(name);
    if (bucket === undefined) throw new AcervoError('artifact:bucket_not_found');
    return bucket;
  }

  /** Runs `work` on the newest state of a key, while nobody else changes it. @throws AcervoError `objects:unavailable` */
  alone<Result>({ bucket, key }: ObjectName, work: (entry: Entry) => Promise<Result>): Promise<Result> {
    const locked = async () => work(await this.catalog.read({ bucket, key }));
    return onDisk(() => this.mutex.run(`${bucket}/${key}`, locked));
  }

  /** @throws AcervoError `artifact:not_found` */
  async find(object: ObjectVersion): Promise<Version> {
    this.check(object);
    return findIn(await this.catalog.read(object), object.version_id);
  }

  /** Makes staged bytes the newest version of an object. */
  add(
    name: ObjectName,
    { path, ...about }: About & { path: string },
    precondition?: Precondition,
  ): Promise<StoredObject> {
    return this.alone(name, async (entry) => {
      checkPrecondition(entry, precondition);
      if (entry.versions.length >= MAX_VERSIONS) throw new AcervoError('artifact:too_many_versions');
      const version = this.version(name, about);
      await this.catalog.commit({ ...entry, versions: [...entry.versions, version] }, path);
      return { etag: version.etag, version_id: version.version_id };
    });
  }

  /** Hides the object behind a marker. @returns the marker; undefined when there is nothing to hide */
  async hide(entry: Entry): Promise<Version | undefined> {
    const current = entry.versions.at(-1);
    if (current === undefined || current.deleted) return undefined;
    const marker = this.version(entry, { size_bytes: 0, etag: '', content_type: '', deleted: true });
    await this.catalog.commit({ ...entry, versions: [...entry.versions, marker] });
    return marker;
  }

  /** Does what `decide` says of the newest state. @returns what was done */
  age(name: ObjectName, decide: (entry: Entry) => Aging): Promise<{ removed: Version[]; marker: Version | undefined }> {
    return this.alone(name, async (entry) => {
      const { remove, hide } = decide(entry);
      const left = remove.length > 0 ? await this.catalog.remove(entry, remove) : entry;
      return { removed: remove, marker: hide ? await this.hide(left) : undefined };
    });
  }

  /** Changes what keeps a version. @throws AcervoError `artifact:lock_unsupported`, `artifact:not_found` */
  changeLock(object: ObjectVersion, change: (before: ObjectLockState) => ObjectLockState): Promise<void> {
    this.checkLockable(object);
    return this.alone(object, async (entry) => {
      const found = findIn(entry, object.version_id);
      const changed = { ...found, lock: change(lockStateOf(found)) };
      await this.catalog.commit({ ...entry, versions: entry.versions.map((one) => (one === found ? changed : one)) });
    });
  }

  /** @throws AcervoError `artifact:lock_unsupported` */
  checkLockable(name: ObjectName): void {
    if (this.check(name).lock === undefined) throw new AcervoError('artifact:lock_unsupported');
  }

  private version({ bucket }: ObjectName, about: About): Version {
    const now = this.clock();
    const lock = about.deleted ? undefined : this.bucket(bucket).lock;
    const version = { version_id: uuidv7(), modified_at: now.toISOString(), ...about };
    if (lock === undefined) return version;
    const retain_until = new Date(now.getTime() + lock.days * DAY_MS).toISOString();
    return { ...version, lock: { legal_hold: false, retention: { mode: lock.mode, retain_until } } };
  }
}

export function lockStateOf({ lock }: Version): ObjectLockState {
  return lock ?? { legal_hold: false, retention: null };
}

function findIn({ versions }: Entry, version_id: string | undefined): Version {
  const found = version_id === undefined ? versions.at(-1) : versions.find((one) => one.version_id === version_id);
  if (found === undefined || found.deleted) throw new AcervoError('artifact:not_found');
  return found;
}

function checkPrecondition({ versions }: Entry, precondition: Precondition | undefined): void {
  if (precondition === undefined) return;
  const current = versions.at(-1);
  const etag = current === undefined || current.deleted ? undefined : current.etag;
  const holds = 'if_match' in precondition ? etag === precondition.if_match : etag === undefined;
  if (!holds) throw new AcervoError('artifact:precondition_failed');
}
