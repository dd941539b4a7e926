import { describe, expect, test } from 'vitest';
import { ERROR_CODES } from '../../../src/errors/codes.js';
import { SCOPES } from '../../../src/keys/scopes.js';
import { ROUTES } from '../../../src/routes.js';
import { filesOf, IMPORTS, LITERALS, namesQuery, read, SOURCE_FILES } from './sources.js';

/** Files of src that import a package, its subpaths included. */
function importersOf(name: string): string[] {
  const importing = IMPORTS.filter(({ text }) => text === name || text.startsWith(`${name}/`));
  return [...new Set(importing.map(({ path }) => path))];
}

const outside = (paths: string[], allowed: RegExp) => paths.filter((path) => !allowed.test(path));

describe('borders of the code', () => {
  test.each([
    ['surrealdb', /^src\/surreal\//],
    ['@surrealdb/node', /^src\/surreal\//],
    ['minio', /^src\/objects\//],
    ['hono', /^src\/(http\/|app\.ts$)/],
    ['@hono/node-server', /^src\/http\//],
    ['@google/generative-ai', /^src\/embeddings\//],
    ['prom-client', /^src\/health\//],
  ])('%s is imported in its room only', (name, room) => {
    const importers = importersOf(name);
    expect(importers).not.toEqual([]);
    expect(outside(importers, room)).toEqual([]);
  });

  test('the environment is read in config.ts only', () => {
    expect(SOURCE_FILES.filter((path) => /\bprocess\s*\.\s*env\b/.test(read(path)))).toEqual(['src/config.ts']);
  });

  test('SurrealQL is written in surql/ and by search/compile only', () => {
    const statement =
      /\b(SELECT|UPSERT|INSERT (INTO|IGNORE)|DELETE FROM|RELATE|DEFINE|REMOVE)\b|\b(type|record|search)::/;
    const writers = [...new Set(LITERALS.filter(({ text }) => statement.test(text)).map(({ path }) => path))];
    expect(writers).toEqual(['src/search/compile.ts', 'src/search/filter/compile.ts']);
  });
});

describe('query files', () => {
  const named = new Set(LITERALS.filter(namesQuery).map(({ text }) => text));
  const used = new Set([...named].filter((text) => /^[a-z-]+\/[a-z-]+$/.test(text)));
  const files = filesOf('surql/queries', '.surql')
    .map((path) => path.slice('surql/queries/'.length, -'.surql'.length))
    .toSorted();

  test('are used, and those that are used are there', () => {
    expect([...used].toSorted()).toEqual(files);
  });

  test.each(filesOf('surql', '.surql'))('%s begins by saying what it is for', (path) => {
    expect(read(path)).toMatch(path.startsWith('surql/queries/') ? /^-- Purpose: \S/ : /^-- \S/);
  });

  test.each(files)('%s says what its parameters are', (name) => {
    const [header = '', body = ''] = read(`surql/queries/${name}.surql`).split(/\n(?!--)(.*)/s);
    // Its own variables and the parameters of closures are bound in the text; the rest comes from outside.
    const bound = [...body.matchAll(/(?:LET|FOR) \$(\w+)/g), ...body.matchAll(/\|\$(\w+)\|/g)].map((match) => match[1]);
    const asked = new Set([...body.matchAll(/\$(\w+)/g)].map((match) => match[1] ?? ''));
    for (const own of [...bound, ...fromTheTransaction(name)]) asked.delete(own ?? '');
    for (const parameter of asked) expect(header).toContain(`$${parameter}`);
  });

  /** transact/commit reads what the query before it and transact/begin have set. */
  const fromTheTransaction = (name: string) => (name === 'transact/commit' ? ['started', 'answer', 'change'] : []);

  test('throw only codes that the table of errors has', () => {
    const thrown = filesOf('surql', '.surql').flatMap((path) =>
      [...read(path).matchAll(/THROW '([^']*)'/g)].map((match) => match[1] ?? ''),
    );
    expect(thrown).not.toEqual([]);
    expect(thrown.filter((text) => !(text.replace(/^acervo:/, '') in ERROR_CODES))).toEqual([]);
  });
});

describe('tables', () => {
  test('every error code can happen', () => {
    const thrown = filesOf('surql', '.surql').map(read).join();
    const literals = new Set(LITERALS.filter(({ path }) => path !== 'src/errors/codes.ts').map(({ text }) => text));
    const never = Object.keys(ERROR_CODES).filter((code) => !literals.has(code) && !thrown.includes(`acervo:${code}'`));
    expect(never).toEqual([]);
  });

  test('only these routes are open to everybody', () => {
    const open = ROUTES.filter(({ scope }) => scope === 'public').map(({ method, path }) => `${method} ${path}`);
    expect(open.toSorted()).toEqual([
      'GET /docs',
      'GET /docs/assets/{file}',
      'GET /docs/errors',
      'GET /livez',
      'GET /openapi.json',
      'GET /readyz',
    ]);
  });

  test('only these routes check a credential of their own', () => {
    const own = ROUTES.filter(({ scope }) => scope === 'own').map(({ method, path }) => `${method} ${path}`);
    expect(own.toSorted()).toEqual(['GET /objects/{token}', 'POST /api/minio-webhook', 'PUT /objects/{token}']);
  });

  test('every scope opens a route, and every route has a scope of the table', () => {
    const used = new Set(ROUTES.map(({ scope }) => scope).filter((scope) => scope !== 'public' && scope !== 'own'));
    expect([...used].toSorted()).toEqual(Object.keys(SCOPES).toSorted());
  });
});
