/** Every scope there is, and what it allows. A route names exactly one of them, or `public`. */
export const SCOPES = {
  'knowledge:read': 'Read and list documents.',
  'knowledge:write': 'Store, change and delete documents.',
  'search:read': 'Search.',
  'audit:read': 'Read the audit log.',
  'keys:manage': 'Create, list, rotate and revoke keys.',
  'health:read': 'Read metrics and the detail of health.',
} as const;

export type Scope = keyof typeof SCOPES;

export const ALL_SCOPES = Object.keys(SCOPES) as Scope[];
