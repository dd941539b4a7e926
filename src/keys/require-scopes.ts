import type { Context } from '../context.js';
import { AcervoError } from '../errors/error.js';
import type { Scope } from './scopes.js';

/** @throws AcervoError `auth:scope_missing` */
export function requireScopes({ principal }: Context, needed: readonly Scope[]): void {
  const missing = needed.filter((scope) => !principal.scopes.has(scope));
  if (missing.length === 0) return;
  const named = `${missing.length === 1 ? 'scope' : 'scopes'} ${missing.join(', ')}`;
  throw new AcervoError('auth:scope_missing', { detail: `This needs the ${named}.` });
}
