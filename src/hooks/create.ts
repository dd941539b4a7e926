import { v7 as uuidv7 } from 'uuid';
import type { Context } from '../context.js';
import { AcervoError } from '../errors/error.js';
import { readInterest } from '../live/interest.js';
import { readPosition } from '../live/position.js';
import { faultOfUrl } from './address.js';
import { type ChangedHook, writeHook } from './change.js';
import { followingScopes, type HookColumns, interestOf } from './row.js';
import type { CreateHookInput } from './schemas.js';

/**
 * Refuses what could never be delivered.
 * @throws AcervoError `hook:url_forbidden`, `filter:*`, `request:invalid`
 */
export function checkHook({ config }: Pick<Context, 'config'>, columns: HookColumns): void {
  const fault = faultOfUrl(columns.url, config.hooks.allowPrivate);
  if (fault !== undefined) throw new AcervoError('hook:url_forbidden', { detail: `The URL ${fault}.` });
  readInterest(interestOf(columns));
}

/**
 * Makes a hook that acts with the rights of the asking key.
 * @throws AcervoError `hook:url_forbidden`, `hook:too_many`, `filter:*`, `cursor:*`, and those of `Database.transact`
 */
export async function createHook(ctx: Context, input: CreateHookInput): Promise<ChangedHook> {
  const { url, description, kinds, resource, filter, enabled, cursor } = input;
  const { key_id, agent_id } = ctx.principal;
  const columns: HookColumns = {
    ...{ url, description, kinds, resource, enabled, key_id, agent_id },
    filter: filter === undefined ? undefined : JSON.stringify(filter),
    ...(enabled ? {} : { disabled_reason: 'requested', disabled_at: ctx.clock() }),
    scopes: followingScopes(ctx.principal),
    secret_generation: 1,
  };
  checkHook(ctx, columns);
  const position = readPosition(ctx.cursors, cursor ?? (await ctx.live.tail.cursor()));
  const { operation } = ctx;
  return writeHook(ctx, uuidv7(), { columns, position, beginAnew: true }, { revision: 0, operation });
}
