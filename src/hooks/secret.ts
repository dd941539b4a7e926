import { createHmac } from 'node:crypto';
import type { Database } from '../surreal/database.js';
import { sharedSecret } from '../surreal/secrets.js';
import type { HookRow } from './row.js';

/** The secret of the whole installation from which those of hooks are derived; 32 bytes, made by the first who asks. */
export const installationSecret = (control: Database): Promise<Buffer> => sharedSecret(control, 'hooks');

type SecretOf = Pick<HookRow, 'id' | 'secret_generation' | 'previous_secret_until'>;

function derived(installation: Buffer, id: string, generation: number): Buffer {
  return createHmac('sha256', installation).update(`${id}\n${generation}`).digest();
}

/** The secret as receivers get it: `whsec_` and base64 of 32 bytes, as Standard Webhooks writes it. */
export function secretText(installation: Buffer, { id, secret_generation }: SecretOf): string {
  return `whsec_${derived(installation, id, secret_generation).toString('base64')}`;
}

/** What deliveries are signed with now: the newest first, and while its time lasts the one before. */
export function signingSecrets(installation: Buffer, hook: SecretOf, now: Date): Buffer[] {
  const { id, secret_generation, previous_secret_until } = hook;
  const secrets = [derived(installation, id, secret_generation)];
  if (previous_secret_until !== undefined && previous_secret_until > now)
    secrets.push(derived(installation, id, secret_generation - 1));
  return secrets;
}

/**
 * The headers of a delivery, by Standard Webhooks 1.0.0 (https://www.standardwebhooks.com): HMAC-SHA-256 over
 * `id.timestamp.body`, one signature a secret.
 * @param timestampSeconds of the attempt, since 1970
 */
export function signedHeaders(
  secrets: readonly Buffer[],
  { id, timestampSeconds, body }: { id: string; timestampSeconds: number; body: string },
): Record<'webhook-id' | 'webhook-timestamp' | 'webhook-signature', string> {
  const signatures = secrets.map(
    (secret) => `v1,${createHmac('sha256', secret).update(`${id}.${timestampSeconds}.${body}`).digest('base64')}`,
  );
  return {
    'webhook-id': id,
    'webhook-timestamp': String(timestampSeconds),
    'webhook-signature': signatures.join(' '),
  };
}
