import type { Context, Principal, Services } from '../context.js';
import { AcervoError } from '../errors/error.js';
import { maySee } from '../keys/bound-agent.js';
import type { Scope } from '../keys/scopes.js';
import { KIND_SCOPES, KINDS, type Kind } from '../live/change.js';
import type { InterestInput } from '../live/interest.js';
import type { Position } from '../live/position.js';
import type { Health } from './health.js';
import type { DisabledReason, Hook } from './schemas.js';

/** What a change decides of a hook; the query adds id, times and revision. */
export interface HookColumns {
  url: string;
  description?: string | undefined;
  kinds?: Kind[] | undefined;
  resource?: string | undefined;
  /** As JSON text. */
  filter?: string | undefined;
  enabled: boolean;
  disabled_reason?: DisabledReason | undefined;
  disabled_at?: Date | undefined;
  key_id: string;
  agent_id?: string | undefined;
  /** Of those that show changes, the ones that its key had. */
  scopes: Scope[];
  secret_generation: number;
  previous_secret_until?: Date | undefined;
}

export interface HookRow extends HookColumns {
  id: string;
  created_at: string;
  updated_at: string;
  revision: number;
}

/** How far a hook is. */
export interface HookState extends Health {
  position: Position;
  waiting_since?: Date | undefined;
  /** So many there have been. */
  attempts: number;
}

export interface HookWithState {
  row: HookRow;
  state: HookState;
}

type Stored<Type> = { [Name in keyof Type]: Type[Name] extends Date | undefined ? string | undefined : Type[Name] };

const dateOf = (text: string | undefined): Date | undefined => (text === undefined ? undefined : new Date(text));

function fromStored({ hook, state }: { hook: Stored<HookRow>; state: Stored<HookState> }): HookWithState {
  return {
    row: {
      ...hook,
      disabled_at: dateOf(hook.disabled_at),
      previous_secret_until: dateOf(hook.previous_secret_until),
    },
    state: {
      ...state,
      last_success_at: dateOf(state.last_success_at),
      last_failure_at: dateOf(state.last_failure_at),
      next_attempt_at: dateOf(state.next_attempt_at),
      waiting_since: dateOf(state.waiting_since),
    },
  };
}

/** The scopes that show changes, as far as a key has them. */
export const followingScopes = ({ scopes }: Pick<Principal, 'scopes'>): Scope[] =>
  KINDS.map((kind) => KIND_SCOPES[kind]).filter((scope) => scopes.has(scope));

/** A key sees the hooks that bring nothing but what it may know itself. */
export function maySeeHook(principal: Pick<Principal, 'agent_id' | 'scopes'>, row: HookRow): boolean {
  return maySee(principal, row) && row.scopes.every((scope) => principal.scopes.has(scope));
}

/** A hook, whoever asks; undefined when there is none. @throws AcervoError `database:unavailable` */
export async function findHook({ db }: Pick<Services, 'db'>, id: string): Promise<HookWithState | undefined> {
  const found = await db.query<Parameters<typeof fromStored>[0] | null | undefined>('hooks/get', { id });
  return found ? fromStored(found) : undefined;
}

/** A hook that this key may see. @throws AcervoError `hook:not_found` */
export async function readHook(ctx: Context, id: string): Promise<HookWithState> {
  const found = await findHook(ctx, id);
  if (found === undefined || !maySeeHook(ctx.principal, found.row)) throw new AcervoError('hook:not_found');
  return found;
}

/** All hooks that this key may see, oldest first. @throws AcervoError `database:unavailable` */
export async function readHooks(ctx: Context): Promise<HookWithState[]> {
  const found = await ctx.db.query<{ hooks: Stored<HookRow>[]; states: (Stored<HookState> & { id: string })[] }>(
    'hooks/list',
  );
  const states = new Map(found.states.map(({ id, ...state }) => [id, state]));
  const all = found.hooks.flatMap((hook) => {
    const state = states.get(hook.id);
    return state === undefined ? [] : [fromStored({ hook, state })];
  });
  return all.filter(({ row }) => maySeeHook(ctx.principal, row));
}

/** What a hook is to bring. */
export function interestOf({ kinds, resource, filter }: HookColumns): InterestInput {
  return { kinds, resource, filter: filter === undefined ? undefined : JSON.parse(filter) };
}

/** Does this key still work? @throws AcervoError `database:unavailable` */
export async function keyWorks({ control, clock }: Pick<Services, 'control' | 'clock'>, id: string): Promise<boolean> {
  const [key] = await control.query<{ expires_at?: string }[]>('live/keys', { ids: [id] });
  return key !== undefined && (key.expires_at === undefined || new Date(key.expires_at) > clock());
}

/** What clients see. */
export function publicHook({ row, state }: HookWithState, now: Date): Hook {
  const { id, url, description, kinds, resource, filter, enabled, key_id, agent_id } = row;
  const waitingMs = state.waiting_since === undefined ? 0 : now.getTime() - state.waiting_since.getTime();
  const previous = row.previous_secret_until;
  return {
    ...{ id, url, description, kinds, resource, enabled, key_id, agent_id },
    filter: filter === undefined ? undefined : JSON.parse(filter),
    previous_secret_until: previous !== undefined && previous > now ? previous.toISOString() : undefined,
    status: {
      state: enabled ? 'enabled' : 'disabled',
      disabled_reason: row.disabled_reason,
      disabled_at: row.disabled_at?.toISOString(),
      last_success_at: state.last_success_at?.toISOString(),
      last_failure_at: state.last_failure_at?.toISOString(),
      consecutive_failures: state.consecutive_failures,
      next_attempt_at: enabled ? state.next_attempt_at?.toISOString() : undefined,
      lag_seconds: Math.max(0, Math.round(waitingMs / 1000)),
    },
    created_at: row.created_at,
    updated_at: row.updated_at,
    revision: row.revision,
  };
}
