import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DataDirectoryError } from './connection.js';

const MARKER = 'engine.json';

/** The engine inside of `@surrealdb/node`, known without opening anything: a newer engine's files must not be touched. */
export function embeddedEngineVersion(): string {
  const manifest = new URL('../package.json', import.meta.resolve('@surrealdb/node'));
  return (JSON.parse(readFileSync(fileURLToPath(manifest), 'utf8')) as { surreal: string }).surreal;
}

/** `rocksdb://dir?sync=every` → the absolute path of `dir`; undefined for a server's URL. */
export function embeddedPath(url: string): string | undefined {
  const path = /^rocksdb:\/\/([^?]+)/.exec(url)?.[1];
  return path === undefined ? undefined : resolve(path);
}

/** Undefined without a marker, or with a damaged one: then the engine's own refusal has to do. */
function markedVersion(file: string): string | undefined {
  try {
    const { version } = JSON.parse(readFileSync(file, 'utf8')) as { version?: unknown };
    return typeof version === 'string' ? version : undefined;
  } catch {
    return undefined;
  }
}

function isNewer(version: string, than: string): boolean {
  return version.localeCompare(than, 'en', { numeric: true }) > 0;
}

function writeWhole(file: string, text: string): void {
  writeFileSync(`${file}.new`, text, { mode: 0o600 });
  renameSync(`${file}.new`, file);
}

/**
 * Makes the directory of an embedded database, readable by its owner alone, and refuses one that a newer engine has
 * written: there is no way back (3.0.2 fails on what 3.3.5 has opened).
 * @param version of the engine that is about to open it
 * @returns `mark`, to be called once the engine has opened it: from then on older engines are refused
 * @throws DataDirectoryError
 */
export function prepareDirectory(path: string, version: string): { mark(): void } {
  const directory = dirname(path);
  const marker = join(directory, MARKER);
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new DataDirectoryError(`${directory} cannot be made: ${error instanceof Error ? error.message : error}`);
  }
  const found = markedVersion(marker);
  if (found !== undefined && isNewer(found, version))
    throw new DataDirectoryError(
      `${directory} was written by a newer engine (SurrealDB ${found}; this is ${version}) and there is no way back. ` +
        'Start the newer Acervo again, or choose another ACERVO_DATA_DIR.',
    );
  return {
    mark() {
      if (found !== version) writeWhole(marker, `${JSON.stringify({ engine: 'surrealdb', version })}\n`);
    },
  };
}
