import { z } from 'zod';
import { bytesReply } from '../http/bytes.js';
import { defineRoute, type Route } from '../http/route.js';
import { type ChosenContent, chooseContent, openContent } from './content.js';
import { attachment } from './disposition.js';
import { params, reading } from './route-facts.js';
import { urlSchema } from './schemas.js';
import { downloadUrl } from './url.js';

/** Strong, and the same for the same bytes where they have been digested. */
const contentTag = ({ sha256, checksum, version_id }: ChosenContent['version']) =>
  `"${checksum === 'verified' && sha256 !== undefined ? sha256 : version_id}"`;

function contentHeaders({ row, version }: ChosenContent): Record<string, string> {
  const { content_type, sha256, checksum, version_id } = version;
  const digest =
    checksum === 'verified' && sha256 !== undefined ? Buffer.from(sha256, 'hex').toString('base64') : undefined;
  return {
    'content-type': content_type,
    'content-disposition': attachment(row.name),
    'cache-control': 'private, no-cache',
    'acervo-version-id': version_id,
    ...(digest === undefined ? {} : { 'repr-digest': `sha-256=:${digest}:` }),
  };
}

const contentRoute = defineRoute({
  ...reading,
  path: '/v1/artifacts/{id}/content',
  operationId: 'getArtifactContent',
  summary: 'Download the bytes through this server',
  description:
    'One `Range` is honoured, with `If-Range`; `If-None-Match` takes the ETag. Always sent as an attachment.',
  params,
  query: z.object({
    version_id: z.string().min(1).max(128).optional().meta({ description: 'An older version.' }),
  }),
  responses: {
    200: {
      description: 'The bytes.',
      contentType: '*/*',
      headers: { etag: 'Of the bytes.', 'repr-digest': 'SHA-256 of all bytes (RFC 9530), where it is verified.' },
    },
    206: { description: 'The range.', contentType: '*/*' },
    304: { description: 'If-None-Match names these bytes.' },
  },
  errors: [
    'artifact:not_found',
    'artifact:not_stored',
    'artifact:range_not_satisfiable',
    'objects:unavailable',
    'objects:refused',
  ],
  handler: async (ctx, { params: { id }, query: { version_id }, raw }) => {
    const chosen = await chooseContent(ctx, id, version_id);
    return bytesReply(raw, {
      etag: contentTag(chosen.version),
      size_bytes: chosen.version.size_bytes,
      headers: contentHeaders(chosen),
      open: (range) => openContent(ctx, chosen, range),
    });
  },
});

const urlRoute = defineRoute({
  ...reading,
  path: '/v1/artifacts/{id}/url',
  operationId: 'getArtifactUrl',
  summary: 'A URL that downloads the bytes without a key',
  params,
  responses: { 200: { description: 'Valid until expires_at.', schema: urlSchema } },
  errors: ['artifact:not_found', 'artifact:not_stored'],
  handler: async (ctx, { params: { id } }) => ({ status: 200, body: await downloadUrl(ctx, id) }),
});

export const downloadRoutes: Route[] = [contentRoute, urlRoute];
