import type { Context } from '../context.js';
import type { AuditDraft } from '../surreal/database.js';

/** The columns of an audit row that the request decides: who, from where, on what. */
export function auditDraft(ctx: Context, resource: string, agentId?: string): AuditDraft {
  const { principal } = ctx;
  return {
    resource,
    agent_id: agentId ?? principal.agent_id,
    key_id: principal.key_id,
    address: principal.address,
    user_agent: principal.user_agent,
    request_id: ctx.requestId,
  };
}
