// A database engine under the product, made ready for measuring: started, loaded, settled.
import { setTimeout as sleep } from 'node:timers/promises';
import { lines } from './corpus.mjs';
import { removeDirectory, residentBytes, startSurreal, temporaryDirectory } from './product.mjs';
import { openStraight } from './straight.mjs';

const NAMESPACE = 'acervo';
const DATABASE = 'bench';
const BULK_LINES = 50_000;
const SETTLE_SECONDS = 120;
/** Compaction starts anew every 5 s: so many quiet polls see that it has nothing left. */
const SETTLE_POLL_MS = 1_000;
const QUIET_POLLS = 8;

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
      SURREALDB_DATABASE: DATABASE,
      ...login,
    },
    straight: (database = DATABASE) => openStraight({ ...server, url, namespace: NAMESPACE, database }),
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

/** Waits until the server has taken all vectors into their index, for a bounded time: until then every KNN compares them. */
export async function settle(straight) {
  const startedMs = performance.now();
  const seconds = () => (performance.now() - startedMs) / 1000;
  let quiet = 0;
  while (quiet < QUIET_POLLS && seconds() < SETTLE_SECONDS) {
    await sleep(SETTLE_POLL_MS);
    quiet = (await straight.isCompacting()) ? 0 : quiet + 1;
  }
  return { seconds: seconds(), settled: quiet === QUIET_POLLS };
}
