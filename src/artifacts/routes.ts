import { z } from 'zod';
import { contentLength, declaredSha256, withBytes } from '../http/bytes.js';
import { etagOf, revisionFromIfMatch, revisionReply } from '../http/conditions.js';
import { defineRoute, type Reply, type Route } from '../http/route.js';
import { idSchema } from '../knowledge/schemas.js';
import { batchArtifacts } from './batch.js';
import type { Changed } from './change.js';
import { completeUpload } from './complete.js';
import { deleteArtifact } from './delete.js';
import { downloadRoutes } from './download-routes.js';
import { holdArtifact } from './hold.js';
import { listArtifacts } from './list.js';
import { patchArtifact } from './patch.js';
import { putContent } from './put-content.js';
import { reserveArtifact } from './reserve.js';
import { publicArtifact, readArtifact } from './row.js';
import {
  artifactSchema,
  artifactWithUploadSchema,
  batchSchema,
  completeSchema,
  holdSchema,
  MAX_BATCH,
  patchArtifactSchema,
  reserveSchema,
  uploadSchema,
  versionSchema,
} from './schemas.js';
import { undeleteArtifact } from './undelete.js';
import { uploadAgain } from './upload-again.js';
import { listVersions, restoreVersion } from './versions.js';

const params = z.object({ id: idSchema });
const ETAG = { etag: 'The revision; send it back as If-Match.' };
const MAX_JSON_BYTES = 1_000_000;
/** S3 has no larger objects: 5 TiB. What this server takes at most is set by ACERVO_MAX_ARTIFACT_BYTES. */
const MAX_CONTENT_BYTES = 5_497_558_138_880;

const reading = {
  method: 'GET',
  tag: 'artifacts',
  scope: 'artifacts:read',
  bodyKind: 'none',
  maxBodyBytes: 0,
  write: false,
} as const;
const writing = { tag: 'artifacts', scope: 'artifacts:write', write: true } as const;
const withoutBody = { bodyKind: 'none', maxBodyBytes: 0 } as const;
const withJson = { bodyKind: 'json', maxBodyBytes: MAX_JSON_BYTES } as const;
const now200 = { 200: { description: 'The artifact as it is now.', schema: artifactSchema, headers: ETAG } };

/** The artifact as it is now, and the row of the audit log. */
function changedReply({ artifact, audit_id }: Changed): Reply {
  const headers = {
    etag: etagOf(artifact.revision),
    ...(audit_id === undefined ? {} : { 'acervo-audit-id': audit_id }),
  };
  return { status: 200, body: publicArtifact(artifact), headers };
}

const reserveRoute = defineRoute({
  ...writing,
  ...withJson,
  method: 'POST',
  path: '/v1/artifacts',
  operationId: 'reserveArtifact',
  summary: 'Reserve an artifact and learn how to send its bytes',
  description:
    'The bytes then go to PUT /v1/artifacts/{id}/content, or past this server as `upload` says, and are confirmed by ' +
    'POST /v1/artifacts/{id}/complete (or by the event of the bucket). A reservation without bytes is abandoned.',
  body: reserveSchema,
  responses: { 201: { description: 'Reserved.', schema: artifactWithUploadSchema, headers: ETAG } },
  errors: [
    'artifact:bucket_not_found',
    'artifact:key_invalid',
    'artifact:key_taken',
    'artifact:id_unavailable',
    'artifact:too_large',
    'session:not_found',
    'knowledge:metadata_too_large',
    'auth:agent_mismatch',
    'objects:unavailable',
    'objects:refused',
  ],
  handler: async (ctx, { body }) => {
    const { artifact, audit_id } = await reserveArtifact(ctx, body);
    const headers = { etag: etagOf(artifact.revision ?? 1), location: `/v1/artifacts/${artifact.id}` };
    return {
      status: 201,
      body: artifact,
      headers: { ...headers, ...(audit_id === undefined ? {} : { 'acervo-audit-id': audit_id }) },
    };
  },
});

const uploadRoute = defineRoute({
  ...writing,
  ...withJson,
  method: 'POST',
  path: '/v1/artifacts/{id}/upload',
  operationId: 'uploadArtifact',
  summary: 'Go on with an upload, or begin one of a further version',
  description:
    'With an empty object: fresh URLs for what has not arrived, and which parts have. With a size: a new upload, also ' +
    'over a stored artifact, which stays as it is until the upload is complete.',
  params,
  body: uploadSchema,
  responses: { 200: { description: 'How to send the bytes.', schema: artifactWithUploadSchema, headers: ETAG } },
  errors: [
    'artifact:not_found',
    'artifact:too_large',
    'revision:mismatch',
    'revision:contended',
    'objects:unavailable',
    'objects:refused',
  ],
  handler: async (ctx, { params: { id }, body, headers }) => {
    const { artifact } = await uploadAgain(ctx, id, body, revisionFromIfMatch(headers));
    return { status: 200, body: artifact, headers: { etag: etagOf(artifact.revision ?? 1) } };
  },
});

const contentRoute = defineRoute({
  ...writing,
  method: 'PUT',
  path: '/v1/artifacts/{id}/content',
  operationId: 'putArtifactContent',
  summary: 'Send the bytes through this server',
  description:
    'Streamed into the store and digested on the way. Over a stored artifact: a further version. `Content-Digest` ' +
    '(RFC 9530, sha-256) is checked, and so is what the reservation declared.',
  params,
  bodyKind: 'bytes',
  maxBodyBytes: MAX_CONTENT_BYTES,
  responses: now200,
  errors: [
    'artifact:not_found',
    'artifact:not_reserved',
    'artifact:size_mismatch',
    'artifact:checksum_mismatch',
    'artifact:too_large',
    'artifact:too_many_versions',
    'request:length_required',
    'revision:mismatch',
    'revision:contended',
    'objects:unavailable',
    'objects:refused',
  ],
  handler: async (ctx, { params: { id }, body, headers }) =>
    withBytes(body, async (bytes) =>
      changedReply(
        await putContent(ctx, id, {
          body: bytes,
          size_bytes: contentLength(headers),
          content_type: headers.get('content-type') ?? undefined,
          sha256: declaredSha256(headers),
          expectedRevision: revisionFromIfMatch(headers),
        }),
      ),
    ),
});

const completeRoute = defineRoute({
  ...writing,
  ...withJson,
  method: 'POST',
  path: '/v1/artifacts/{id}/complete',
  operationId: 'completeArtifact',
  summary: 'Say that all bytes are there',
  description: 'Checks parts, size and digest, and pins the version. Said again, it changes nothing.',
  params,
  body: completeSchema,
  responses: now200,
  errors: [
    'artifact:not_found',
    'artifact:not_reserved',
    'artifact:upload_incomplete',
    'artifact:part_invalid',
    'artifact:size_mismatch',
    'artifact:checksum_mismatch',
    'artifact:too_many_versions',
    'revision:mismatch',
    'revision:contended',
    'objects:unavailable',
    'objects:refused',
  ],
  handler: async (ctx, { params: { id }, body, headers }) =>
    changedReply(await completeUpload(ctx, id, body, revisionFromIfMatch(headers))),
});

const getRoute = defineRoute({
  ...reading,
  path: '/v1/artifacts/{id}',
  operationId: 'getArtifact',
  summary: 'Read what is known of an artifact',
  description: 'From the database alone; a deleted one too, with its status.',
  params,
  responses: { ...now200, 304: { description: 'If-None-Match names the current revision.' } },
  errors: ['artifact:not_found'],
  handler: async (ctx, { params: { id }, headers }) => {
    const artifact = await readArtifact(ctx, id);
    return revisionReply(headers, artifact.revision, publicArtifact(artifact));
  },
});

const listRoute = defineRoute({
  ...reading,
  path: '/v1/artifacts',
  operationId: 'listArtifacts',
  summary: 'List artifacts by filter',
  query: z.object({
    filter: z.string().max(20_000).optional().meta({
      description: 'A filter as in search, as JSON, over size_bytes, content_type, bucket, metadata.… and so on.',
    }),
    status: z.enum(['stored', 'reserved', 'deleting', 'deleted', 'abandoned', 'expired', 'all']).default('stored'),
    order: z.enum(['asc', 'desc']).default('asc').meta({ description: 'By id; ids made here rise with time.' }),
    limit: z.coerce.number().int().min(1).max(100).default(20),
    cursor: z.string().max(2000).optional(),
  }),
  responses: {
    200: {
      description: 'A page; `cursor` leads to the next.',
      schema: z
        .object({ artifacts: z.array(artifactSchema), cursor: z.string().optional() })
        .meta({ id: 'ArtifactPage' }),
    },
  },
  errors: ['filter:invalid', 'filter:unknown_path', 'filter:unknown_operator', 'cursor:invalid', 'cursor:expired'],
  handler: async (ctx, { query }) => ({ status: 200, body: await listArtifacts(ctx, query) }),
});

const batchRoute = defineRoute({
  method: 'POST',
  tag: 'artifacts',
  scope: 'artifacts:read',
  write: false,
  ...withJson,
  path: '/v1/artifacts/batch',
  operationId: 'batchArtifacts',
  summary: `Read up to ${MAX_BATCH} artifacts with their download URLs`,
  body: batchSchema,
  responses: {
    200: {
      description: 'In the order of the ids.',
      schema: z
        .object({
          artifacts: z.array(
            z.object({
              id: idSchema,
              artifact: artifactSchema.optional(),
              url: z.string().optional(),
              expires_at: z.iso.datetime().optional(),
              error: z.string().optional().meta({ description: 'A code, where there is no such artifact.' }),
            }),
          ),
        })
        .meta({ id: 'ArtifactBatchAnswer' }),
    },
  },
  errors: [],
  handler: async (ctx, { body }) => ({ status: 200, body: { artifacts: await batchArtifacts(ctx, body) } }),
});

const patchRoute = defineRoute({
  ...writing,
  ...withJson,
  method: 'PATCH',
  path: '/v1/artifacts/{id}',
  operationId: 'patchArtifact',
  summary: 'Change what is said about an artifact',
  params,
  body: patchArtifactSchema,
  responses: now200,
  errors: [
    'artifact:not_found',
    'session:not_found',
    'knowledge:metadata_too_large',
    'revision:mismatch',
    'revision:contended',
  ],
  handler: async (ctx, { params: { id }, body, headers }) =>
    changedReply(await patchArtifact(ctx, id, body, revisionFromIfMatch(headers))),
});

const deleteRoute = defineRoute({
  ...writing,
  ...withoutBody,
  method: 'DELETE',
  path: '/v1/artifacts/{id}',
  operationId: 'deleteArtifact',
  summary: 'Delete an artifact',
  description: 'It can be brought back while its versions are kept. A reservation is cancelled.',
  params,
  responses: { 204: { description: 'Deleted.' } },
  errors: [
    'artifact:not_found',
    'artifact:held',
    'revision:mismatch',
    'revision:contended',
    'objects:unavailable',
    'objects:refused',
  ],
  handler: async (ctx, { params: { id }, headers }) => {
    const { audit_id } = await deleteArtifact(ctx, id, revisionFromIfMatch(headers));
    return { status: 204, headers: audit_id === undefined ? {} : { 'acervo-audit-id': audit_id } };
  },
});

const undeleteRoute = defineRoute({
  ...writing,
  ...withoutBody,
  method: 'POST',
  path: '/v1/artifacts/{id}/undelete',
  operationId: 'undeleteArtifact',
  summary: 'Bring a deleted or expired artifact back',
  params,
  responses: now200,
  errors: [
    'artifact:not_found',
    'artifact:not_stored',
    'artifact:gone',
    'revision:mismatch',
    'revision:contended',
    'objects:unavailable',
    'objects:refused',
  ],
  handler: async (ctx, { params: { id }, headers }) =>
    changedReply(await undeleteArtifact(ctx, id, revisionFromIfMatch(headers))),
});

const versionsRoute = defineRoute({
  ...reading,
  path: '/v1/artifacts/{id}/versions',
  operationId: 'listArtifactVersions',
  summary: 'List the versions of an artifact, newest first',
  params,
  responses: {
    200: {
      description: 'All of them: there are at most 1 000.',
      schema: z.object({ versions: z.array(versionSchema) }).meta({ id: 'ArtifactVersions' }),
    },
  },
  errors: ['artifact:not_found'],
  handler: async (ctx, { params: { id } }) => ({ status: 200, body: { versions: await listVersions(ctx, id) } }),
});

const restoreRoute = defineRoute({
  ...writing,
  ...withoutBody,
  method: 'POST',
  path: '/v1/artifacts/{id}/versions/{version_id}/restore',
  operationId: 'restoreArtifactVersion',
  summary: 'Make an old version current again',
  description: 'Its bytes become a new version on top of the others.',
  params: params.extend({ version_id: z.string().min(1).max(128) }),
  responses: now200,
  errors: [
    'artifact:not_found',
    'artifact:gone',
    'artifact:too_many_versions',
    'revision:mismatch',
    'revision:contended',
    'objects:unavailable',
    'objects:refused',
  ],
  handler: async (ctx, { params: { id, version_id }, headers }) =>
    changedReply(await restoreVersion(ctx, id, version_id, revisionFromIfMatch(headers))),
});

const holdRoute = defineRoute({
  ...writing,
  ...withJson,
  scope: 'artifacts:hold',
  method: 'PUT',
  path: '/v1/artifacts/{id}/hold',
  operationId: 'holdArtifact',
  summary: 'Set or lift a legal hold; set or lengthen retention',
  params,
  body: holdSchema,
  responses: now200,
  errors: [
    'artifact:not_found',
    'artifact:not_stored',
    'artifact:held',
    'artifact:lock_unsupported',
    'revision:mismatch',
    'revision:contended',
    'objects:unavailable',
    'objects:refused',
  ],
  handler: async (ctx, { params: { id }, body, headers }) =>
    changedReply(await holdArtifact(ctx, id, body, revisionFromIfMatch(headers))),
});

export const artifactRoutes: Route[] = [
  reserveRoute,
  batchRoute,
  listRoute,
  getRoute,
  patchRoute,
  deleteRoute,
  uploadRoute,
  contentRoute,
  completeRoute,
  ...downloadRoutes,
  undeleteRoute,
  versionsRoute,
  restoreRoute,
  holdRoute,
];
