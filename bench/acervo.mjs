// The product as one of those that are measured: over HTTP, as a client has it.
import { setTimeout as sleep } from 'node:timers/promises';
import { decimalsOf, lines } from './corpus.mjs';
import { arrivalRate, closedLoop, paced } from './loop.mjs';
import { residentBytes } from './product.mjs';

const LIMIT = 10;
/** The product's own for reciprocal rank fusion, and how many documents of each leg it joins for ten hits. */
const RRF = { k: 60, depth: 50 };
/** What prom-client adds to each sample of the event loop's delay: the pause between two samples. */
const LAG_RESOLUTION_MS = 10;

/**
 * @param {string} options.from where its legs have to come from: `memory` or `database`
 * @param {'rrf' | 'weighted' | 'auto'} options.fusion
 * @param {number} [options.candidates] depth of each leg; without it the product's own
 */
export function acervoPeer(product, corpus, { name, from, fusion, candidates }) {
  const asideMark = `"from":"${from === 'memory' ? 'database' : 'memory'}"`;
  const bodies = new Map();
  const bodyOf = (query, { mode, filter }) => {
    const key = `${query}/${mode}/${filter.name}`;
    const kept = bodies.get(key);
    if (kept !== undefined) return kept;
    const { text, vector } = corpus.queries[query];
    const body = Buffer.from(
      JSON.stringify({
        mode,
        ...(mode !== 'vector' && { query: text }),
        ...(mode !== 'text' && { vector: decimalsOf(vector) }),
        ...(mode === 'hybrid' && { fusion }),
        ...(filter.filter && { filter: filter.filter }),
        ...(candidates && { candidates }),
        limit: LIMIT,
      }),
    );
    bodies.set(key, body);
    return body;
  };

  const ask = async (query, wanted) => {
    const { hits, plan } = JSON.parse(await product.searchRaw(bodyOf(query, wanted)));
    return { ids: hits.map(({ id }) => id), from: plan.legs.map((leg) => leg.from) };
  };

  const loop = async ({ clients, seconds, first, ...wanted }) => {
    for (let query = 0; query < corpus.queries.length; query += 1) bodyOf(query, wanted);
    await lagMs(product);
    let aside = 0;
    const measured = await closedLoop({ clients, seconds, first, queries: corpus.queries.length }, async (query) => {
      if ((await product.searchRaw(bodyOf(query, wanted))).includes(asideMark)) aside += 1;
    });
    return { ...measured, aside, lag_p99_ms: await lagMs(product) };
  };

  const loopWhileAdding = async (wanted, { from: number, batches, size }) => {
    const count = size * (Math.ceil(wanted.seconds * batches) + 1);
    const ready = [...lines(corpus, number, number + count)];
    const stop = new AbortController();
    const times = [];
    const startedMs = performance.now();
    const adding = product.bulk(dueLines(ready, { batches, size, signal: stop.signal }), () => {
      times.push(performance.now());
    });
    const measured = await loop(wanted);
    const untilMs = performance.now();
    stop.abort();
    // One that cannot keep up refuses some: what has come by then is what has arrived.
    const stored = await adding.catch((error) => {
      process.stderr.write(`  ${name}: ${error.message.slice(0, 200)}\n`);
      return times.length;
    });
    return { ...measured, stored, rate: arrivalRate(times, 1, { startedMs, untilMs, batches, size }) };
  };

  return {
    name,
    pid: product.pid,
    rrf: fusion === 'rrf' ? RRF : undefined,
    from,
    ask,
    loop,
    loopWhileAdding,
    add: (first, to) => product.bulk(lines(corpus, first, to)),
    residentBytes: async () => residentBytes(product.pid),
  };
}

/** The lines as they fall due, a batch at a time. */
async function* dueLines(ready, { batches, size, signal }) {
  for await (const at of paced(batches, signal)) yield* ready.slice(at * size, (at + 1) * size);
}

/** How long the main thread has held up others, p99 since it was last asked, in ms; above the pause between two samples. */
async function lagMs(product) {
  const [, seconds] = /^nodejs_eventloop_lag_p99_seconds (\S+)/m.exec(await product.metrics());
  return Math.max(0, Number(seconds) * 1000 - LAG_RESOLUTION_MS);
}

/** Waits until the warm index answers. @returns ms since `startedMs` @throws Error when it will not */
export async function untilWarm(product, startedMs) {
  for (;;) {
    const { state } = (await product.health()).warm_index;
    if (state === 'ready') return performance.now() - startedMs;
    if (state !== 'building') throw new Error(`the warm index is ${state}`);
    await sleep(20);
  }
}
