import { randomUUID } from 'node:crypto';
import type { Config } from '../config.js';
import type { EmbeddingSpace } from '../embeddings/port.js';
import { connect, explained } from './connection.js';
import type { Database, EngineInfo } from './database.js';
import { isServer } from './link.js';
import { type Placeholders, readQueries } from './query-files.js';
import { applySchema } from './schema.js';
import { type DatabaseEvents, SessionDatabase } from './session-database.js';

/** A directory that is in use never opens and never says so: this is how long to wait before saying it. */
const DIRECTORY_TIMEOUT_MS = 15_000;
/** An index that is defined over what is there already takes 2 ms for each vector as HNSW, 9 as DISKANN (measured). */
const SCHEMA_TIMEOUT_MS = 3_600_000;

/** Both databases of an installation, with their schema applied. */
export interface OpenDatabases {
  db: Database;
  control: Database;
  /** Schema files and migrations that this start has applied. */
  applied: string[];
  close(): Promise<void>;
}

/**
 * `auto` is HNSW on both engines. On the server 3.3.5 DISKANN answers a KNN a little sooner (20 000 x 1 024: 2.7 ms, HNSW
 * 3-6), but takes 19 ms of processor time for each vector that is stored, most of it after the write, where HNSW takes 6.6
 * (measured at 15 000): searches are the warm index's, and writes are what is felt. DISKANN exists from 3.1 on. The
 * embedded engine 3.0.2 runs no background compaction, so its HNSW stays a list of pending vectors that every KNN scans:
 * exact, and linear.
 */
function vectorIndexOf(wanted: Config['vectorIndex']['kind']): EngineInfo['vectorIndex'] {
  return wanted === 'auto' ? 'hnsw' : wanted;
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
  const { namespace, database, url, timeoutMs } = config.database;
  const connection = await connect({ ...config.database, timeoutMs: isServer(url) ? timeoutMs : DIRECTORY_TIMEOUT_MS });
  const values = placeholdersOf(config, space);
  const options = {
    queries: readQueries(values),
    vectorIndex: vectorIndexOf(config.vectorIndex.kind),
    timeoutMs,
    operationTtlSeconds: config.idempotencyTtlSeconds,
    events,
  };
  const control = new SessionDatabase(
    connection,
    await connection.openSessions(namespace, `${database}_control`),
    options,
  );
  const sessions = await connection.openSessions(namespace, database);
  const db = new SessionDatabase(connection, sessions, options);
  // By the connection of what is written: the lease is renewed by the other one meanwhile.
  const slow = { ...options, timeoutMs: SCHEMA_TIMEOUT_MS };
  const defined = new SessionDatabase(connection, { ...sessions, reads: sessions.writes }, slow);
  const applied = await applySchema(control, defined, { scope: database, values, holder: randomUUID() }).catch(
    (error) => {
      // What a newer engine wrote opens, and fails when it is read.
      throw explained(error, url);
    },
  );
  return { db, control, applied, close: () => connection.close() };
}
