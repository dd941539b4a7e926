// The product with its object store, as its own processes: all in one directory, or SurrealDB and MinIO as servers.
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort, removeDirectory, startChild, startProduct, startSurreal, temporaryDirectory } from './product.mjs';

const START_TIMEOUT_MS = 30_000;

/** MinIO's binary: MINIO_BIN, else `minio` on PATH, else undefined. */
export function findMinio() {
  if (process.env.MINIO_BIN) return process.env.MINIO_BIN;
  try {
    return execFileSync('which', ['minio'], { encoding: 'utf8' }).trim();
  } catch {
    return undefined;
  }
}

async function startMinio(binary) {
  const directory = temporaryDirectory();
  const port = await freePort();
  const login = { accessKey: randomBytes(8).toString('hex'), secretKey: randomBytes(16).toString('hex') };
  const started = startChild(binary, ['server', directory, '--address', `127.0.0.1:${port}`, '--quiet'], {
    ...{ ...process.env, MINIO_ROOT_USER: login.accessKey, MINIO_ROOT_PASSWORD: login.secretKey },
    MINIO_BROWSER: 'off',
  });
  const ready = () => fetch(`http://127.0.0.1:${port}/minio/health/ready`).then(({ ok }) => ok);
  const deadline = performance.now() + START_TIMEOUT_MS;
  while (!(await ready().catch(() => false))) {
    if (performance.now() > deadline) throw new Error(`MinIO did not start:\n${started.tail()}`);
    await sleep(50);
  }
  const stop = async () => {
    await started.stop();
    removeDirectory(directory);
  };
  return { port, ...login, stop };
}

/**
 * @param {'embedded' | 'server'} kind
 * @returns `start` starts a product on it (again, on the same data), `store` is MinIO's address and login or undefined
 */
export async function install(kind, { surreal, minio }) {
  const directory = temporaryDirectory();
  const env = { ACERVO_DATA_DIR: directory, ACERVO_RECONCILE_INTERVAL_SECONDS: '0' };
  if (kind === 'embedded')
    return { start: () => startProduct(env), store: undefined, stop: async () => removeDirectory(directory) };
  const [database, store] = await Promise.all([startSurreal(surreal), startMinio(minio)]);
  const servers = {
    SURREALDB_URL: database.url,
    SURREALDB_USER: database.username,
    SURREALDB_PASS: database.password,
    MINIO_ENDPOINT: `http://127.0.0.1:${store.port}`,
    MINIO_ACCESS_KEY: store.accessKey,
    MINIO_SECRET_KEY: store.secretKey,
  };
  return {
    start: () => startProduct({ ...env, ...servers }),
    store,
    stop: async () => {
      await Promise.all([database.stop(), store.stop()]);
      removeDirectory(directory);
    },
  };
}
