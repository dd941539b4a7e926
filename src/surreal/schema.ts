import { createHash } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isAcervoError } from '../errors/error.js';
import type { Database } from './database.js';
import { withLease } from './lease.js';
import { type Placeholders, readSurql, SURQL_ROOT } from './query-files.js';

const MAX_BOOTSTRAP_TRIES = 20;
const LEASE_TTL_MS = 15_000;
/** Rebuilding an index over a large database takes minutes; a second node waits for the first. */
const LEASE_WAIT_MS = 600_000;

/** Schema files of the data database in the order in which they build on each other. */
function dataSchemaFiles(vectorIndex: 'hnsw' | 'diskann' | 'none'): string[] {
  const index = vectorIndex === 'none' ? [] : [`schema/vector-index.${vectorIndex}.surql`];
  return ['schema/audit.surql', 'schema/knowledge.surql', 'schema/passages.surql', 'schema/vectors.surql', ...index];
}

function migrationFiles(): string[] {
  return readdirSync(join(SURQL_ROOT, 'migrations'))
    .filter((name) => /^\d{4}-[a-z0-9-]+\.surql$/.test(name))
    .sort()
    .map((name) => `migrations/${name}`);
}

/** A migration that was applied has since been edited: nobody can say what the data looks like. */
export class MigrationChangedError extends Error {}

const checksumOf = (text: string): string => createHash('sha256').update(text).digest('hex');

/**
 * Applies one file unless its checksum is known. Schema files are desired state and run again when they change;
 * migrations move data and never run twice. The name keeps the places' values, so that a file filled for another
 * vector space counts as another file.
 */
async function applyFile(control: Database, db: Database, scope: string, path: string, values: Placeholders) {
  const text = readSurql(path, values);
  const checksum = checksumOf(text);
  const file = text.includes(String(values.vectors)) ? `${path}:${values.vectors}` : path;
  const state = await control.query<{ file: string; checksum: string }[]>('schema/state', { database: scope });
  const known = state.find((row) => row.file === file)?.checksum;
  if (known === checksum) return false;
  if (known !== undefined && path.startsWith('migrations/'))
    throw new MigrationChangedError(`${path} has changed since it was applied`);
  await db.run({ text, params: {} });
  await control.query('schema/record', { database: scope, file, checksum });
  return true;
}

/** Makes the tables that leases and schema state live in; safe to run by many nodes at once. */
export async function bootstrapControl(control: Database): Promise<void> {
  const text = readSurql('schema/bootstrap.surql');
  for (let tries = 0; ; tries += 1) {
    try {
      await control.run({ text, params: {} });
      return;
    } catch (error) {
      if (!isAcervoError(error, 'database:conflict') || tries === MAX_BOOTSTRAP_TRIES) throw error;
      await sleep(Math.random() * 200);
    }
  }
}

/**
 * Brings both databases to the desired schema and runs the migrations, in order, once: other nodes that start at the
 * same time wait for the lease and then find nothing to do.
 * @param scope name of the data database, under which its state is kept
 * @returns the files that were applied
 */
export async function applySchema(
  control: Database,
  db: Database,
  { scope, values, holder }: { scope: string; values: Placeholders; holder: string },
): Promise<string[]> {
  await bootstrapControl(control);
  const lease = { name: `schema:${scope}`, holder, ttlMs: LEASE_TTL_MS, waitMs: LEASE_WAIT_MS };
  const applied = await withLease(control, lease, async (signal) => {
    const done: string[] = [];
    if (await applyFile(control, control, 'control', 'schema/control.surql', values)) done.push('schema/control.surql');
    for (const path of [...dataSchemaFiles(db.engine.vectorIndex), ...migrationFiles()]) {
      if (signal.aborted) throw new Error('The schema lease was lost while the schema was being applied');
      if (await applyFile(control, db, scope, path, values)) done.push(path);
    }
    return done;
  });
  if (applied === undefined) throw new Error('Another node has been applying the schema for too long');
  return applied;
}
