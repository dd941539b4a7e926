// The peer gets the settings that suit it best: of those that find enough, the quickest, for each filter.
import { judge } from './check.mjs';
import { FILTERS } from './corpus.mjs';
import { percentile } from './statistics.mjs';

const RECALL_AT_LEAST = 0.99;
const LIMIT = 10;
const QUERIES = 50;
const SECONDS = 0.5;

/** Kinds of index that its documentation recommends for recall and for filters, with settings from cheap to thorough. */
const CANDIDATES = {
  IVF_HNSW_SQ: [
    {},
    { ef: 50, refineFactor: 2 },
    { ef: 100, refineFactor: 3 },
    { ef: 200, refineFactor: 5 },
    { ef: 400, refineFactor: 10 },
  ],
  IVF_PQ: [
    {},
    { refineFactor: 5 },
    { nprobes: 20, refineFactor: 10 },
    { nprobes: 50, refineFactor: 10 },
    { nprobes: 50, refineFactor: 30 },
    { nprobes: 100, refineFactor: 50 },
  ],
};
/** Compares all vectors, or all that the filter keeps: always right. */
const EXACT = { bypass: true };

/** p50 and recall of vector searches with these settings. */
async function tried(peer, truth, filter, settings) {
  const wanted = { mode: 'vector', filter, settings };
  const queries = Math.min(QUERIES, peer.shape.queries);
  let [sum, wrong] = [0, false];
  for (let query = 0; query < queries; query += 1) {
    const { ids } = await peer.ask(query, wanted);
    const { faults, recall } = judge(truth, { query, mode: 'vector', limit: LIMIT, modulus: filter.modulus }, ids);
    sum += recall;
    wrong ||= faults.length > 0;
  }
  const { ms } = await peer.loop({ ...wanted, clients: 1, seconds: SECONDS, first: 0 });
  return {
    settings,
    recall: sum / queries,
    enough: !wrong && sum / queries >= RECALL_AT_LEAST,
    p50: percentile(ms, 0.5),
  };
}

async function quickest(peer, truth, filter, ladder) {
  const results = [];
  for (const settings of [...ladder, EXACT]) results.push(await tried(peer, truth, filter, settings));
  const enough = results.filter((result) => result.enough);
  enough.sort((a, b) => a.p50 - b.p50);
  return enough[0] ?? results.at(-1);
}

/**
 * Loads the peer, builds each kind of index and keeps the one that answers unfiltered searches soonest.
 * @returns what was done, in seconds, and the settings taken for each filter
 */
export async function prepareLancedb(peer, truth) {
  const startedMs = performance.now();
  await peer.call('load', { shape: peer.shape, to: peer.shape.passages });
  const load_seconds = (performance.now() - startedMs) / 1000;
  const { seconds: index_columns_seconds } = await peer.call('indexColumns');
  const [all] = FILTERS;
  const kinds = [];
  for (const [index, ladder] of Object.entries(CANDIDATES)) {
    const { seconds } = await peer.call('indexVectors', { index });
    kinds.push({ index, index_vectors_seconds: seconds, best: await quickest(peer, truth, all, ladder) });
  }
  kinds.sort((a, b) => a.best.p50 - b.best.p50);
  const [{ index, index_vectors_seconds }] = kinds;
  if (index !== Object.keys(CANDIDATES).at(-1)) await peer.call('indexVectors', { index });
  const filters = [];
  for (const filter of FILTERS) {
    const best = await quickest(peer, truth, filter, CANDIDATES[index]);
    peer.settings.set(filter.modulus, best.settings);
    filters.push({ filter: filter.name, ...best });
  }
  return { load_seconds, index_columns_seconds, index, index_vectors_seconds, kinds, filters };
}
