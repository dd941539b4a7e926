// A database engine under the product, made ready for measuring: started, loaded, settled.
import { setTimeout as sleep } from 'node:timers/promises';
import { lines } from './corpus.mjs';
import { removeDirectory, residentBytes, startSurreal, temporaryDirectory } from './product.mjs';
import { isSettled, percentile } from './statistics.mjs';
import { openStraight } from './straight.mjs';

const LIMIT = 10;
const NAMESPACE = 'acervo';
const BULK_LINES = 50_000;
const SETTLE_SECONDS = 120;
/** Compaction starts every 5 s: eight polls see at least one. */
const SETTLE_POLL_MS = 1_000;
const SETTLED_POLLS = 8;
const SETTLED_FACTOR = 1.5;

/** What the product needs to run on an engine, and an SDK connection to reach the same database. */
export async function prepareEngine(kind, { dimensions, binary }) {
  const directory = temporaryDirectory();
  const server = kind === 'server' ? await startSurreal(binary) : undefined;
  const url = server?.url ?? `rocksdb://${directory}/database`;
  const login = server ? { SURREALDB_USER: server.username, SURREALDB_PASS: server.password } : {};
  return {
    server,
    env: {
      ACERVO_DATA_DIR: directory,
      ACERVO_EMBEDDER: 'caller',
      ACERVO_EMBEDDING_DIMENSIONS: String(dimensions),
      SURREALDB_URL: url,
      SURREALDB_NAMESPACE: NAMESPACE,
      SURREALDB_DATABASE: 'bench',
      ...login,
    },
    straight: () =>
      openStraight({
        url,
        username: server?.username,
        password: server?.password,
        namespace: NAMESPACE,
        database: 'bench',
      }),
    stop: async () => {
      await server?.stop();
      removeDirectory(directory);
    },
  };
}

/** Stores the whole corpus; resident memory is looked at meanwhile. */
export async function load(product, corpus, server) {
  const peak = { product: 0, server: 0 };
  const look = () => {
    peak.product = Math.max(peak.product, residentBytes(product.pid) ?? 0);
    if (server) peak.server = Math.max(peak.server, residentBytes(server.pid) ?? 0);
  };
  const timer = setInterval(look, 500);
  const startedMs = performance.now();
  const documents = lines(corpus);
  let stored = 0;
  try {
    while (stored < corpus.documents) stored += await product.bulk(take(documents, BULK_LINES));
  } finally {
    clearInterval(timer);
  }
  look();
  const seconds = (performance.now() - startedMs) / 1000;
  return {
    seconds,
    documents_per_second: stored / seconds,
    passages_per_second: (stored * corpus.perDocument) / seconds,
    peak_resident_bytes: peak,
  };
}

/** The next `count` of an iterator, which stays usable afterwards. */
function* take(iterator, count) {
  for (let taken = 0; taken < count; taken += 1) {
    const { value, done } = iterator.next();
    if (done) return;
    yield value;
  }
}

/** Waits until the server's index compaction no longer shows in the latency of KNN, for a bounded time. */
export async function settle(product, corpus) {
  const medians = [];
  const startedMs = performance.now();
  const seconds = () => (performance.now() - startedMs) / 1000;
  while (!isSettled(medians, SETTLED_POLLS, SETTLED_FACTOR) && seconds() < SETTLE_SECONDS) {
    await sleep(SETTLE_POLL_MS);
    const samples = [];
    for (const { vector } of corpus.queries.slice(0, LIMIT)) {
      const polledMs = performance.now();
      await product.search({ mode: 'vector', vector, limit: LIMIT });
      samples.push(performance.now() - polledMs);
    }
    medians.push(percentile(samples, 0.5));
  }
  const [first, last] = [medians.at(0), medians.at(-1)];
  return {
    seconds: seconds(),
    settled: isSettled(medians, SETTLED_POLLS, SETTLED_FACTOR),
    first_knn_ms: first,
    last_knn_ms: last,
  };
}
