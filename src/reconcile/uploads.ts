import type { ArtifactRow } from '../artifacts/row.js';
import type { Context } from '../context.js';
import { MAX_LIST_LIMIT, type UnfinishedUpload } from '../objects/port.js';
import type { Step } from './report.js';
import type { Finding } from './schemas.js';
import { guarded } from './settle-one.js';

/**
 * Aborts uploads in parts that no reservation names and that are older than any upload may be: their parts take space
 * and are in no listing.
 * @throws AcervoError `objects:unavailable`, `database:unavailable`; the signal's reason when it is aborted
 */
export async function* abortUploads(
  ctx: Context,
  bucket: string,
  { now, apply, signal }: { now: Date; apply: boolean; signal: AbortSignal },
): AsyncGenerator<Step> {
  const { uploadUrlTtlSeconds, uploadMaxSeconds } = ctx.config.objects;
  const before = new Date(now.getTime() - (uploadUrlTtlSeconds + uploadMaxSeconds) * 1000);
  for (;;) {
    const page = await ctx.objects.unfinishedUploads(bucket, before);
    const findings: Finding[] = [];
    for (const upload of page) {
      signal.throwIfAborted();
      const finding = await judgeUpload(ctx, upload, apply);
      if (finding !== undefined) findings.push(finding);
    }
    const position = { pass: 'uploads' as const, bucket, key: '' };
    yield { position, findings, objects_seen: 0, pointers_seen: 0, objects_digested: 0 };
    // The store shows the first page again and again: what is behind it shows once some of it has gone.
    const gone = findings.filter(({ settled }) => settled).length;
    if (page.length < MAX_LIST_LIMIT || gone === 0) return;
  }
}

async function judgeUpload(ctx: Context, upload: UnfinishedUpload, apply: boolean): Promise<Finding | undefined> {
  const { bucket, key, upload_id, started_at } = upload;
  return guarded(ctx, { bucket, key }, async () => {
    const row = await ctx.db.query<ArtifactRow | undefined>('artifacts/of-object', { bucket, key });
    if (row?.upload?.upload_id === upload_id) return undefined;
    if (apply) await ctx.objects.abortUpload(upload);
    const owner = row === undefined ? {} : { artifact_id: row.id };
    return { bucket, key, ...owner, kind: 'abandoned_parts', detail: `since ${started_at}`, settled: apply };
  });
}
