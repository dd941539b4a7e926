import { contentLength, declaredSha256, withBytes } from '../http/bytes.js';
import { ETAG, etagOf, revisionFromIfMatch } from '../http/conditions.js';
import { auditHeader } from '../http/reply.js';
import { defineRoute, type Route } from '../http/route.js';
import { completeUpload } from './complete.js';
import { putContent } from './put-content.js';
import { reserveArtifact } from './reserve.js';
import { changedReply, now200, params, withJson, writing } from './route-facts.js';
import { artifactWithUploadSchema, completeSchema, reserveSchema, uploadSchema } from './schemas.js';
import { uploadAgain } from './upload-again.js';

/** S3 has no larger objects: 5 TiB. What this server takes at most is set by ACERVO_MAX_ARTIFACT_BYTES. */
const MAX_CONTENT_BYTES = 5_497_558_138_880;

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
    return { status: 201, body: artifact, headers: { ...headers, ...auditHeader(audit_id) } };
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

export const uploadRoutes: Route[] = [reserveRoute, uploadRoute, contentRoute, completeRoute];
