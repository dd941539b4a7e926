import type { Context } from '../context.js';
import { AcervoError, isAcervoError } from '../errors/error.js';
import type { ListedPart, PresignedRequest } from '../objects/port.js';
import { changeArtifact } from './change.js';
import type { ArtifactRow, PendingUpload } from './row.js';
import { MULTIPART_OVER_BYTES, type UploadInstructions } from './schemas.js';
import { awaiting } from './states.js';

const MIB = 1024 * 1024;
/** Big enough that few requests are made, small enough that little is sent again after a broken connection. */
const PART_BYTES = 8 * MIB;
/** So many parts at most, so that their URLs fit into one answer. */
const MAX_PARTS = 1000;

/** What is asked for when an upload begins. */
export interface WantedUpload {
  size_bytes: number;
  content_type: string;
  sha256?: string | undefined;
  upload_method: 'auto' | 'PUT' | 'POST' | 'multipart';
}

/** @throws AcervoError `artifact:too_large` */
export function checkSize(ctx: Context, size_bytes: number): void {
  const { maxBytes } = ctx.config.objects;
  if (size_bytes > maxBytes) throw new AcervoError('artifact:too_large', { detail: `At most ${maxBytes} bytes.` });
}

const urlsEnd = (ctx: Context): Date => new Date(ctx.clock().getTime() + ctx.config.objects.uploadUrlTtlSeconds * 1000);

/** Whoever began to send before the URLs ended may still be sending. */
export const reservedUntil = (ctx: Context): Date =>
  new Date(urlsEnd(ctx).getTime() + ctx.config.objects.uploadMaxSeconds * 1000);

/** How the bytes are to come. An empty object has no parts. */
export function plannedUpload(ctx: Context, wanted: WantedUpload): PendingUpload {
  const { size_bytes, content_type, sha256, upload_method } = wanted;
  const inParts = upload_method === 'multipart' || (upload_method === 'auto' && size_bytes > MULTIPART_OVER_BYTES);
  const method = inParts && size_bytes > 0 ? 'multipart' : upload_method === 'PUT' ? 'PUT' : 'POST';
  return {
    method,
    size_bytes,
    content_type,
    ...(sha256 === undefined ? {} : { sha256 }),
    ...(method === 'multipart' ? { part_size_bytes: partSizeFor(size_bytes) } : {}),
    urls_expire_at: urlsEnd(ctx).toISOString(),
  };
}

const partSizeFor = (size_bytes: number): number => Math.max(PART_BYTES, Math.ceil(size_bytes / MAX_PARTS / MIB) * MIB);

export interface Part {
  part_number: number;
  offset_bytes: number;
  size_bytes: number;
}

/** The parts that make up an upload: all of one size but the last. */
export function partsOf({ size_bytes, part_size_bytes = PART_BYTES }: PendingUpload): Part[] {
  return Array.from({ length: Math.ceil(size_bytes / part_size_bytes) }, (_, index) => ({
    part_number: index + 1,
    offset_bytes: index * part_size_bytes,
    size_bytes: Math.min(part_size_bytes, size_bytes - index * part_size_bytes),
  }));
}

/** Which parts are there with the right size, and which are to come (again). */
export function arrivedAndMissing(
  upload: PendingUpload,
  listed: ListedPart[],
): { arrived: ListedPart[]; missing: Part[] } {
  const there = new Map(listed.map((part) => [part.part_number, part]));
  const parts = partsOf(upload);
  const fits = ({ part_number, size_bytes }: Part) => there.get(part_number)?.size_bytes === size_bytes;
  const arrived = parts.filter(fits).flatMap(({ part_number }) => there.get(part_number) ?? []);
  return { arrived, missing: parts.filter((part) => !fits(part)) };
}

/** Begins the store's own upload of a reservation in parts that has none yet. The pointer came first. */
export async function withUploadId(ctx: Context, row: ArtifactRow): Promise<ArtifactRow> {
  const { upload, bucket, key } = row;
  if (upload?.method !== 'multipart' || upload.upload_id !== undefined) return row;
  const { upload_id } = await ctx.objects.startUpload({ bucket, key }, { content_type: upload.content_type });
  ctx.passFaultPoint('reserve:upload_started');
  const { artifact } = await changeArtifact(ctx, row.id, (now) =>
    now.upload?.method === 'multipart' && now.upload.upload_id === undefined
      ? awaiting(now, { ...now.upload, upload_id }, reservedUntil(ctx))
      : undefined,
  );
  if (artifact.upload?.upload_id !== upload_id) await ctx.objects.abortUpload({ bucket, key, upload_id });
  return artifact;
}

/**
 * The requests by which a client sends the bytes, signed now: for parts, those that have not arrived.
 * @throws AcervoError `objects:unavailable`, `artifact:not_reserved`
 */
export async function uploadInstructions(ctx: Context, row: ArtifactRow): Promise<UploadInstructions> {
  const { upload, bucket, key } = row;
  if (upload === undefined)
    throw new AcervoError('artifact:not_reserved', { detail: `The artifact is ${row.status}.` });
  const options = { expires_in_seconds: ctx.config.objects.uploadUrlTtlSeconds };
  const { size_bytes: max_size_bytes, content_type } = upload;
  if (upload.method === 'PUT') return oneRequest(await ctx.objects.presignPut({ bucket, key }, options));
  if (upload.method === 'POST')
    return oneRequest(await ctx.objects.presignUpload({ bucket, key }, { ...options, content_type, max_size_bytes }));
  const { upload_id, part_size_bytes } = upload;
  if (upload_id === undefined) throw new AcervoError('revision:contended', { retryAfterSeconds: 1 });
  const { arrived, missing } = arrivedAndMissing(upload, await listedParts(ctx, row));
  const parts = await Promise.all(
    missing.map(async (part) => {
      const { url } = await ctx.objects.presignPart({ bucket, key, upload_id }, part.part_number, options);
      return { ...part, url };
    }),
  );
  return {
    method: 'multipart',
    part_size_bytes,
    parts,
    arrived_parts: arrived.map(({ part_number, size_bytes, etag }) => ({ part_number, size_bytes, etag })),
    expires_at: urlsEnd(ctx).toISOString(),
  };
}

function oneRequest({ method, url, headers, fields, expires_at }: PresignedRequest): UploadInstructions {
  if (method === 'POST') return { method, url, fields, expires_at };
  return { method: 'PUT', url, headers, expires_at };
}

/** What the store has of an upload in parts; nothing when it has assembled or aborted it. */
export async function listedParts(ctx: Context, { bucket, key, upload }: ArtifactRow): Promise<ListedPart[]> {
  if (upload?.upload_id === undefined) return [];
  try {
    return await ctx.objects.parts({ bucket, key, upload_id: upload.upload_id });
  } catch (error) {
    if (isAcervoError(error, 'artifact:upload_not_found')) return [];
    throw error;
  }
}
