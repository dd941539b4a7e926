import type { BucketAdmin } from '../admin.js';
import type { Bucket } from '../buckets.js';

/** In a directory, buckets are there, keep versions and obey locks without being told to. */
export function createDiskAdmin(buckets: readonly Bucket[], left_out: readonly string[]): BucketAdmin {
  const replicated = buckets.filter(({ replication_arn }) => replication_arn !== undefined);
  const limits = [
    ...left_out,
    ...replicated.map(({ name }) => `${name}: replication: a directory has none; set MINIO_ENDPOINT`),
  ];
  return {
    plan: async () => [],
    apply: async () => [],
    createMissing: async () => [],
    limits: () => limits,
  };
}
