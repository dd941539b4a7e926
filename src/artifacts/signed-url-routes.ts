import { z } from 'zod';
import type { BucketEvent } from '../bucket-events/event.js';
import { recordEvents } from '../bucket-events/record.js';
import type { Context } from '../context.js';
import { AcervoError } from '../errors/error.js';
import { bytesReply, contentLength, withBytes } from '../http/bytes.js';
import { defineRoute, type Reply, type Route } from '../http/route.js';
import type { Grant } from '../objects/disk/grants.js';
import type { StoredObject } from '../objects/port.js';
import { versionIdOf } from './landing.js';

/** Where objects are in a directory, these are what presigned URLs lead to: the token in the path is the right. */
const MAX_TOKEN_CHARS = 4000;
const MAX_CONTENT_BYTES = 5_497_558_138_880;
const NS_PER_MS = 1_000_000n;
const params = z.object({
  token: z
    .string()
    .regex(/^[A-Za-z0-9_-]+$/)
    .max(MAX_TOKEN_CHARS),
});
const facts = { path: '/objects/{token}', scope: 'own', tag: 'artifacts', write: false, params } as const;
const ERRORS = ['artifact:url_invalid', 'artifact:url_expired', 'artifact:not_found', 'objects:unavailable'] as const;

/** @throws AcervoError `artifact:url_invalid`, `artifact:url_expired` */
function granted(ctx: Context, token: string, method: string): Grant {
  if (ctx.openSignedUrl === undefined) throw new AcervoError('artifact:url_invalid');
  return ctx.openSignedUrl(token, method);
}

const readRoute = defineRoute({
  ...facts,
  method: 'GET',
  operationId: 'getSignedObject',
  bodyKind: 'none',
  maxBodyBytes: 0,
  summary: 'Download by signed URL',
  description: 'As handed out by /v1/artifacts/{id}/url where objects lie on the disk of this server.',
  responses: {
    200: { description: 'The bytes.', contentType: '*/*' },
    206: { description: 'The range.', contentType: '*/*' },
    304: { description: 'If-None-Match names these bytes.' },
  },
  errors: [...ERRORS, 'artifact:range_not_satisfiable'],
  handler: async (ctx, { params: { token }, raw }) => {
    const grant = granted(ctx, token, raw.method);
    const stat = await ctx.objects.stat(grant);
    const object = { ...grant, version_id: versionIdOf(stat) };
    return bytesReply(raw, {
      etag: `"${stat.etag}"`,
      size_bytes: stat.size_bytes,
      headers: {
        'content-type': stat.content_type,
        'content-disposition': grant.content_disposition ?? 'attachment',
        'cache-control': 'private, no-cache',
      },
      open: (range) => ctx.objects.get(object, range),
    });
  },
});

const essenceOf = (type: string) => type.split(';')[0]?.trim().toLowerCase();

/** @throws AcervoError `request:length_required`, `artifact:too_large`, `artifact:type_mismatch` */
function checkAgainst(ctx: Context, grant: Grant, headers: Headers): { size_bytes: number; content_type: string } {
  const size_bytes = contentLength(headers);
  if (size_bytes === undefined) throw new AcervoError('request:length_required');
  const most = Math.min(grant.max_size_bytes ?? Number.POSITIVE_INFINITY, ctx.config.objects.maxBytes);
  if (size_bytes > most) throw new AcervoError('artifact:too_large', { detail: `At most ${most} bytes.` });
  const content_type = headers.get('content-type') ?? 'application/octet-stream';
  if (grant.content_type !== undefined && essenceOf(grant.content_type) !== essenceOf(content_type))
    throw new AcervoError('artifact:type_mismatch', { detail: `Declared was ${grant.content_type}.` });
  return { size_bytes, content_type };
}

const stored = ({ etag, version_id }: Pick<StoredObject, 'etag'> & { version_id?: string | null }): Reply => ({
  status: 200,
  headers: { etag: `"${etag}"`, ...(version_id ? { 'acervo-version-id': version_id } : {}) },
});

const writeRoute = defineRoute({
  ...facts,
  method: 'PUT',
  operationId: 'putSignedObject',
  bodyKind: 'bytes',
  maxBodyBytes: MAX_CONTENT_BYTES,
  summary: 'Upload by signed URL',
  description:
    'As handed out with a reservation where objects lie on the disk of this server: an object, or a part of one.',
  responses: { 200: { description: 'Stored; complete the artifact now.', headers: { etag: 'Of the bytes.' } } },
  errors: [
    ...ERRORS,
    'request:length_required',
    'artifact:too_large',
    'artifact:type_mismatch',
    'artifact:size_mismatch',
    'artifact:upload_not_found',
    'artifact:too_many_versions',
  ],
  handler: async (ctx, { params: { token }, body, headers, raw }) =>
    withBytes(body, async (bytes) => {
      const grant = granted(ctx, token, raw.method);
      const { bucket, key, upload_id, part_number } = grant;
      const { size_bytes, content_type } = checkAgainst(ctx, grant, headers);
      if (upload_id !== undefined && part_number !== undefined)
        return stored(await ctx.objects.putPart({ bucket, key, upload_id }, part_number, bytes, { size_bytes }));
      const put = await ctx.objects.put({ bucket, key }, bytes, { size_bytes, content_type });
      await recordEvents(ctx, [putEvent(ctx, { bucket, key }, put, { size_bytes, content_type })]);
      return stored(put);
    }),
});

/** What a store of its own would tell us now. The event is a hint: should a crash keep it from us, reconcile finds the object. */
function putEvent(
  ctx: Context,
  name: { bucket: string; key: string },
  put: StoredObject,
  about: { size_bytes: number; content_type: string },
): BucketEvent {
  const now = ctx.clock();
  const sequencer = (BigInt(now.getTime()) * NS_PER_MS).toString(16).toUpperCase();
  const version = { version_id: versionIdOf(put), etag: put.etag, sequencer };
  return {
    ...name,
    ...version,
    ...about,
    event_name: 's3:ObjectCreated:Put',
    event_time: now.toISOString(),
    lifecycle: false,
  };
}

export const signedUrlRoutes: Route[] = [readRoute, writeRoute];
