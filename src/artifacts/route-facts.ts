import { z } from 'zod';
import { ETAG, etagOf } from '../http/conditions.js';
import { auditHeader } from '../http/reply.js';
import type { Reply } from '../http/route.js';
import { idSchema } from '../knowledge/schemas.js';
import type { Changed } from './change.js';
import { publicArtifact } from './row.js';
import { artifactSchema } from './schemas.js';

/** What the routes of artifacts have in common. */
export const params = z.object({ id: idSchema });
const MAX_JSON_BYTES = 1_000_000;

export const reading = {
  method: 'GET',
  tag: 'artifacts',
  scope: 'artifacts:read',
  bodyKind: 'none',
  maxBodyBytes: 0,
  write: false,
} as const;
export const writing = { tag: 'artifacts', scope: 'artifacts:write', write: true } as const;
export const withoutBody = { bodyKind: 'none', maxBodyBytes: 0 } as const;
export const withJson = { bodyKind: 'json', maxBodyBytes: MAX_JSON_BYTES } as const;
export const now200 = { 200: { description: 'The artifact as it is now.', schema: artifactSchema, headers: ETAG } };

/** The artifact as it is now, and the row of the audit log. */
export function changedReply({ artifact, audit_id }: Changed): Reply {
  const headers = { etag: etagOf(artifact.revision), ...auditHeader(audit_id) };
  return { status: 200, body: publicArtifact(artifact), headers };
}
