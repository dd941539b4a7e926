import { randomBytes } from 'node:crypto';
import type { Database } from './database.js';
import { retryConflicts } from './retry-conflicts.js';

const SECRET_BYTES = 32;

/**
 * A secret of the whole installation, made by the first node that asks for it: nodes that start together end with the
 * same one.
 * @returns 32 bytes
 * @throws AcervoError `database:unavailable`, `database:conflict`
 */
export async function sharedSecret(control: Database, name: string): Promise<Buffer> {
  const value = randomBytes(SECRET_BYTES).toString('base64');
  return Buffer.from(await retryConflicts(() => control.query<string>('secrets/ensure', { name, value })), 'base64');
}
