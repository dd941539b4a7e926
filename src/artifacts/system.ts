import { v7 as uuidv7 } from 'uuid';
import type { Context, Services } from '../context.js';
import { ALL_SCOPES } from '../keys/scopes.js';

/** A context for what this server does by itself; the audit log shows it as the key `system:<who>`. */
export function systemContext(
  services: Services,
  who: 'bucket-events' | 'reconcile' | 'sessions' | 'hooks' | 'search',
): Context {
  return {
    ...services,
    principal: {
      key_id: `system:${who}`,
      scopes: new Set(ALL_SCOPES),
      agent_id: undefined,
      address: undefined,
      user_agent: undefined,
    },
    requestId: uuidv7(),
    operation: { id: uuidv7(), request_digest: '' },
  };
}
