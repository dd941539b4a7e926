import type { Config } from '../config.js';
import type { Context } from '../context.js';
import type { Database } from '../surreal/database.js';
import { retryConflicts } from '../surreal/retry-conflicts.js';
import { EVERY_SCOPE } from './scopes.js';
import { hashOf, newToken } from './token.js';

export const CONFIGURED_ID = 'admin';

/** The key that ACERVO_ADMIN_KEY holds, while it is set; the API does not end it, the next start would bring it back. */
export function configuredKeyId({ adminKey }: Pick<Config, 'adminKey'>): string | undefined {
  return adminKey === undefined ? undefined : CONFIGURED_ID;
}

/**
 * Sees to it that somebody can manage keys. With ACERVO_ADMIN_KEY that text becomes the token of the key `admin`, in
 * place of an earlier text. Without it the first start of an installation makes a key with all scopes. When the
 * variable goes away its last text stays an ordinary key, which can be revoked.
 * @returns the token of the key that was just made, to be shown once; undefined when none was
 * @throws AcervoError `database:unavailable`, `database:conflict`
 */
export async function ensureAdminKey(
  control: Database,
  { adminKey }: Pick<Config, 'adminKey'>,
  clock: Context['clock'],
): Promise<string | undefined> {
  const row = { scopes: [EVERY_SCOPE], created_at: clock() };
  if (adminKey !== undefined) {
    // The text is the operator's own: not even its beginning is shown.
    const configured = { ...row, name: 'ACERVO_ADMIN_KEY', prefix: 'configured', hash: hashOf(adminKey) };
    await retryConflicts(() => control.query('keys/configure', { row: configured }));
    return undefined;
  }
  const { token, prefix, hash } = newToken();
  const first = { ...row, name: 'first admin key', prefix, hash };
  const made = await retryConflicts(() => control.query<boolean>('keys/ensure-first', { row: first }));
  return made ? token : undefined;
}
