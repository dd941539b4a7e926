import type { Services } from '../context.js';
import { AcervoError } from '../errors/error.js';

/** A probe that waits longer than this is itself judged failed. */
export const READY_TIMEOUT_MS = 2_000;

/** Does what is asked come true within the bound? */
async function inTime(answer: Promise<boolean>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const silence = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), READY_TIMEOUT_MS);
  });
  try {
    return await Promise.race([answer, silence]);
  } finally {
    clearTimeout(timer);
  }
}

/** Does the object store answer, and know us? Never throws. */
export function objectsReady({ objects, config }: Pick<Services, 'objects' | 'config'>): Promise<boolean> {
  const [bucket] = config.objects.buckets;
  if (bucket === undefined) return Promise.resolve(true);
  const listed = objects.list(bucket.name, { limit: 1 }).then(
    () => true,
    () => false,
  );
  return inTime(listed);
}

/** Do both databases answer within the bound? Never throws: `isReady` does not, and silence counts as no. */
export async function databaseReady({ db, control }: Pick<Services, 'db' | 'control'>): Promise<boolean> {
  return inTime(Promise.all([db.isReady(), control.isReady()]).then((ready) => ready.every(Boolean)));
}

/** May traffic be sent to this node? @throws AcervoError `database:unavailable` */
export async function requireReady(services: Pick<Services, 'db' | 'control'>): Promise<{ status: 'ready' }> {
  if (!(await databaseReady(services))) throw new AcervoError('database:unavailable', { retryAfterSeconds: 1 });
  return { status: 'ready' };
}
