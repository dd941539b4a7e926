// A database engine under the product, made ready for measuring: started, loaded, settled.

import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { lines } from './corpus.mjs';
import { openDatabase } from './database.mjs';
import { processorSeconds, removeDirectory, residentBytes, startSurreal, temporaryDirectory } from './product.mjs';

const NAMESPACE = 'acervo';
const DATABASE = 'bench';
const BULK_LINES = 50_000;
const SETTLE_SECONDS = 300;
/** Compaction starts anew every 5 s: so many quiet polls see that it has nothing left. */
const SETTLE_POLL_MS = 1_000;
const QUIET_POLLS = 8;
/**
 * A process is quiet that takes less than this share of a processor, so many times one after the other. The embedded engine
 * alone takes up to .4 after writes; a graph that is being built takes one processor or more.
 */
const QUIET_SHARE = 0.6;
const QUIET_STEP_MS = 500;
const QUIET_STEPS = 4;
const QUIET_PATIENCE_MS = 1_800_000;

/** What the product needs to run on an engine, and, of a server, whether it is still taking vectors into their index. */
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
    snapshots: join(directory, 'warm-index'),
    settled: server && ((database = DATABASE) => settled({ ...server, url, namespace: NAMESPACE, database })),
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
  try {
    for (let at = 0; at < corpus.passages; at += BULK_LINES)
      await product.bulk(lines(corpus, at, Math.min(corpus.passages, at + BULK_LINES)));
  } finally {
    clearInterval(timer);
  }
  look();
  const seconds = (performance.now() - startedMs) / 1000;
  return { seconds, documents_per_second: corpus.passages / seconds, peak_resident_bytes: peak };
}

/** Waits until the server has taken all vectors into their index, for a bounded time: until then every KNN compares them. */
async function settled(address) {
  const database = await openDatabase(address);
  const startedMs = performance.now();
  const seconds = () => (performance.now() - startedMs) / 1000;
  let quiet = 0;
  while (quiet < QUIET_POLLS && seconds() < SETTLE_SECONDS) {
    await sleep(SETTLE_POLL_MS);
    quiet = (await database.isCompacting()) ? 0 : quiet + 1;
  }
  await database.close();
  return { seconds: seconds(), settled: quiet === QUIET_POLLS };
}

/**
 * Waits until a process has nothing to do any more: then its index is built.
 * @returns seconds until it had nothing to do, or until the patience ended; undefined without /proc
 */
export async function quiet(pid, { steps = QUIET_STEPS, patienceMs = QUIET_PATIENCE_MS } = {}) {
  const startedMs = performance.now();
  for (let before = processorSeconds(pid), idle = 0; before !== undefined; ) {
    await sleep(QUIET_STEP_MS);
    const now = processorSeconds(pid);
    idle = now - before < (QUIET_SHARE * QUIET_STEP_MS) / 1000 ? idle + 1 : 0;
    before = now;
    const waitedMs = performance.now() - startedMs;
    if (idle === steps) return Math.max(0, waitedMs - steps * QUIET_STEP_MS) / 1000;
    if (waitedMs > patienceMs) return waitedMs / 1000;
  }
}
