import type { Services } from '../context.js';
import { AcervoError } from '../errors/error.js';

/** A probe that waits longer than this is itself judged failed. */
export const READY_TIMEOUT_MS = 2_000;

/** Do both databases answer within the bound? Never throws: `isReady` does not, and silence counts as no. */
export async function databaseReady({ db, control }: Pick<Services, 'db' | 'control'>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const silence = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), READY_TIMEOUT_MS);
  });
  const answers = Promise.all([db.isReady(), control.isReady()]).then((ready) => ready.every(Boolean));
  try {
    return await Promise.race([answers, silence]);
  } finally {
    clearTimeout(timer);
  }
}

/** May traffic be sent to this node? @throws AcervoError `database:unavailable` */
export async function requireReady(services: Pick<Services, 'db' | 'control'>): Promise<{ status: 'ready' }> {
  if (!(await databaseReady(services))) throw new AcervoError('database:unavailable', { retryAfterSeconds: 1 });
  return { status: 'ready' };
}
