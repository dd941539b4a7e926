import { randomUUID } from 'node:crypto';
import type { Config } from '../config.js';
import type { EmbeddingSpace } from '../embeddings/port.js';
import { type Connection, connect, explained } from './connection.js';
import type { Database, EngineInfo } from './database.js';
import { type Placeholders, readQueries } from './query-files.js';
import { applySchema } from './schema.js';
import { type DatabaseEvents, SessionDatabase } from './session-database.js';

/** A directory that is in use never opens and never says so: this is how long to wait before saying it. */
const OPEN_TIMEOUT_MS = 15_000;

/** Both databases of an installation, with their schema applied. */
export interface OpenDatabases {
  db: Database;
  control: Database;
  /** Schema files and migrations that this start has applied. */
  applied: string[];
  close(): Promise<void>;
}

/**
 * The vector index for an engine. Measured at 20 000 x 1 024 on the server 3.3.5: a KNN of 10 takes 2.7 ms with
 * DISKANN and 3-6 ms with HNSW; under a 10 % filter DISKANN keeps recall 1.00 where HNSW drops to .97 and comes back
 * short in 3 of 100 answers. DISKANN exists from 3.1 on. The embedded engine 3.0.2 runs no background compaction, so
 * its HNSW stays a list of pending vectors that every KNN scans: exact, and linear.
 */
export function chooseVectorIndex(
  wanted: Config['vectorIndex']['kind'],
  connection: Pick<Connection, 'version'>,
): EngineInfo['vectorIndex'] {
  if (wanted !== 'auto') return wanted;
  const [major = 0, minor = 0] = connection.version.split('.').map(Number);
  return major > 3 || (major === 3 && minor >= 1) ? 'diskann' : 'hnsw';
}

/** What the places of the schema and query files hold; see `fillPlaceholders`. */
function placeholdersOf(config: Config, space: EmbeddingSpace): Placeholders {
  return {
    vectors: `vectors_${space.slug}`,
    dimensions: space.dimensions,
    hnsw_ef_construction: config.vectorIndex.efConstruction,
    hnsw_m: config.vectorIndex.m,
    language: config.language,
  };
}

/**
 * Connects, applies the schema under a lease, and returns handles to both databases.
 * @throws DataDirectoryError, MigrationChangedError, AcervoError `database:unavailable`
 */
export async function openDatabases(
  config: Config,
  space: EmbeddingSpace,
  events: DatabaseEvents = {},
): Promise<OpenDatabases> {
  const connection = await connect({ ...config.database, timeoutMs: OPEN_TIMEOUT_MS });
  const { namespace, database } = config.database;
  const values = placeholdersOf(config, space);
  const options = {
    queries: readQueries(values),
    vectorIndex: chooseVectorIndex(config.vectorIndex.kind, connection),
    timeoutMs: config.database.timeoutMs,
    operationTtlSeconds: config.idempotencyTtlSeconds,
    events,
  };
  const control = new SessionDatabase(
    connection,
    await connection.openSession(namespace, `${database}_control`),
    options,
  );
  const db = new SessionDatabase(connection, await connection.openSession(namespace, database), options);
  const applied = await applySchema(control, db, { scope: database, values, holder: randomUUID() }).catch((error) => {
    // What a newer engine wrote opens, and fails when it is read.
    throw explained(error, config.database.url);
  });
  return { db, control, applied, close: () => connection.close() };
}
