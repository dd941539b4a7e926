import { randomUUID } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inject } from 'vitest';
import { type Connection, connect } from '../../../src/surreal/connection.js';
import { readQueries } from '../../../src/surreal/query-files.js';
import { applySchema } from '../../../src/surreal/schema.js';
import { type DatabaseEvents, SessionDatabase } from '../../../src/surreal/session-database.js';

export const onStack = process.env.ACERVO_TEST_STACK === '1';
/** Set in the stack ring when there is no server binary: those tests are skipped by name. */
export const unavailable = onStack && inject('surrealUrl') === '';

/** Query files that only tests need: a counter that many write, and a change that is slow to commit. */
export const TEST_QUERIES: Record<string, string> = {
  'test/increment': `
    LET $before = (SELECT * FROM ONLY type::record('counters', $id));
    LET $n = ($before.n ?? 0) + 1;
    UPSERT ONLY type::record('counters', $id) SET n = $n RETURN NONE;
    LET $answer = { n: $n };
    LET $change = { action: 'UPDATE', status: 'SUCCESS', revision: $n };`,
  'test/refuse': `
    UPSERT ONLY type::record('counters', $id) SET n = 99 RETURN NONE;
    THROW 'acervo:knowledge:not_found';
    LET $answer = NONE; LET $change = NONE;`,
  'test/values': `LET $answer = {};
    LET $change = { action: 'UPDATE', status: 'SUCCESS', old_digest: $old_digest, new_digest: $new_digest };`,
  'test/several': `LET $answer = {};
    LET $change = ['a', 'b', 'c'].map(|$one| { action: 'UPDATE', status: 'SUCCESS', resource: $one, revision: 1 });`,
  'test/nothing': 'LET $answer = { same: true }; LET $change = NONE;',
  'test/counter': `SELECT VALUE n FROM ONLY type::record('counters', $id)`,
  'test/audit-count': 'RETURN array::len((SELECT VALUE id FROM audit_log))',
  'test/clock-offset': 'DEFINE FUNCTION OVERWRITE fn::clock() { RETURN time::now() - 10s }',
  'test/clock-ahead': 'DEFINE FUNCTION OVERWRITE fn::clock() { RETURN time::now() + 10s }',
  'test/clock-true': 'DEFINE FUNCTION OVERWRITE fn::clock() { RETURN time::now() }',
  // A transaction whose row took its time long before it commits: what out-of-order commits look like to a reader.
  'test/late-commit': `
    BEGIN;
    CREATE audit_log:[time::now(), rand::uuid::v7()] SET
      timestamp = time::now(), action = 'UPDATE', status = 'SUCCESS', resource = $resource RETURN NONE;
    SLEEP 3s;
    COMMIT;`,
};

export const VALUES = {
  vectors: 'vectors_test_4',
  dimensions: 4,
  hnsw_ef_construction: 100,
  hnsw_m: 8,
  language: 'english',
};

export interface Engine {
  connection: Connection;
  db: SessionDatabase;
  control: SessionDatabase;
  /** Another node: sessions of its own on the same databases. */
  node(): Promise<SessionDatabase>;
}

export function testQueries(): Map<string, string> {
  return new Map([...readQueries(VALUES), ...Object.entries(TEST_QUERIES)]);
}

/** An engine of the ring we are in, with fresh databases and the schema applied. */
export async function openEngine(
  options: { url?: string; database?: string; timeoutMs?: number; events?: DatabaseEvents } = {},
): Promise<Engine> {
  const database = options.database ?? `t${randomUUID().replaceAll('-', '')}`;
  const url =
    options.url ?? (onStack ? inject('surrealUrl') : `rocksdb://${mkdtempSync(join(tmpdir(), 'acervo-engine-'))}`);
  const connection = await connect({ url, username: 'root', password: 'root', timeoutMs: 15_000 });
  const sessionOptions = {
    queries: testQueries(),
    vectorIndex: 'hnsw' as const,
    timeoutMs: options.timeoutMs ?? 20_000,
    operationTtlSeconds: 3600,
    ...(options.events ? { events: options.events } : {}),
  };
  const open = async (name: string) =>
    new SessionDatabase(connection, await connection.openSessions('test', name), sessionOptions);
  const control = await open(`${database}_control`);
  const db = await open(database);
  await applySchema(control, db, { scope: database, values: VALUES, holder: randomUUID() });
  await db.run({ text: 'DEFINE TABLE IF NOT EXISTS counters', params: {} });
  return { connection, control, db, node: () => open(database) };
}

/** A change of a test counter. */
export function change(query: string, id: string, operation: string = randomUUID(), request_digest = '') {
  return { query, params: { id }, operation: { id: operation, request_digest }, audit: { resource: `counter:${id}` } };
}
