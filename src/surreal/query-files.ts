import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder of all SurrealQL, beside `src` and `dist`. */
export const SURQL_ROOT = fileURLToPath(new URL('../../surql/', import.meta.url));

/**
 * Values for the `{{name}}` places of a file. DEFINE statements and table names take no parameters, so these few are
 * put into the text; each is checked to be an identifier or a whole number first.
 */
export type Placeholders = Record<string, string | number>;

const SAFE = /^[A-Za-z0-9_]{1,80}$/;

/** Fills the places of a text. @throws Error on an unknown place or an unsafe value: both are faults of ours. */
export function fillPlaceholders(text: string, values: Placeholders): string {
  return text.replace(/\{\{([a-z_]+)\}\}/g, (_, name: string) => {
    const value = String(values[name] ?? '');
    if (!SAFE.test(value)) throw new Error(`surql: the place {{${name}}} has no safe value`);
    return value;
  });
}

function withoutComments(text: string): string {
  return text
    .split('\n')
    .filter((line) => !line.trimStart().startsWith('--'))
    .join('\n')
    .trim();
}

/** Puts query files into the text where a line says `{{include artifacts/put}}`: one change made of several. */
function withParts(text: string, root: string): string {
  return text.replace(/\{\{include ([a-z-]+\/[a-z-]+)\}\}/g, (_, name: string) =>
    withoutComments(readFileSync(join(root, 'queries', `${name}.surql`), 'utf8')),
  );
}

/** Reads one file of `surql/` with its parts included, its places filled and its comments removed. */
export function readSurql(path: string, values: Placeholders = {}, root: string = SURQL_ROOT): string {
  return fillPlaceholders(withParts(withoutComments(readFileSync(join(root, path), 'utf8')), root), values);
}

/** Reads all query files: `surql/queries/knowledge/put.surql` is named `knowledge/put`. */
export function readQueries(values: Placeholders): ReadonlyMap<string, string> {
  const root = join(SURQL_ROOT, 'queries');
  const names = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.surql'));
  return new Map(
    names.map((path) => [
      relative('.', path)
        .split(sep)
        .join('/')
        .replace(/\.surql$/, ''),
      readSurql(join('queries', path), values),
    ]),
  );
}
