import { join, resolve } from 'node:path';
import type { Logger } from 'pino';
import { dataPlace } from './banner.js';
import { createEventInbox } from './bucket-events/inbox.js';
import type { Config } from './config.js';
import type { Services } from './context.js';
import { createEmbedder } from './embeddings/create.js';
import { createExtractor } from './extraction/extractor.js';
import { faultPoints } from './fault-points.js';
import { createMetrics } from './health/metrics.js';
import { CursorSigner } from './http/cursor.js';
import { MAX_CONTENT_BYTES } from './knowledge/schemas.js';
import { Live } from './live/live.js';
import type { BucketAdmin } from './objects/admin.js';
import { openGrant } from './objects/disk/grants.js';
import type { DiskStore } from './objects/disk/store.js';
import { openObjects } from './objects/open.js';
import { embeddedEngineVersion, embeddedPath, prepareDirectory } from './surreal/data-directory.js';
import { openDatabases } from './surreal/open.js';
import { sharedSecret } from './surreal/secrets.js';
import { openWarmIndex } from './warm-index/open.js';
import { NO_WARM_INDEX, type WarmIndex } from './warm-index/port.js';
import { createAnalyzer } from './warm-index/text/analyzer.js';

const CURSOR_TTL_SECONDS = 86_400;
/** An embedded database opens in well under a second: who waits longer is told for what. */
const SLOW_OPEN_MS = 3_000;

/** All that a node works with, opened. */
export interface OpenServices {
  services: Services;
  admin: BucketAdmin;
  /** Begins to build the warm index; until then, and until it is ready, searches ask the database. */
  startWarmIndex(): void;
  /** The object store, where it is a directory. */
  disk: DiskStore | undefined;
  /** Says where this node can be reached, once it listens: signed URLs of the disk driver begin with it. */
  listensAt(url: string): void;
  close(): Promise<void>;
}

/** The database lies in the data directory unless the configuration says otherwise. */
export function withDefaultDatabase(config: Config): Config {
  const dataDir = resolve(config.dataDir);
  const url = config.database.url || `rocksdb://${join(dataDir, 'db')}`;
  return { ...config, dataDir, database: { ...config.database, url } };
}

/**
 * Connects to the databases, applies the schema, and opens the object store.
 * @throws DataDirectoryError, MigrationChangedError, ConfigError (lifecycle.xml), AcervoError `database:unavailable`
 */
export async function openServices(config: Config, log: Logger): Promise<OpenServices> {
  const path = embeddedPath(config.database.url);
  const directory = path === undefined ? undefined : prepareDirectory(path, embeddedEngineVersion());
  const embedder = createEmbedder(config.embedding);
  const metrics = createMetrics(embedder.usage);
  const slow = setTimeout(() => log.warn(`waiting for the database: ${dataPlace(config)}`), SLOW_OPEN_MS);
  let committed = () => {};
  let warmIndex: WarmIndex = NO_WARM_INDEX;
  const passFaultPoint = faultPoints(config.faultPoint);
  const databases = await openDatabases(config, embedder.space, {
    transaction: (outcome) => {
      if (outcome !== 'committed') return;
      metrics.databaseTransactions.inc();
      committed();
    },
    conflict: () => metrics.databaseConflicts.inc(),
    changed: (change) => {
      passFaultPoint('warm-index:before_apply');
      return warmIndex.changed(change);
    },
  }).finally(() => clearTimeout(slow));
  directory?.mark();
  const { db, control, applied } = databases;
  if (applied.length > 0) log.info({ applied }, 'schema applied');
  const clock = () => new Date();
  const cursors = new CursorSigner({
    secret: await sharedSecret(control, 'cursor'),
    clock,
    ttlSeconds: CURSOR_TTL_SECONDS,
  });
  const live = new Live({ db, control, cursors, metrics, log, clock, maxConnections: config.liveMaxConnections });
  committed = () => live.tail.wake();
  const replica = await openWarmIndex(config, { db, control, space: embedder.space, metrics, log });
  warmIndex = replica ?? NO_WARM_INDEX;
  const secret = await sharedSecret(control, 'object-urls');
  let url = '';
  const objects = await openObjects(config, {
    secret,
    publicUrl: () => config.publicUrl ?? url,
    clock,
    onRequest: (operation) => metrics.objectRequests.inc({ operation }),
  });
  const { store, disk, lifecycle, admin, trouble } = objects;
  if (trouble !== undefined)
    log.error({ err: trouble }, 'this node has no files; several nodes need MINIO_ENDPOINT to share them');
  const { extractMaxBytes: maxBytes, extractTimeoutMs: timeoutMs } = config.objects;
  const extractor = createExtractor({ timeoutMs, maxBytes, maxTextBytes: MAX_CONTENT_BYTES });
  const openSignedUrl = disk && ((token: string, method: string) => openGrant(secret, token, method, clock()));
  return {
    services: {
      ...{ config, db, control, embedder, cursors, live, warmIndex, metrics, log, clock, openSignedUrl, lifecycle },
      analyzer: createAnalyzer(config.language),
      legTrust: new Map(),
      objects: store,
      extractor,
      bucketEvents: createEventInbox(db),
      passFaultPoint,
    },
    admin,
    startWarmIndex: () => replica?.start(),
    disk,
    listensAt: (at) => {
      url = at;
    },
    close: async () => {
      live.close();
      await replica?.close();
      extractor.close();
      await objects.close();
      await databases.close();
    },
  };
}
