import { AcervoError } from '../errors/error.js';
import { holdUntilAnswered } from './reply.js';
import type { Reply } from './route.js';

/**
 * A request holds at most its body and its answer, a few MB: 256 of them fit a small node's memory, and are far more
 * than the database answers at once; further ones would only wait for their deadline.
 */
export const MAX_IN_FLIGHT = 256;
/** Of one key: bodies that come slowly must not keep all others out. */
export const MAX_OF_A_KEY = 192;

/**
 * A door that lets `max` requests of each name in; a place is free again when the work has ended, even past its deadline.
 * @throws AcervoError `request:overloaded` from the returned function
 */
export function inFlightBound(max: number): (name: string, work: () => Promise<Reply>) => Promise<Reply> {
  const inFlight = new Map<string, number>();
  return async function withinBound(name, work) {
    const before = inFlight.get(name) ?? 0;
    if (before >= max) throw new AcervoError('request:overloaded', { retryAfterSeconds: 1 });
    inFlight.set(name, before + 1);
    return holdUntilAnswered(() => {
      const left = (inFlight.get(name) ?? 1) - 1;
      if (left > 0) inFlight.set(name, left);
      else inFlight.delete(name);
    }, work);
  };
}
