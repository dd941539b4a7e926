import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Logger, pino } from 'pino';
import { createApp } from './app.js';
import { createFailureRecorder } from './audit/failures.js';
import { createReadRecorder } from './audit/reads.js';
import { startRollup } from './audit/rollup.js';
import { startSealer } from './audit/seal/sealer.js';
import { banner, firstKeyNotice, reachable } from './banner.js';
import { startJanitor } from './bucket-events/janitor.js';
import { startEventWorker } from './bucket-events/worker.js';
import { ConfigError, readConfig } from './config.js';
import { DECISIONS } from './decisions/corpus.js';
import { PENDING_DECISIONS } from './decisions/embed-pending.js';
import { startHookWorker } from './hooks/worker.js';
import type { Gate } from './http/authenticate.js';
import { listen } from './http/server.js';
import { ensureAdminKey } from './keys/admin-key.js';
import { createAuthenticator } from './keys/authenticator.js';
import { createDenialRecorder } from './keys/denials.js';
import { KNOWLEDGE } from './knowledge/corpus.js';
import { PENDING_DOCUMENTS, startEmbeddingWorker } from './knowledge/embed-pending.js';
import { LiveSockets } from './live/sockets.js';
import type { BucketAdmin } from './objects/admin.js';
import { startReconcile } from './reconcile/schedule.js';
import { startTrustSampler } from './search/trust.js';
import { openServices, withDefaultDatabase } from './services.js';
import { startSessionWorker } from './sessions/idle.js';
import { startSweep } from './sweep.js';

const EMBED_INTERVAL_MS = 5_000;
const EVENT_INTERVAL_MS = 2_000;
const JANITOR_INTERVAL_MS = 3_600_000;
const ROLLUP_INTERVAL_MS = 10_000;
const SWEEP_INTERVAL_MS = 600_000;
const TRUST_INTERVAL_MS = 5_000;
const GRACE_MS = 10_000;
const WORKER_GRACE_MS = 2_000;
/** After the two before and the last snapshot of the warm index. */
const FORCED_EXIT_MS = 25_000;
/** A Ctrl-C reaches this process from the terminal and once more from npm: so soon after the first it is the same. */
const SAME_SIGNAL_MS = 500;
/** sysexits.h: something is wrong in the configuration. */
const EX_CONFIG = 78;

/** JSON lines on stderr: stdout has the banner alone, so that the key in it never gets into a log file. */
function createLog(level: string): Logger {
  const redact = ['authorization', '*.authorization', '*.headers.authorization'];
  return pino({ level, redact, timestamp: pino.stdTimeFunctions.isoTime }, pino.destination({ dest: 2, sync: true }));
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

/** A store that is away is no reason not to start: what needs it says so, and the next start tries again. */
async function makeBuckets(admin: BucketAdmin, log: Logger): Promise<void> {
  try {
    const made = await admin.createMissing();
    if (made.length > 0) log.info({ made }, 'buckets made');
  } catch (error) {
    log.warn({ err: error }, 'buckets could not be looked at; npm run init makes them');
  }
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

  const { services, admin, disk, listensAt, startWarmIndex, close } = await openServices(config, log);
  startWarmIndex();
  await makeBuckets(admin, log);
  const { control, clock } = services;
  const token = await ensureAdminKey(control, config, clock);
  if (token !== undefined) process.stdout.write(firstKeyNotice(token));
  const authenticator = createAuthenticator(control, { ...services, adminKey: config.adminKey });
  const reads = config.auditReads ? createReadRecorder(services) : undefined;
  const gate: Gate = {
    authenticator,
    onDenied: createDenialRecorder(),
    onFailed: createFailureRecorder(),
    ...(reads && { onRead: reads.onRead }),
  };
  const app = createApp(services, gate);
  const sockets = new LiveSockets(services, authenticator, async (request, incoming) =>
    app.fetch(request, { incoming }),
  );
  const { host, port } = config;
  const server = await listen(app, { host, port, upgrade: (...connection) => sockets.upgrade(...connection) });
  listensAt(reachable(server.url));
  const workers = [
    startEmbeddingWorker(services, [PENDING_DOCUMENTS, PENDING_DECISIONS], EMBED_INTERVAL_MS),
    startEventWorker(services, EVENT_INTERVAL_MS),
    startJanitor(services, disk, JANITOR_INTERVAL_MS),
    startReconcile(services, config.objects.reconcileIntervalSeconds),
    startSessionWorker(services, config.sessionIdleSeconds),
    startRollup(services, ROLLUP_INTERVAL_MS),
    startSealer(services, config.auditSealIntervalSeconds),
    startHookWorker(services),
    startSweep(services, SWEEP_INTERVAL_MS),
    startTrustSampler(services, [KNOWLEDGE, DECISIONS], TRUST_INTERVAL_MS),
  ];
  endOnSignal(log, async () => {
    services.live.close();
    const stopped = Promise.all(workers.map((stop) => stop()));
    await server.close(GRACE_MS);
    // A worker may be waiting for a database that is away; its round is taken up again by whoever starts next.
    await Promise.race([Promise.all([stopped, reads?.stop()]), sleep(WORKER_GRACE_MS)]);
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
