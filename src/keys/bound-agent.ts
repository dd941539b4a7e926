import type { Context, Principal } from '../context.js';
import { AcervoError } from '../errors/error.js';

/** A key that is bound to an agent sees what is that agent's; any other key sees what is anybody's. */
export const maySee = ({ agent_id }: Pick<Principal, 'agent_id'>, of: { agent_id?: string | undefined }): boolean =>
  agent_id === undefined || agent_id === of.agent_id;

/**
 * The agent that a write is of: the one that is named, or the key's.
 * @throws AcervoError `auth:agent_mismatch` when a bound key names another agent
 */
export function actingAgent({ principal }: Context, named: string | undefined): string | undefined {
  const bound = principal.agent_id;
  if (bound !== undefined && named !== undefined && named !== bound) throw new AcervoError('auth:agent_mismatch');
  return bound ?? named;
}
