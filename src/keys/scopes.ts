/** Every scope there is, and what it allows. A route names exactly one of them, or `public`. */
export const SCOPES = {
  'knowledge:read': 'Read and list documents.',
  'knowledge:write': 'Store, change and delete documents.',
  'search:read': 'Search.',
  'artifacts:read': 'Read, list and download artifacts.',
  'artifacts:write': 'Upload, change, delete and bring back artifacts.',
  'artifacts:hold': 'Set and lift legal holds and retention.',
  'decisions:read': 'Read, list and search decisions.',
  'decisions:write': 'Record decisions and their outcomes; delete them.',
  'lineage:read': 'See what led to what, among what the key may read.',
  'sessions:read': 'Read, list and search sessions.',
  'sessions:write': 'Begin, change and delete sessions.',
  'changes:read': 'Follow the changes of what the key may read.',
  'hooks:read': 'See the hooks that bring no more than what the key may read, and how their deliveries went.',
  'hooks:write': 'Make, change, test, replay and delete such hooks.',
  'objects:manage': 'List and replay bucket events; reconcile.',
  'audit:read': 'Read, export and count the audit log.',
  'audit:erase': 'Drop the values that the audit log keeps of a resource.',
  'keys:manage': 'Create, list, rotate and revoke keys.',
  'health:read': 'Read metrics and the detail of health.',
} as const;

export type Scope = keyof typeof SCOPES;

export const ALL_SCOPES = Object.keys(SCOPES) as Scope[];

/** What a key stores that has all scopes, those of later versions included. The API shows what it stands for. */
export const EVERY_SCOPE = '*';

/** The scopes that a key has, from what is stored; scopes that this version does not know open nothing. */
export function scopesOf(stored: readonly string[]): Scope[] {
  return stored.includes(EVERY_SCOPE) ? ALL_SCOPES : ALL_SCOPES.filter((scope) => stored.includes(scope));
}
