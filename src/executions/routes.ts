import { etagOf } from '../http/conditions.js';
import { auditHeader } from '../http/reply.js';
import { defineRoute, type Route } from '../http/route.js';
import { MAX_DOCUMENT_BODY_BYTES } from '../knowledge/schemas.js';
import { execute } from './execute.js';
import { executedSchema, executionSchema } from './schemas.js';

const executeRoute = defineRoute({
  method: 'POST',
  path: '/v1/executions',
  operationId: 'execute',
  tag: 'sessions',
  scope: 'sessions:write',
  summary: 'Store a step of an agent: state, file, what is known of it, decision',
  description:
    'All of it or nothing, with an audit row for each. The session is begun, or patched when it exists; the artifact is ' +
    'reserved and linked to the session, and `upload` says how to send its bytes, which completes it as for ' +
    'POST /v1/artifacts; knowledge is indexed and derived from the artifact; the decision is the session’s, and the ' +
    'artifact one of its products. All belong to the session’s agent. An artifact needs artifacts:write as well, ' +
    'knowledge knowledge:write, a decision decisions:write. Sent again with the same Idempotency-Key it changes nothing ' +
    'and answers the same ids.',
  body: executionSchema,
  bodyKind: 'json',
  maxBodyBytes: MAX_DOCUMENT_BODY_BYTES,
  write: true,
  responses: {
    201: {
      description: 'Stored.',
      schema: executedSchema,
      headers: { etag: 'The revision of the session.' },
    },
  },
  errors: [
    'session:id_unavailable',
    'session:illegal_transition',
    'session:finished',
    'session:state_too_large',
    'session:not_found',
    'artifact:bucket_not_found',
    'artifact:key_invalid',
    'artifact:key_taken',
    'artifact:id_unavailable',
    'artifact:too_large',
    'artifact:not_found',
    'knowledge:content_too_large',
    'knowledge:metadata_too_large',
    'knowledge:too_many_passages',
    'knowledge:word_too_long',
    'knowledge:id_unavailable',
    'knowledge:not_found',
    'decision:id_unavailable',
    'decision:too_many_links',
    'vector:wrong_dimensions',
    'vector:zero',
    'auth:agent_mismatch',
    'revision:contended',
    'objects:unavailable',
    'objects:refused',
  ],
  handler: async (ctx, { body, signal }) => {
    const { executed, audit_id } = await execute(ctx, body, signal);
    const headers = { etag: etagOf(executed.session.revision), ...auditHeader(audit_id) };
    return { status: 201, body: executed, headers };
  },
});

export const executionRoutes: Route[] = [executeRoute];
