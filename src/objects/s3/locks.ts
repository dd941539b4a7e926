import { AcervoError } from '../../errors/error.js';
import { isHeld } from '../object-lock.js';
import type { ObjectLockState, ObjectVersion, Retention } from '../port.js';
import { once, refusedWith, retried } from './failures.js';
import { versionQuery } from './headers.js';
import type { Sender } from './send.js';

/** A version that is under no hold, or has no retention, has no such document. */
const NONE = ['NoSuchObjectLockConfiguration'];
/** MinIO says this in a bucket without object lock, and of what is held; AWS denies access to what is held. */
const REFUSALS = ['InvalidRequest', 'AccessDenied', 'ObjectLocked'];

/** @throws AcervoError `artifact:lock_unsupported` */
export async function readLock(sender: Sender, object: ObjectVersion): Promise<ObjectLockState> {
  const [hold, retention] = await Promise.all([
    readDocument(sender, object, 'legal-hold'),
    readDocument(sender, object, 'retention'),
  ]);
  const [, mode] = /<Mode>(GOVERNANCE|COMPLIANCE)<\/Mode>/.exec(retention) ?? [];
  const [, until = ''] = /<RetainUntilDate>([^<]*)<\/RetainUntilDate>/.exec(retention) ?? [];
  return {
    legal_hold: hold.includes('<Status>ON</Status>'),
    retention:
      mode === 'GOVERNANCE' || mode === 'COMPLIANCE' ? { mode, retain_until: new Date(until).toISOString() } : null,
  };
}

/** @throws AcervoError `artifact:lock_unsupported` */
export async function writeLegalHold(sender: Sender, object: ObjectVersion, on: boolean): Promise<void> {
  const xml = `<LegalHold><Status>${on ? 'ON' : 'OFF'}</Status></LegalHold>`;
  await writeDocument(sender, object, 'legal-hold', xml);
}

/** @throws AcervoError `artifact:lock_unsupported`, `artifact:held` */
export async function writeRetention(sender: Sender, object: ObjectVersion, retention: Retention): Promise<void> {
  const { mode, retain_until } = retention;
  const until = new Date(retain_until).toISOString();
  const xml = `<Retention><Mode>${mode}</Mode><RetainUntilDate>${until}</RetainUntilDate></Retention>`;
  await explained(sender, object, () => writeDocument(sender, object, 'retention', xml));
}

/**
 * Runs a change of one version. A refusal says too little: so the version itself is asked whether it is held.
 * @throws AcervoError `artifact:held`, and what `work` throws
 */
export async function explained<Result>(
  sender: Sender,
  object: ObjectVersion,
  work: () => Promise<Result>,
): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (!refusedWith(error, REFUSALS)) throw error;
    const state = await readLock(sender, object).catch(() => undefined);
    if (state === undefined || !isHeld(state, new Date())) throw error;
    throw new AcervoError('artifact:held', { cause: error });
  }
}

async function readDocument(sender: Sender, object: ObjectVersion, name: string): Promise<string> {
  const { bucket, key } = object;
  const query = { [name]: '', ...versionQuery(object) };
  try {
    return await retried(() => sender.readXml({ bucket, key, query }));
  } catch (error) {
    if (refusedWith(error, NONE)) return '';
    if (refusedWith(error, ['InvalidRequest'])) throw new AcervoError('artifact:lock_unsupported', { cause: error });
    throw error;
  }
}

async function writeDocument(sender: Sender, object: ObjectVersion, name: string, xml: string): Promise<void> {
  const { bucket, key } = object;
  const query = { [name]: '', ...versionQuery(object) };
  try {
    await once(() => sender.writeXml({ bucket, key, query }, xml));
  } catch (error) {
    // Reading says for sure whether the bucket keeps locks at all.
    if (refusedWith(error, ['InvalidRequest'])) await readDocument(sender, object, name);
    throw error;
  }
}
