import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type MinioServer, startMinio } from './minio.js';
import { onStack, type Product, startProduct, unavailable } from './product.js';
import { findBinary, freePort } from './stack-servers.js';

const minioBin = onStack ? findBinary('MINIO_BIN', 'minio') : undefined;

/** Set in the stack ring when a server binary is missing: those tests are skipped by name. */
export const objectsUnavailable = unavailable || (onStack && minioBin === undefined);

/** The product with an object store: the disk driver, or on the stack ring a MinIO of its own that sends its events. */
export interface ProductWithObjects {
  /** The one that runs: `restart` replaces it. */
  product: Product;
  /** Undefined on the embedded ring. */
  minio: MinioServer | undefined;
  /** The bearer token of `POST /api/minio-webhook`. */
  webhookToken: string;
  /** Starts the product again on the same port and data, after a stop or kill. */
  restart(env?: Record<string, string>): Promise<Product>;
  /** Ends all of it and removes its directories. */
  stop(): Promise<void>;
}

/**
 * Starts both. The port is chosen beforehand, since the store must know where to send events. It sends them from its
 * queue on disk every 3 s, and makes none in the first 100 ms after it says that it is ready.
 */
export async function startProductWithObjects(env: Record<string, string> = {}): Promise<ProductWithObjects> {
  const port = await freePort();
  const webhookToken = randomBytes(24).toString('hex');
  const queue = mkdtempSync(join(tmpdir(), 'acervo-events-'));
  const minio =
    minioBin === undefined ? undefined : await startMinio(minioBin, sendingEvents(port, webhookToken, queue));
  const removeStore = async () => {
    await minio?.stop();
    rmSync(queue, { recursive: true, force: true });
  };
  const own = { ACERVO_PORT: String(port), MINIO_WEBHOOK_TOKEN: webhookToken, ...connectionTo(minio) };
  const product = await startProduct({ ...own, ...env }).catch(async (error) => {
    await removeStore();
    throw error;
  });
  const all: ProductWithObjects = {
    product,
    minio,
    webhookToken,
    restart: async (more) => {
      all.product = await all.product.restart(more);
      return all.product;
    },
    stop: async () => {
      await all.product.stop();
      await removeStore();
      rmSync(all.product.env.ACERVO_DATA_DIR!, { recursive: true, force: true });
    },
  };
  return all;
}

function connectionTo(minio: MinioServer | undefined): Record<string, string> {
  if (minio === undefined) return {};
  const { endpoint, region, accessKey, secretKey } = minio;
  return {
    MINIO_ENDPOINT: endpoint,
    MINIO_REGION: region,
    MINIO_ACCESS_KEY: accessKey,
    MINIO_SECRET_KEY: secretKey,
  };
}

/** As in docker-compose.yml. */
function sendingEvents(port: number, token: string, queue: string): Record<string, string> {
  return {
    MINIO_SITE_REGION: 'us-east-1',
    MINIO_NOTIFY_WEBHOOK_ENABLE_ACERVO: 'on',
    MINIO_NOTIFY_WEBHOOK_ENDPOINT_ACERVO: `http://127.0.0.1:${port}/api/minio-webhook`,
    MINIO_NOTIFY_WEBHOOK_AUTH_TOKEN_ACERVO: token,
    MINIO_NOTIFY_WEBHOOK_QUEUE_DIR_ACERVO: queue,
    MINIO_NOTIFY_WEBHOOK_QUEUE_LIMIT_ACERVO: '100000',
  };
}
