import { v7 as uuidv7 } from 'uuid';
import type { Context } from '../context.js';
import { testEvent } from './event.js';
import { readHook } from './row.js';
import { installationSecret, signingSecrets } from './secret.js';
import { type Attempt, Sender } from './sender.js';

/**
 * Sends a signed event of the type `hook.test`, once, whether the hook is enabled or not.
 * @throws AcervoError `hook:not_found`; what `signal` was aborted with
 */
export async function testHook(
  ctx: Context,
  id: string,
  signal: AbortSignal,
): Promise<Omit<Attempt, 'retryAfterMs'> & { event_id: string }> {
  const { row } = await readHook(ctx, id);
  const now = ctx.clock();
  const event = testEvent(uuidv7(), id, now);
  const sender = new Sender(ctx);
  try {
    const secrets = signingSecrets(await installationSecret(ctx.control), row, now);
    const { retryAfterMs: _asked, ...attempt } = await sender.send(row.url, event, secrets, signal);
    return { event_id: event.id, ...attempt };
  } finally {
    sender.close();
  }
}
