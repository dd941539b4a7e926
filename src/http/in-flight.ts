import { AcervoError } from '../errors/error.js';
import { holdUntilAnswered } from './reply.js';
import type { Reply } from './route.js';

/**
 * A request holds at most its body and its answer, a few MB: 256 of them fit a small node's memory, and are far more
 * than the database answers at once; further ones would only wait for their deadline.
 */
export const MAX_IN_FLIGHT = 256;

/**
 * A door that lets `max` requests in; a place is free again when the work has ended, even past its deadline.
 * @throws AcervoError `request:overloaded` from the returned function
 */
export function inFlightBound(max = MAX_IN_FLIGHT): (work: () => Promise<Reply>) => Promise<Reply> {
  let inFlight = 0;
  return async function withinBound(work) {
    if (inFlight >= max) throw new AcervoError('request:overloaded', { retryAfterSeconds: 1 });
    inFlight += 1;
    return holdUntilAnswered(() => {
      inFlight -= 1;
    }, work);
  };
}
