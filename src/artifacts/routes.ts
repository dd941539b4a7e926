import { z } from 'zod';
import { revisionFromIfMatch, revisionReply } from '../http/conditions.js';
import { CURSOR_ERRORS, FILTER_ERRORS, listQuery } from '../http/paging.js';
import { auditHeader } from '../http/reply.js';
import { defineRoute, type Route } from '../http/route.js';
import { idSchema } from '../knowledge/schemas.js';
import { batchArtifacts } from './batch.js';
import { deleteArtifact } from './delete.js';
import { downloadRoutes } from './download-routes.js';
import { holdArtifact } from './hold.js';
import { listArtifacts } from './list.js';
import { patchArtifact } from './patch.js';
import { changedReply, now200, params, reading, withJson, withoutBody, writing } from './route-facts.js';
import { publicArtifact, readArtifact } from './row.js';
import { artifactSchema, batchSchema, holdSchema, MAX_BATCH, patchArtifactSchema, versionSchema } from './schemas.js';
import { undeleteArtifact } from './undelete.js';
import { uploadRoutes } from './upload-routes.js';
import { listVersions, restoreVersion } from './versions.js';

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
    ...listQuery('size_bytes, content_type, bucket, metadata.… and so on'),
    status: z.enum(['stored', 'reserved', 'deleting', 'deleted', 'abandoned', 'expired', 'all']).default('stored'),
  }),
  responses: {
    200: {
      description: 'A page; `cursor` leads to the next.',
      schema: z
        .object({ artifacts: z.array(artifactSchema), cursor: z.string().optional() })
        .meta({ id: 'ArtifactPage' }),
    },
  },
  errors: [...FILTER_ERRORS, ...CURSOR_ERRORS],
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
    return { status: 204, headers: auditHeader(audit_id) };
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
  ...uploadRoutes,
  batchRoute,
  listRoute,
  getRoute,
  patchRoute,
  deleteRoute,
  ...downloadRoutes,
  undeleteRoute,
  versionsRoute,
  restoreRoute,
  holdRoute,
];
