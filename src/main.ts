import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Logger, pino } from 'pino';
import { createApp } from './app.js';
import { banner, dataPlace, firstKeyNotice } from './banner.js';
import { type Config, ConfigError, readConfig } from './config.js';
import type { Services } from './context.js';
import { createEmbedder } from './embeddings/create.js';
import { createMetrics } from './health/metrics.js';
import { CursorSigner } from './http/cursor.js';
import { listen } from './http/server.js';
import { ensureAdminKey } from './keys/admin-key.js';
import { createAuthenticator } from './keys/authenticator.js';
import { createDenialRecorder } from './keys/denials.js';
import { startEmbeddingWorker } from './knowledge/embed-pending.js';
import { embeddedEngineVersion, embeddedPath, prepareDirectory } from './surreal/data-directory.js';
import { openDatabases } from './surreal/open.js';
import { sharedSecret } from './surreal/secrets.js';
import { startSweep } from './sweep.js';

const CURSOR_TTL_SECONDS = 86_400;
const EMBED_INTERVAL_MS = 5_000;
const SWEEP_INTERVAL_MS = 600_000;
/** An embedded database opens in well under a second: who waits longer is told for what. */
const SLOW_OPEN_MS = 3_000;
const GRACE_MS = 10_000;
const WORKER_GRACE_MS = 2_000;
const FORCED_EXIT_MS = 15_000;
/** A Ctrl-C reaches this process from the terminal and once more from npm: so soon after the first it is the same. */
const SAME_SIGNAL_MS = 500;
/** sysexits.h: something is wrong in the configuration. */
const EX_CONFIG = 78;

function withDefaultDatabase(config: Config): Config {
  const dataDir = resolve(config.dataDir);
  return {
    ...config,
    dataDir,
    database: { ...config.database, url: config.database.url || `rocksdb://${join(dataDir, 'db')}` },
  };
}

/** JSON lines on stderr: stdout has the banner alone, so that the key in it never gets into a log file. */
function createLog(level: string): Logger {
  const redact = ['authorization', '*.authorization', '*.headers.authorization'];
  return pino({ level, redact, timestamp: pino.stdTimeFunctions.isoTime }, pino.destination({ dest: 2, sync: true }));
}

/** Connects to the database and puts together what a node has. */
async function openServices(config: Config, log: Logger): Promise<{ services: Services; close(): Promise<void> }> {
  const path = embeddedPath(config.database.url);
  const directory = path === undefined ? undefined : prepareDirectory(path, embeddedEngineVersion());
  const embedder = createEmbedder(config.embedding);
  const metrics = createMetrics(embedder.usage);
  const slow = setTimeout(() => log.warn(`waiting for the database: ${dataPlace(config)}`), SLOW_OPEN_MS);
  const { db, control, applied, close } = await openDatabases(config, embedder.space, {
    transaction: (outcome) => outcome === 'committed' && metrics.databaseTransactions.inc(),
    conflict: () => metrics.databaseConflicts.inc(),
  }).finally(() => clearTimeout(slow));
  directory?.mark();
  if (applied.length > 0) log.info({ applied }, 'schema applied');
  const clock = () => new Date();
  const secret = await sharedSecret(control, 'cursor');
  const cursors = new CursorSigner({ secret, clock, ttlSeconds: CURSOR_TTL_SECONDS });
  return { services: { config, db, control, embedder, cursors, metrics, log, clock }, close };
}

/** Ends the process well at the first SIGTERM or SIGINT, and at once at the second. */
function endOnSignal(log: Logger, stop: () => Promise<void>): void {
  let firstMs: number | undefined;
  const end = async (signal: NodeJS.Signals) => {
    if (firstMs !== undefined) {
      if (performance.now() - firstMs > SAME_SIGNAL_MS) process.exit(1);
      return;
    }
    firstMs = performance.now();
    log.info({ signal }, 'stopping');
    setTimeout(() => {
      log.error('stopping took too long');
      process.exit(1);
    }, FORCED_EXIT_MS);
    await stop();
    log.info('stopped');
    // The embedded engine keeps the process alive even when it is closed.
    process.exit(0);
  };
  process.on('SIGTERM', end);
  process.on('SIGINT', end);
}

async function start(): Promise<void> {
  if (existsSync('.env')) process.loadEnvFile('.env');
  const config = withDefaultDatabase(readConfig());
  const log = createLog(config.logLevel);
  const die = (error: unknown) => {
    log.fatal({ err: error }, 'uncaught');
    process.exit(1);
  };
  process.on('uncaughtException', die);
  process.on('unhandledRejection', die);

  const { services, close } = await openServices(config, log);
  const { control, clock } = services;
  const token = await ensureAdminKey(control, config, clock);
  if (token !== undefined) process.stdout.write(firstKeyNotice(token));
  const authenticator = createAuthenticator(control, { ...services, adminKey: config.adminKey });
  const server = await listen(createApp(services, { authenticator, onDenied: createDenialRecorder() }), config);
  const workers = [startEmbeddingWorker(services, EMBED_INTERVAL_MS), startSweep(services, SWEEP_INTERVAL_MS)];
  endOnSignal(log, async () => {
    const stopped = Promise.all(workers.map((stop) => stop()));
    await server.close(GRACE_MS);
    // A worker may be waiting for a database that is away; its round is taken up again by whoever starts next.
    await Promise.race([stopped, sleep(WORKER_GRACE_MS)]);
    await close();
  });
  process.stdout.write(
    banner({ url: server.url, config, engine: services.db.engine, space: services.embedder.space, token }),
  );
}

start().catch((error: unknown) => {
  const text = error instanceof Error ? error.message : String(error);
  process.stderr.write(`Acervo cannot start. ${text.replaceAll(/\/\/[^@/\s]*@/g, '//')}\n`);
  process.exit(error instanceof ConfigError ? EX_CONFIG : 1);
});
