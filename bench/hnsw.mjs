// HNSW's m and ef on the server engine: two databases, two nodes on each, all asked in turn.
import { acervoPeer } from './acervo.mjs';
import { judge } from './check.mjs';
import { FILTERS } from './corpus.mjs';
import { load, prepareEngine } from './engine.mjs';
import { startProduct } from './product.mjs';
import { summary } from './statistics.mjs';
import { Truth } from './truth.mjs';

const LIMIT = 10;
const ROUNDS = 10;
const SECONDS = 1;
const WANTED = { mode: 'vector', filter: FILTERS[0] };

/** @returns for each m and ef: KNN latency over HTTP and recall@10 */
export async function benchHnsw(corpus, { binary }) {
  const truth = new Truth(corpus).upTo(corpus.passages);
  const engine = await prepareEngine('server', { dimensions: corpus.dimensions, binary });
  const nodes = [];
  for (const m of [8, 12]) {
    const env = {
      ...engine.env,
      SURREALDB_DATABASE: `bench_m${m}`,
      ACERVO_WARM_INDEX: 'off',
      ACERVO_VECTOR_INDEX: 'hnsw',
      ACERVO_HNSW_M: String(m),
      ACERVO_HNSW_EF_CONSTRUCTION: '100',
    };
    const start = (ef) => startProduct({ ...env, ACERVO_SEARCH_EF: String(ef) });
    const first = await start(40);
    const ingest = await load(first, corpus, engine.server);
    const settled = await engine.settled(env.SURREALDB_DATABASE);
    nodes.push({ m, ef: 40, product: first, ingest, settled }, { m, ef: 100, product: await start(100) });
  }
  for (const node of nodes) {
    // The depth of a leg counts as ef where it is larger: ask for no more than the hits.
    const named = { name: `${node.m}/${node.ef}`, from: 'database', fusion: 'rrf', candidates: LIMIT };
    node.peer = acervoPeer(node.product, corpus, named);
    node.recall_at_10 = await meanRecall(corpus, truth, node.peer);
    node.ms = [];
  }
  for (let round = 0; round < ROUNDS; round += 1)
    for (const { peer, ms } of nodes)
      ms.push(...(await peer.loop({ ...WANTED, clients: 1, seconds: SECONDS, first: round * LIMIT })).ms);
  for (const { product } of nodes) await product.stop();
  await engine.stop();
  return nodes.map(({ m, ef, ingest, settled, recall_at_10, ms }) => ({
    ...{ m, ef, ingest, settled, recall_at_10, http_ms: summary(ms) },
  }));
}

async function meanRecall(corpus, truth, peer) {
  let sum = 0;
  for (let query = 0; query < corpus.queries.length; query += 1) {
    const { ids } = await peer.ask(query, WANTED);
    sum += judge(truth, { query, mode: 'vector', limit: LIMIT, modulus: 1 }, ids).recall;
  }
  return sum / corpus.queries.length;
}
