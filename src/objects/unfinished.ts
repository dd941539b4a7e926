import { daysHavePassed, type LifecycleRule } from './lifecycle.js';
import { MAX_LIST_LIMIT, type ObjectStore } from './port.js';

const DAY_MS = 86_400_000;

/**
 * Aborts the uploads that lifecycle.xml gives up (`AbortIncompleteMultipartUpload`), on any store: MinIO refuses such
 * rules.
 * @returns how many
 */
export async function abortUnfinished(
  store: Pick<ObjectStore, 'unfinishedUploads' | 'abortUpload'>,
  rules: readonly LifecycleRule[],
  now: Date,
): Promise<number> {
  let aborted = 0;
  for (const { bucket, prefix, abort_uploads_after_days: days } of rules) {
    if (days === undefined) continue;
    const startedBefore = new Date(now.getTime() - days * DAY_MS);
    for (let more = true; more; ) {
      const page = await store.unfinishedUploads(bucket, startedBefore);
      const due = page.filter(({ key, started_at }) => key.startsWith(prefix) && daysHavePassed(days, started_at, now));
      for (const upload of due) await store.abortUpload(upload);
      aborted += due.length;
      more = due.length > 0 && page.length === MAX_LIST_LIMIT;
    }
  }
  return aborted;
}
