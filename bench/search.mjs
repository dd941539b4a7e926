// One engine's run: load, settle, search over HTTP and straight through the SDK, start again.
import { judge } from './check.mjs';
import { FILTERS } from './corpus.mjs';
import { load, prepareEngine, settle } from './engine.mjs';
import { interleave, latency, slowerOf } from './measure.mjs';
import { residentBytes, startProduct } from './product.mjs';

const MODES = ['vector', 'text', 'hybrid'];
const LIMIT = 10;
const WARM_UP_QUERIES = 20;
const MEAN_RECALL_AT_LEAST = 0.99;
/** Slow series end here, not after all queries; the report says how many there were. */
const GROUP_SECONDS = 12;

const log = (message) => process.stderr.write(`${message}\n`);

function requestOf({ text, vector }, mode, filter) {
  return {
    mode,
    ...(mode !== 'vector' && { query: text }),
    ...(mode !== 'text' && { vector }),
    ...(filter && { filter }),
    limit: LIMIT,
  };
}

/**
 * The pass before the clock runs: judges every answer, keeps the statements that made it, and warms up both sides.
 * @returns statements by mode and query, and for each mode its recall and its legs' methods
 */
async function explainAll(product, corpus, truths, { filter, modulus, name }) {
  const byMode = Object.fromEntries(
    MODES.map((mode) => [mode, { statements: [], recalls: [], methods: new Set(), faults: [] }]),
  );
  const deadline = performance.now() + GROUP_SECONDS * 1000;
  let queries = 0;
  while (queries < corpus.queries.length && (queries < LIMIT || performance.now() < deadline)) {
    for (const mode of MODES) {
      const { hits, plan } = await product.search({
        ...requestOf(corpus.queries[queries], mode, filter),
        explain: true,
      });
      const { faults, recall } = judge(corpus, truths[queries], { mode, limit: LIMIT, modulus }, hits);
      const kept = byMode[mode];
      kept.statements.push(plan.statements);
      for (const leg of plan.legs) kept.methods.add(`${leg.leg}: ${leg.method}`);
      if (recall !== undefined) kept.recalls.push(recall);
      kept.faults.push(...faults.map((fault) => `filter ${name}, ${mode}, query ${queries}: ${fault}`));
    }
    queries += 1;
  }
  return { queries, byMode };
}

function meanOf(values) {
  return values.length === 0 ? undefined : values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** HTTP and, where a second connection can be open, the SDK, under one filter. */
async function measureFilter(product, straight, corpus, truths, wanted) {
  const { queries, byMode } = await explainAll(product, corpus, truths, wanted);
  const overHttp = MODES.map((mode) => [
    `http ${mode}`,
    (query) => product.search(requestOf(corpus.queries[query], mode, wanted.filter)),
  ]);
  const samples = await interleave(
    { ...Object.fromEntries(overHttp), ...(straight ? straightSeries(straight, byMode) : {}) },
    { queries, seconds: GROUP_SECONDS },
  );
  const faults = MODES.flatMap((mode) => byMode[mode].faults);
  const recall = meanOf(byMode.vector.recalls);
  if (recall < MEAN_RECALL_AT_LEAST) faults.push(`filter ${wanted.name}: recall@${LIMIT} is ${recall.toFixed(4)}`);
  return { wanted, queries, byMode, samples, faults };
}

function straightSeries(straight, byMode) {
  return Object.fromEntries(MODES.map((mode) => [`sdk ${mode}`, (query) => straight(byMode[mode].statements[query])]));
}

/** The figures of one filter, as they are reported. */
function figuresOf({ wanted, byMode, samples, faults }) {
  const modes = MODES.map((mode) => ({
    filter: wanted.name,
    mode,
    methods: [...byMode[mode].methods],
    recall_at_10: meanOf(byMode[mode].recalls),
    http_ms: latency(samples[`http ${mode}`]),
    sdk_ms: latency(samples[`sdk ${mode}`]),
  }));
  const slower_leg_ms = latency(slowerOf(samples['http vector'], samples['http text']));
  return { modes, slower_leg_ms, faults };
}

/**
 * The whole run on one engine.
 * @param {'embedded' | 'server'} kind
 */
export async function benchEngine(kind, corpus, truths, { binary }) {
  const engine = await prepareEngine(kind, { dimensions: corpus.dimensions, binary });
  log(`${kind}: loading ${corpus.documents} documents`);
  const first = await startProduct(engine.env);
  const ingest = await load(first, corpus, engine.server);
  await first.stop();
  // What was just written reads faster than what was opened anew: all is measured after a restart.
  const product = await startProduct(engine.env);
  // The embedded engine's directory opens in one process at a time: there the SDK's turn comes when the product is gone.
  const beside = engine.server && (await engine.straight());
  if (beside) log(`${kind}: settling`);
  const settled = beside && (await settle(beside));
  const groups = [];
  for (const wanted of FILTERS) {
    log(`${kind}: searching, filter ${wanted.name}`);
    groups.push(await measureFilter(product, beside?.run, corpus, truths, wanted));
  }
  const resident_bytes = {
    product: residentBytes(product.pid),
    server: engine.server && residentBytes(engine.server.pid),
  };
  await product.stop();
  if (beside) await beside.close();
  else await measureAfterwards((await engine.straight()).run, groups);
  await engine.stop();
  const start_ms = { first: first.startMs, second: product.startMs };
  return { engine: kind, ingest, settled, resident_bytes, start_ms, groups: groups.map(figuresOf) };
}

async function measureAfterwards(straight, groups) {
  // This process has just opened the directory: the index and what it reads come into memory first.
  for (const statements of groups[0].byMode.hybrid.statements.slice(0, WARM_UP_QUERIES)) await straight(statements);
  for (const { queries, byMode, samples, wanted } of groups) {
    log(`embedded: straight through the SDK, filter ${wanted.name}`);
    Object.assign(samples, await interleave(straightSeries(straight, byMode), { queries, seconds: GROUP_SECONDS }));
  }
}
