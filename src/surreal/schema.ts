import { createHash } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Database, EngineInfo } from './database.js';
import { withLease } from './lease.js';
import { type Placeholders, readSurql, SURQL_ROOT } from './query-files.js';
import { retryConflicts } from './retry-conflicts.js';
import type { SessionDatabase } from './session-database.js';

const MIGRATION_NAME = /^\d{4}-[a-z0-9-]+\.surql$/;
const MAX_BOOTSTRAP_TRIES = 20;
const LEASE_TTL_MS = 15_000;
/** Rebuilding an index over a large database takes minutes; a second node waits for the first. */
const LEASE_WAIT_MS = 600_000;

/** A schema file, the name of its state, and the table that it is about where one file serves several. */
type SchemaFile = [path: string, state: string, table?: string];

/** Schema files of the data database in the order in which they build on each other. */
function dataSchemaFiles(vectorIndex: EngineInfo['vectorIndex'], vectors: string): SchemaFile[] {
  const tables: [area: string, table: string][] = [
    ['vectors', vectors],
    ['decision-vectors', `decision_${vectors}`],
    ['session-vectors', `session_${vectors}`],
  ];
  const plain = [
    'migrations',
    'audit',
    'audit-rollups',
    'audit-seals',
    'knowledge',
    'artifacts',
    'sessions',
    'bucket-events',
    'reconcile',
    'passages',
    'decisions',
    'decision-passages',
    'edges',
    'hooks',
  ].map((area): SchemaFile => {
    const path = `schema/${area}.surql`;
    return [path, path];
  });
  return [
    ...plain,
    ...tables.flatMap(([area, table]): SchemaFile[] => [
      [`schema/${area}.surql`, `schema/${area}.surql:${vectors}`],
      // One state for all kinds of index: going back to an earlier kind is a change as well.
      [`schema/vector-index.${vectorIndex}.surql`, `schema/vector-index:${table}`, table],
    ]),
  ];
}

/** A migration that was applied has since been edited: nobody can say what the data looks like. */
export class MigrationChangedError extends Error {}

const checksumOf = (text: string): string => createHash('sha256').update(text).digest('hex');

interface Applied {
  file: string;
  checksum: string;
}

/** Applies a schema file when its checksum is not the one known: re-applying an index definition would rebuild it. */
async function applyFile(
  control: Database,
  db: Database,
  { scope, state, text }: { scope: string; state: string; text: string },
): Promise<boolean> {
  const checksum = checksumOf(text);
  const known = await control.query<Applied[]>('schema/state', { database: scope });
  if (known.some((row) => row.file === state && row.checksum === checksum)) return false;
  await db.run({ text, params: {} });
  await control.query('schema/record', { database: scope, file: state, checksum });
  return true;
}

/**
 * Runs the migrations that a database has not been through, in order, each with its mark in one transaction. One that
 * moves more than a transaction holds belongs into a job of its own.
 * @throws MigrationChangedError
 */
async function migrate(db: SessionDatabase, root: string, signal: AbortSignal): Promise<string[]> {
  const known = await db.query<Applied[]>('schema/migrations');
  const done: string[] = [];
  for (const file of readdirSync(join(root, 'migrations'))
    .filter((name) => MIGRATION_NAME.test(name))
    .sort()) {
    if (signal.aborted) throw new Error('The schema lease was lost while migrations were running');
    const text = readSurql(join('migrations', file), {}, root);
    const checksum = checksumOf(text);
    const before = known.find((row) => row.file === file);
    if (before !== undefined && before.checksum !== checksum)
      throw new MigrationChangedError(`${file} has changed since it was applied`);
    if (before !== undefined) continue;
    const whole = [db.text('schema/migration-begin'), text, db.text('schema/migration-commit')].join('\n');
    await db.run({ text: whole, params: { file, checksum } });
    done.push(`migrations/${file}`);
  }
  return done;
}

/** Makes the tables that leases and schema state live in; safe to run by many nodes at once. */
async function bootstrapControl(control: Database): Promise<void> {
  const text = readSurql('schema/bootstrap.surql');
  await retryConflicts(() => control.run({ text, params: {} }), MAX_BOOTSTRAP_TRIES);
}

/**
 * Brings both databases to the desired schema and runs the migrations, once: other nodes that start at the same time
 * wait for the lease and then find nothing to do.
 * @param options.scope name of the data database, under which its state is kept
 * @returns the files that were applied
 * @throws MigrationChangedError
 */
export async function applySchema(
  control: Database,
  db: SessionDatabase,
  options: { scope: string; values: Placeholders; holder: string; root?: string },
): Promise<string[]> {
  const { scope, values, holder, root = SURQL_ROOT } = options;
  await bootstrapControl(control);
  const lease = { name: `schema:${scope}`, holder, ttlMs: LEASE_TTL_MS, waitMs: LEASE_WAIT_MS };
  const applied = await withLease(control, lease, async (signal) => {
    const done: string[] = [];
    const apply = async (target: Database, [path, state, table]: SchemaFile, inScope: string) => {
      if (signal.aborted) throw new Error('The schema lease was lost while the schema was being applied');
      const text = readSurql(path, table === undefined ? values : { ...values, vectors: table }, root);
      if (await applyFile(control, target, { scope: inScope, state, text })) done.push(path);
    };
    await apply(control, ['schema/control.surql', 'schema/control.surql'], 'control');
    for (const file of dataSchemaFiles(db.engine.vectorIndex, String(values.vectors))) await apply(db, file, scope);
    return [...done, ...(await migrate(db, root, signal))];
  });
  if (applied === undefined) throw new Error('Another node has been applying the schema for too long');
  return applied;
}
