import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Config, ConfigError } from '../config.js';
import { absentStore } from './absent.js';
import type { BucketAdmin } from './admin.js';
import { counted } from './counted.js';
import { createDiskAdmin } from './disk/admin.js';
import { DirectoryInUseError } from './disk/lock.js';
import { DiskStore } from './disk/store.js';
import type { LifecycleRule } from './lifecycle.js';
import { parseLifecycle } from './lifecycle-xml.js';
import type { ObjectStore } from './port.js';
import { S3Admin } from './s3/admin.js';
import type { S3Options } from './s3/client.js';
import { S3Store } from './s3/store.js';

const LIFECYCLE_FILE = new URL('../../lifecycle.xml', import.meta.url);

export interface ObjectsOptions {
  /** Signs the URLs of the disk driver; 32 bytes or more. */
  secret: Buffer;
  /** Where clients reach this server. A function: the port is known only after listening. */
  publicUrl: () => string;
  clock: () => Date;
  /** Told the name of each operation that goes to the store; signing goes nowhere. */
  onRequest?: (operation: string) => void;
}

export interface OpenObjects {
  store: ObjectStore;
  /** The same store, where it is a directory: its signed URLs are `<publicUrl>/objects/<token>`. */
  disk: DiskStore | undefined;
  admin: BucketAdmin;
  lifecycle: LifecycleRule[];
  /** Why this node has no files: all operations fail with `objects:unavailable`. */
  trouble?: Error;
  close(): Promise<void>;
}

/**
 * Opens the object store. A directory that another process has leaves this node without files.
 * @throws ConfigError for a lifecycle.xml that is wrong
 */
export async function openObjects(
  config: Pick<Config, 'objects' | 'dataDir'>,
  { secret, publicUrl, clock, onRequest = () => undefined }: ObjectsOptions,
): Promise<OpenObjects> {
  const { admin, lifecycle } = await openAdmin(config);
  const { buckets } = config.objects;
  const s3 = s3Options(config);
  if (s3 !== undefined) {
    const store = counted(new S3Store(s3), onRequest);
    return { store, disk: undefined, admin, lifecycle, close: async () => undefined };
  }
  const root = join(config.dataDir, 'objects');
  const options = { root, buckets, secret, publicUrl: () => `${publicUrl()}/objects`, clock };
  const disk = await DiskStore.open(options).catch((error: unknown) => {
    // Several nodes on one database server, without an object store that they could share: one of them has the files.
    if (!(error instanceof DirectoryInUseError)) throw error;
    return error;
  });
  if (disk instanceof Error)
    return { store: absentStore(disk), disk: undefined, admin, lifecycle, close: async () => undefined, trouble: disk };
  return { store: counted(disk, onRequest), disk, admin, lifecycle, close: disk.close };
}

/** What `npm run init` needs: nothing is opened or locked. @throws ConfigError for a lifecycle.xml that is wrong */
export async function openAdmin(
  config: Pick<Config, 'objects'>,
): Promise<{ admin: BucketAdmin; lifecycle: LifecycleRule[] }> {
  const { buckets, tier, webhookToken, notifyId, lifecycleFile } = config.objects;
  const s3 = s3Options(config);
  const xml = await readFile(lifecycleFile ?? LIFECYCLE_FILE, 'utf8').catch((error: Error) => {
    throw new ConfigError([`ACERVO_LIFECYCLE_FILE: ${error.message}`]);
  });
  const names = buckets.map(({ name }) => name);
  // A directory has nowhere to move objects to.
  const { rules, left_out } = parseLifecycle(xml, { tier: s3 === undefined ? undefined : tier, buckets: names });
  const limits = left_out.map((line) => `lifecycle: ${line}`);
  if (s3 === undefined) return { admin: createDiskAdmin(buckets, limits), lifecycle: rules };
  for (const { id, abort_uploads_after_days } of rules)
    if (abort_uploads_after_days !== undefined)
      limits.push(`lifecycle: ${id}: unfinished uploads are aborted by Acervo, not by the store`);
  if (webhookToken === undefined)
    limits.push('notification: none, as MINIO_WEBHOOK_TOKEN is unset; changes made elsewhere are found by reconcile');
  const target = webhookToken === undefined ? undefined : notifyId;
  const admin = new S3Admin(s3, { buckets, rules, region: s3.region, notifyId: target, limits });
  return { admin, lifecycle: rules };
}

function s3Options({ objects: { s3, idleTimeoutMs } }: Pick<Config, 'objects'>): S3Options | undefined {
  if (s3 === undefined) return undefined;
  const { publicEndpoint, ...rest } = s3;
  return { ...rest, idleTimeoutMs, ...(publicEndpoint === undefined ? {} : { publicEndpoint }) };
}
