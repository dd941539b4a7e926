/** One thing of a bucket that is not as configured. */
export interface BucketChange {
  bucket: string;
  setting: 'bucket' | 'versioning' | 'object lock' | 'lifecycle' | 'notification' | 'replication';
  /** What is done about it, for people. */
  text: string;
}

/**
 * Makes the buckets of an object store what the configuration says. What somebody else set up stays: notifications to
 * other targets, other replication rules. Lifecycle rules do not: lifecycle.xml is all there is.
 * Methods throw AcervoError `objects:unavailable`, `objects:refused`.
 */
export interface BucketAdmin {
  /** All that differs; empty when nothing does. */
  plan(): Promise<BucketChange[]>;

  /** @returns what the store refused, a line each */
  apply(changes: readonly BucketChange[]): Promise<string[]>;

  /**
   * Makes the buckets that are not there, with all their settings, and leaves the others alone.
   * @returns a line for each bucket, and for each setting that the store refused
   */
  createMissing(): Promise<string[]>;

  /** What this store or this configuration cannot do, a line each. */
  limits(): string[];
}

export const lineOf = ({ bucket, setting, text }: BucketChange): string => `${bucket}: ${setting}: ${text}`;
