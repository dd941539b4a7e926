// One engine's run: the product with its warm index, the product without it (its SurrealQL legs), and LanceDB, in turn.
import { rmSync } from 'node:fs';
import { acervoPeer, untilWarm } from './acervo.mjs';
import { judge } from './check.mjs';
import { FILTERS } from './corpus.mjs';
import { load, prepareEngine, quiet } from './engine.mjs';
import { startLancedb } from './lancedb.mjs';
import { prepareLancedb } from './lancedb-tuning.mjs';
import { residentBytes, startProduct } from './product.mjs';
import { summary } from './statistics.mjs';
import { Truth } from './truth.mjs';

export const MODES = ['vector', 'text', 'hybrid'];
const LIMIT = 10;
const ROUNDS = 2;
const WARM_UP_SECONDS = 0.2;
/** Slow ones are judged by as many queries as they answer in this time, and by ten at least. */
const JUDGE_SECONDS = 5;
const JUDGE_QUERIES = 10;
const MEAN_RECALL_AT_LEAST = 0.99;
const AFTERWARDS_MS = 5_000;

const log = (message) => process.stderr.write(`${message}\n`);

const PRODUCTS = {
  warm: { name: 'Acervo', from: 'memory', warmIndex: 'on' },
  surrealql: { name: 'SurrealQL', from: 'database', warmIndex: 'off' },
};

/**
 * The whole run on one engine.
 * @param {'embedded' | 'server'} kind
 * @param shape of the corpus: LanceDB's process makes the same one
 * @param {{clients: number[], seconds: number, arriving: {batches: number, size: number}, series: string[], fusion: string, binary?: string}} options
 */
export async function benchEngine(kind, shape, corpus, options) {
  const truth = new Truth(corpus);
  const engine = await prepareEngine(kind, { dimensions: corpus.dimensions, binary: options.binary });
  const startOne = (series) => startProduct({ ...engine.env, ACERVO_WARM_INDEX: PRODUCTS[series].warmIndex });
  log(`${kind}: loading ${corpus.passages} documents`);
  const first = await startOne(options.series.includes('warm') ? 'warm' : 'surrealql');
  const ingest = await load(first, corpus, engine.server);
  await first.stop();
  truth.upTo(corpus.passages);
  const warm = options.series.includes('warm') ? await timeWarmStarts(engine, startOne) : undefined;
  const lancedb = options.series.includes('lancedb') ? await startLancedb(shape) : undefined;
  log(lancedb ? `${kind}: loading and tuning LanceDB` : `${kind}: no LanceDB`);
  const tuning = lancedb && (await prepareLancedb(lancedb, truth));
  const run = { ...options, kind, corpus, truth, engine, startOne, lancedb, stored: corpus.passages };
  const idle = await measureLoad(run, 'idle');
  const ingesting = await measureLoad(run, 'ingesting');
  await lancedb?.stop();
  await engine.stop();
  return { engine: kind, ingest, warm, tuning, loads: { idle, ingesting } };
}

/** How soon the warm index answers, without a snapshot and with one; and how soon it has nothing left to build. */
async function timeWarmStarts(engine, startOne) {
  const start = async () => {
    const startedMs = performance.now();
    const product = await startOne('warm');
    const warm_seconds = (await untilWarm(product, startedMs)) / 1000;
    const built_seconds = warm_seconds + ((await quiet(product.pid)) ?? 0);
    const figures = { listens_seconds: product.startMs / 1000, warm_seconds, built_seconds };
    await product.stop();
    return figures;
  };
  rmSync(engine.snapshots, { recursive: true, force: true });
  return { first: await start(), restart: await start() };
}

/** Those who can be open at the same time: only one process opens the embedded engine's directory. */
function groupsOf({ kind, series }) {
  const together = ['warm', 'lancedb', 'surrealql'].filter((name) => series.includes(name));
  if (kind === 'server') return [together];
  return [together.filter((name) => name !== 'surrealql'), together.filter((name) => name === 'surrealql')];
}

async function measureLoad(run, load) {
  const figures = { cells: [], memory: [], faults: [], settled: undefined };
  for (const names of groupsOf(run).filter(({ length }) => length > 0)) {
    const opened = [];
    for (const name of names) opened.push(await openPeer(run, name));
    if (names.includes('surrealql') && run.engine.settled) figures.settled = await run.engine.settled();
    const peers = opened.map(({ peer }) => peer);
    log(`${run.kind}, ${load}: ${peers.map(({ name }) => name).join(', ')}`);
    if (load === 'idle') await judgeAll(run, peers, figures);
    await measureCells(run, load, peers, figures);
    if (load === 'ingesting') {
      await evenOut(run, peers);
      await judgeAll(run, peers, figures);
    }
    for (const peer of peers) figures.memory.push({ peer: peer.name, resident_bytes: await peer.residentBytes() });
    if (run.engine.server)
      figures.memory.push({ peer: 'SurrealDB', resident_bytes: residentBytes(run.engine.server.pid) });
    for (const { close } of opened) await close();
  }
  return figures;
}

/** Started anew: what has just been written reads faster than what was opened. */
async function openPeer(run, name) {
  if (name === 'lancedb') return { peer: run.lancedb, close: async () => {} };
  const startedMs = performance.now();
  const product = await run.startOne(name);
  if (name === 'warm') {
    await untilWarm(product, startedMs);
    await quiet(product.pid);
  }
  const peer = acervoPeer(product, run.corpus, { ...PRODUCTS[name], fusion: run.fusion });
  return { peer, close: () => product.stop() };
}

/** Mode by mode, filter by filter, the peers ask in turn, and who begins changes: the machine's drift hits all alike. */
async function measureCells(run, load, peers, figures) {
  const wanted = run.clients.flatMap((clients) =>
    FILTERS.flatMap((filter) => MODES.map((mode) => ({ clients, filter, mode }))),
  );
  for (const { clients, filter, mode } of wanted) {
    log(`${run.kind}, ${load}: ${clients} clients, filter ${filter.name}, ${mode}`);
    const parts = new Map(peers.map((peer) => [peer, []]));
    for (let round = 0; round < ROUNDS; round += 1)
      for (let turn = 0; turn < peers.length; turn += 1) {
        const peer = peers[(turn + round) % peers.length];
        const cell = { clients, filter, mode, seconds: run.seconds / ROUNDS, first: round * LIMIT };
        parts.get(peer).push(await measureCell(run, load, peer, cell));
      }
    for (const [peer, measured] of parts) {
      const cell = joined(measured);
      figures.cells.push({ peer: peer.name, clients, filter: filter.name, mode, ...cell });
      if (cell.failed === 0) continue;
      const title = `${load}, ${clients} clients, filter ${filter.name}, ${mode}`;
      figures.faults.push(`${peer.name}, ${title}: ${cell.failed} of ${cell.n} requests failed`);
    }
  }
}

async function measureCell(run, load, peer, cell) {
  if (load === 'idle') {
    await peer.loop({ ...cell, seconds: WARM_UP_SECONDS });
    return peer.loop(cell);
  }
  const measured = await peer.loopWhileAdding(cell, { from: storedOf(run, peer), ...run.arriving });
  setStored(run, peer, storedOf(run, peer) + measured.stored);
  // What is still to be done with what came would take from the time of the next one; LanceDB has waited for its own.
  const pids = peer === run.lancedb ? [] : [peer.pid, ...(run.engine.server ? [run.engine.server.pid] : [])];
  await Promise.all(pids.map((pid) => quiet(pid, { steps: 1, patienceMs: AFTERWARDS_MS })));
  return measured;
}

/** Both products write to one database; LanceDB has its own. */
const storedOf = (run, peer) => (peer === run.lancedb ? (run.storedThere ?? run.corpus.passages) : run.stored);
function setStored(run, peer, stored) {
  if (peer === run.lancedb) run.storedThere = stored;
  else run.stored = stored;
}

/** All get what the others have, so that one truth judges them. */
async function evenOut(run, peers) {
  const most = Math.max(...peers.map((peer) => storedOf(run, peer)));
  for (const peer of peers) {
    if (storedOf(run, peer) === most) continue;
    await peer.add(storedOf(run, peer), most);
    setStored(run, peer, most);
  }
  run.truth.upTo(most);
}

function joined(measured) {
  const ms = measured.flatMap((part) => part.ms);
  const seconds = measured.reduce((sum, part) => sum + part.seconds, 0);
  const most = (field) => Math.max(...measured.map((part) => part[field] ?? Number.NaN));
  const mean = (field) => measured.reduce((sum, part) => sum + (part[field] ?? Number.NaN), 0) / measured.length;
  return {
    ...summary(ms),
    requests_per_second: ms.length / seconds,
    failed: measured.reduce((sum, part) => sum + (part.failed ?? 0), 0),
    aside_share: measured.reduce((sum, part) => sum + (part.aside ?? 0), 0) / ms.length,
    lag_p99_ms: most('lag_p99_ms'),
    documents_per_second: mean('rate'),
  };
}

/** Judges answers against brute force; they also warm up. */
async function judgeAll(run, peers, figures) {
  for (const peer of peers)
    for (const filter of FILTERS) for (const mode of MODES) await judgeOne(run, peer, { filter, mode }, figures);
}

async function judgeOne({ corpus, truth }, peer, { filter, mode }, figures) {
  const deadline = performance.now() + JUDGE_SECONDS * 1000;
  const title = `${peer.name}, filter ${filter.name}, ${mode}`;
  const recalls = [];
  for (let query = 0; query < corpus.queries.length; query += 1) {
    if (query >= JUDGE_QUERIES && performance.now() > deadline) break;
    const { ids, from } = await peer.ask(query, { filter, mode });
    const asked = { query, mode, limit: LIMIT, modulus: filter.modulus, rrf: peer.rrf ?? { k: 60, depth: 50 } };
    const { faults, recall } = judge(truth, asked, ids);
    recalls.push(recall);
    figures.faults.push(...faults.map((fault) => `${title}, query ${query}: ${fault}`));
    if (from.some((place) => place !== peer.from)) figures.faults.push(`${title}, query ${query}: from ${from.join()}`);
  }
  // Weights that the product chose itself have no brute-force answer.
  const isJudged = mode !== 'hybrid' || peer.rrf !== undefined;
  const recall = isJudged ? recalls.reduce((sum, value) => sum + value, 0) / recalls.length : undefined;
  figures.recalls ??= [];
  figures.recalls.push({ peer: peer.name, filter: filter.name, mode, recall_at_10: recall });
  if (peer.from === 'memory' && recall < MEAN_RECALL_AT_LEAST)
    figures.faults.push(`${title}: recall@${LIMIT} is ${recall.toFixed(4)}`);
}
