import { summary } from './statistics.mjs';

const WARM_UP_ROUNDS = 3;
/** Fewer rounds than this are not worth a percentile, however slow they are. */
const LEAST_ROUNDS = 10;

/**
 * Runs series side by side: one call of each a round, so that drift of the machine hits all alike. In a round each
 * series has another query, so that none profits from what the one before it has just read; over all rounds they
 * have the same ones. Ends after `queries` rounds or `seconds`, whichever comes first.
 * @param {Record<string, (query: number) => Promise<unknown>>} series
 * @returns {Promise<Record<string, {query: number, ms: number}[]>>}
 */
export async function interleave(series, { queries, seconds }) {
  const names = Object.keys(series);
  const samples = Object.fromEntries(names.map((name) => [name, []]));
  const stride = Math.max(1, Math.floor(queries / names.length));
  global.gc?.();
  const deadline = performance.now() + seconds * 1000;
  for (let round = -WARM_UP_ROUNDS; round < queries; round += 1) {
    if (round >= LEAST_ROUNDS && performance.now() > deadline) break;
    for (let turn = 0; turn < names.length; turn += 1) {
      // Who comes first changes, too.
      const at = (turn + round + WARM_UP_ROUNDS) % names.length;
      const query = (round + WARM_UP_ROUNDS + at * stride) % queries;
      const startedMs = performance.now();
      await series[names[at]](query);
      const ms = performance.now() - startedMs;
      if (round >= 0) samples[names[at]].push({ query, ms });
    }
  }
  return samples;
}

/** {n, p50, p95, p99} in ms of samples. */
export function latency(samples) {
  return summary(samples.map(({ ms }) => ms));
}

/** For each query that both series ran: the slower of the two. */
export function slowerOf(first, second) {
  const other = new Map(second.map(({ query, ms }) => [query, ms]));
  return first.flatMap(({ query, ms }) => (other.has(query) ? [{ query, ms: Math.max(ms, other.get(query)) }] : []));
}
