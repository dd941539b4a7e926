import { setTimeout as sleep } from 'node:timers/promises';
import { isAcervoError } from '../../errors/error.js';
import { type BucketAdmin, type BucketChange, lineOf } from '../admin.js';
import type { Bucket } from '../buckets.js';
import type { S3Options } from './client.js';
import { once, Refusal, refusedWith, retried } from './failures.js';
import { Sender } from './send.js';
import { type Setting, settingsOf, type Wishes } from './settings.js';

/** MinIO knows its webhook targets only a moment after it says that it is ready (seen once in 17 starts). */
const TARGET_ATTEMPTS = 8;
const TARGET_PAUSE_MS = 250;

export interface S3AdminOptions extends Wishes {
  buckets: readonly Bucket[];
  limits: readonly string[];
}

/** Buckets of MinIO, or of any S3 that knows the ARNs it is given. */
export class S3Admin implements BucketAdmin {
  private readonly sender: Sender;
  private readonly settings: Setting[];

  constructor(
    private readonly s3: S3Options,
    private readonly wishes: S3AdminOptions,
  ) {
    this.sender = new Sender(s3);
    this.settings = settingsOf(wishes);
  }

  async plan(): Promise<BucketChange[]> {
    const changes: BucketChange[] = [];
    for (const bucket of this.wishes.buckets) {
      const there = await this.exists(bucket);
      if (!there) changes.push({ bucket: bucket.name, setting: 'bucket', text: creation(bucket) });
      for (const setting of this.settings) {
        const current = there ? await this.read(bucket, setting) : newBucket(bucket, setting);
        const { texts = [] } = setting.wanted(bucket, current) ?? {};
        changes.push(...texts.map((text) => ({ bucket: bucket.name, setting: setting.name, text })));
      }
    }
    return changes;
  }

  async apply(changes: readonly BucketChange[]): Promise<string[]> {
    const refused: string[] = [];
    for (const bucket of this.wishes.buckets) {
      const named = new Set(changes.filter((one) => one.bucket === bucket.name).map(({ setting }) => setting));
      if (named.has('bucket')) await this.create(bucket);
      for (const setting of this.settings)
        if (named.has(setting.name)) refused.push(...(await this.settle(bucket, setting)));
    }
    return refused;
  }

  async createMissing(): Promise<string[]> {
    const lines: string[] = [];
    for (const bucket of this.wishes.buckets) {
      if (await this.exists(bucket)) continue;
      await this.create(bucket);
      lines.push(`${bucket.name}: created`);
      for (const setting of this.settings) lines.push(...(await this.settle(bucket, setting)));
    }
    return lines;
  }

  limits(): string[] {
    return [...this.wishes.limits];
  }

  private async exists({ name }: Bucket): Promise<boolean> {
    try {
      await retried(() => this.sender.sendForHeaders({ method: 'HEAD', bucket: name }));
      return true;
    } catch (error) {
      // AWS answers the status alone.
      if (isAcervoError(error, 'artifact:bucket_not_found') || isAcervoError(error, 'artifact:not_found')) return false;
      throw error;
    }
  }

  /** The SDK signs the header that turns object lock on. Another node may have been quicker. */
  private async create({ name, lock }: Bucket): Promise<void> {
    const { client } = this.sender;
    try {
      await once(() => client.makeBucket(name, this.s3.region, { ObjectLocking: lock !== undefined }));
    } catch (error) {
      if (!refusedWith(error, ['BucketAlreadyOwnedByYou'])) throw error;
    }
  }

  private async read({ name }: Bucket, { query, noneCode }: Setting): Promise<string> {
    try {
      return await retried(() => this.sender.readXml({ bucket: name, query: { [query]: '' } }));
    } catch (error) {
      if (refusedWith(error, [noneCode])) return '';
      throw error;
    }
  }

  /** A setting says all of itself, so that writing it again is harmless. */
  private async write(bucket: Bucket, setting: Setting, next: string | undefined): Promise<void> {
    const target = { bucket: bucket.name, query: { [setting.query]: '' } };
    for (let attempt = 1; ; attempt += 1) {
      try {
        if (next === undefined) await retried(() => this.sender.sendForHeaders({ method: 'DELETE', ...target }));
        else await retried(() => this.sender.writeXml(target, next));
        return;
      } catch (error) {
        const early = setting.name === 'notification' && refusedWith(error, ['InvalidArgument']);
        if (!early || attempt === TARGET_ATTEMPTS) throw error;
        await sleep(TARGET_PAUSE_MS);
      }
    }
  }

  /** Makes one setting what it should be. @returns a line if the store refuses */
  private async settle(bucket: Bucket, setting: Setting): Promise<string[]> {
    const wanted = setting.wanted(bucket, await this.read(bucket, setting));
    if (wanted === undefined) return [];
    try {
      await this.write(bucket, setting, wanted.next);
      return [];
    } catch (error) {
      if (!isAcervoError(error, 'objects:refused') || !(error.cause instanceof Refusal)) throw error;
      const text = `refused: ${error.cause.message}`;
      return [lineOf({ bucket: bucket.name, setting: setting.name, text })];
    }
  }
}

function creation({ lock }: Bucket): string {
  return lock === undefined ? 'make it' : 'make it, with object lock (which it gets only now)';
}

/** The documents of a bucket as it is right after it was made. */
function newBucket({ lock }: Bucket, { name }: Setting): string {
  if (lock === undefined) return '';
  if (name === 'object lock') return '<ObjectLockEnabled>Enabled</ObjectLockEnabled>';
  return name === 'versioning' ? '<Status>Enabled</Status>' : '';
}
