// Measuring loops, the same for what answers over HTTP and for what answers in process.
import { setTimeout as sleep } from 'node:timers/promises';

/** So often a feed looks whether more is due. */
const FEED_STEP_MS = 20;

/**
 * `clients` that each ask one query after the other, for so many seconds; after that none begins a request, but each
 * has made one.
 * @param {(query: number) => Promise<unknown>} ask
 * @returns milliseconds of each request, how many of them failed, and the seconds until the last answer
 */
export async function closedLoop({ clients, seconds, queries, first = 0 }, ask) {
  const ms = [];
  let failed = 0;
  const startedMs = performance.now();
  const endMs = startedMs + seconds * 1000;
  let next = first;
  const client = async () => {
    do {
      const query = next % queries;
      next += 1;
      const sentMs = performance.now();
      // One that cannot keep up refuses some: that ends no run of an hour.
      await ask(query).catch((error) => {
        if (failed === 0) process.stderr.write(`  ${error.message.slice(0, 200)}\n`);
        failed += 1;
      });
      ms.push(performance.now() - sentMs);
    } while (performance.now() < endMs);
  };
  await Promise.all(Array.from({ length: clients }, client));
  return { ms, failed, seconds: (performance.now() - startedMs) / 1000 };
}

/**
 * Yields 0, 1, 2, … `rate` times a second, the first at once, until the signal comes; late ones at once, and who takes them slowly
 * gets them slowly.
 * @param {AbortSignal} signal
 */
export async function* paced(rate, signal) {
  const startedMs = performance.now();
  for (let given = 0; !signal.aborted; ) {
    const due = 1 + Math.floor(((performance.now() - startedMs) / 1000) * rate);
    while (given < due && !signal.aborted) {
      yield given;
      given += 1;
    }
    if (!signal.aborted) await sleep(FEED_STEP_MS);
  }
}

/**
 * Documents that arrived for each second, of `batches` a second of `size` each. The batch that has just begun is not due yet.
 * @param {number[]} times when something arrived, in ms
 * @param {number} each how many documents that was
 */
export function arrivalRate(times, each, { startedMs, untilMs, batches, size }) {
  const due = size * Math.max(1, Math.floor(((untilMs - startedMs) / 1000) * batches));
  const inTime = each * times.filter((ms) => ms <= untilMs).length;
  return batches * size * Math.min(1, inTime / due);
}
