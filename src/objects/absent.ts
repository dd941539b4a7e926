import { AcervoError } from '../errors/error.js';
import type { ObjectStore } from './port.js';

/**
 * The store of a node that has none: every operation fails with `objects:unavailable`. What needs no files works, and
 * what does says why not.
 * @param reason for the log
 */
export function absentStore(reason: Error): ObjectStore {
  const refuse = () => Promise.reject(new AcervoError('objects:unavailable', { cause: reason, retryAfterSeconds: 60 }));
  const store = { presign_scope: 'absent' } as ObjectStore;
  return new Proxy(store, { get: (target, name) => (name === 'presign_scope' ? target.presign_scope : refuse) });
}
