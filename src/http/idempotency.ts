import { v7 as uuidv7 } from 'uuid';
import type { RequestOperation } from '../context.js';
import { AcervoError } from '../errors/error.js';
import { digestOf } from './digest.js';
import { holdUntilAnswered } from './reply.js';
import type { Reply } from './route.js';

const ACCEPTED = /^[\x21-\x7e]{1,255}$/;

/**
 * The operation of a request: named by the client's `Idempotency-Key` together with its key, else fresh.
 * @param request what the digest covers: another request under the same name is refused by the database layer
 * @throws AcervoError `request:invalid`
 */
export function operationOf(idempotencyKey: string | null, keyId: string, request: unknown[]): RequestOperation {
  if (idempotencyKey === null) return { id: uuidv7(), request_digest: '' };
  if (!ACCEPTED.test(idempotencyKey))
    throw new AcervoError('request:invalid', {
      faults: [{ path: 'headers.idempotency-key', message: 'must be 1 to 255 visible ASCII characters' }],
    });
  return { id: digestOf([keyId, idempotencyKey]), request_digest: digestOf(request) };
}

/**
 * Refuses an operation while the same one is being worked on by this node; other nodes are told apart by the
 * database, where the operation id is created in the change's own transaction.
 * @throws AcervoError `idempotency:in_flight` from the returned function
 */
export function oneAtATime(): (operation: RequestOperation, work: () => Promise<Reply>) => Promise<Reply> {
  const working = new Set<string>();
  return async function oneAtATime({ id }, work) {
    if (working.has(id)) throw new AcervoError('idempotency:in_flight');
    working.add(id);
    return holdUntilAnswered(() => working.delete(id), work);
  };
}
