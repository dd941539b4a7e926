// HNSW's m and ef on the server engine: two databases, two nodes on each, all asked side by side.
import { recallOf } from './check.mjs';
import { load, prepareEngine, settle } from './engine.mjs';
import { interleave, latency } from './measure.mjs';
import { startProduct } from './product.mjs';

const LIMIT = 10;
const SECONDS = 40;

/** @returns for each m and ef: KNN latency over HTTP and recall@10 */
export async function benchHnsw(corpus, truths, { binary }) {
  const engine = await prepareEngine('server', { dimensions: corpus.dimensions, binary });
  const nodes = [];
  for (const m of [8, 12]) {
    const env = {
      ...engine.env,
      SURREALDB_DATABASE: `bench_m${m}`,
      ACERVO_VECTOR_INDEX: 'hnsw',
      ACERVO_HNSW_M: String(m),
      ACERVO_HNSW_EF_CONSTRUCTION: '100',
    };
    const start = (ef) => startProduct({ ...env, ACERVO_SEARCH_EF: String(ef) });
    const first = await start(40);
    const ingest = await load(first, corpus, engine.server);
    const straight = await engine.straight(env.SURREALDB_DATABASE);
    const settled = await settle(straight);
    await straight.close();
    nodes.push({ m, ef: 40, product: first, ingest, settled }, { m, ef: 100, product: await start(100) });
  }
  // The depth of a leg counts as ef where it is larger: ask for no more than the hits.
  const search = (node, query) =>
    node.product.search({ mode: 'vector', vector: corpus.queries[query].vector, limit: LIMIT, candidates: LIMIT });
  for (const node of nodes) node.recall_at_10 = await meanRecall(corpus, truths, (query) => search(node, query));
  const series = nodes.map((node) => [`${node.m}/${node.ef}`, (query) => search(node, query)]);
  const samples = await interleave(Object.fromEntries(series), { queries: corpus.queries.length, seconds: SECONDS });
  for (const { product } of nodes) await product.stop();
  await engine.stop();
  return nodes.map(({ product: _, ...node }) => ({ ...node, http_ms: latency(samples[`${node.m}/${node.ef}`]) }));
}

async function meanRecall(corpus, truths, search) {
  let sum = 0;
  for (let query = 0; query < corpus.queries.length; query += 1) {
    const { hits } = await search(query);
    const found = hits.map(({ id }) => Number(id.slice(1)));
    sum += recallOf(truths[query].cosine, () => true, LIMIT, found);
  }
  return sum / corpus.queries.length;
}
