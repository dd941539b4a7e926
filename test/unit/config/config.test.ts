import { readFileSync } from 'node:fs';
import { parseEnv } from 'node:util';
import { describe, expect, test } from 'vitest';
import { ConfigError, readConfig } from '../../../src/config.js';

const read = (path: string) => readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8');
const example = read('.env.example');
/** The variables as config.ts declares them: name and declaration. */
const declared = (/const environmentSchema = z\.object\(\{\n(.*?)\n\}\);/s.exec(read('src/config.ts'))?.[1] ?? '')
  .split(/^ {2}(?=[A-Z])/m)
  .filter(Boolean)
  .map((text) => ({ name: text.slice(0, text.indexOf(':')), text }));

function faultsOf(environment: Record<string, string>): string[] {
  try {
    readConfig(environment);
  } catch (error) {
    if (error instanceof ConfigError) return error.faults;
    throw error;
  }
  return [];
}

/** The comment right above a variable. */
const commentOf = (name: string) => new RegExp(`^# (.*)\\n${name}=`, 'm').exec(example)?.[1] ?? '';

describe('.env.example', () => {
  test('names the variables of config.ts, each once', () => {
    const named = [...example.matchAll(/^([A-Z_]+)=/gm)].map((match) => match[1]);
    expect(named.toSorted()).toEqual(declared.map(({ name }) => name).toSorted());
    expect(named.length).toBeGreaterThan(25);
  });

  test('holds the defaults', () => {
    expect(readConfig(parseEnv(example) as Record<string, string>)).toEqual(readConfig({}));
    const shown = Object.entries(parseEnv(example)).filter(([, value]) => value !== '');
    const defaults = declared.filter(({ text }) => /default\(|integer\(/.test(text)).map(({ name }) => name);
    expect(shown.map(([name]) => name).toSorted()).toEqual(defaults.toSorted());
  });

  test.each(declared)('$name has a line with its bounds or choices', ({ name, text }) => {
    const comment = commentOf(name);
    expect(comment).toMatch(/\w/);
    const bounds = /integer\([\d_]+, ([\d_]+), ([\d_]+)\)/.exec(text) ?? /min\((\d+)\)\.max\((\d+)\)/.exec(text);
    if (bounds !== null) expect(comment).toContain(`${bounds[1]} to ${bounds[2]}`.replaceAll('_', ''));
    const choices = [...(/z\.enum\(\[(.*?)\]/.exec(text)?.[1] ?? '').matchAll(/'(\w+)'/g)].map((match) => match[1]);
    for (const choice of choices) expect(comment).toMatch(new RegExp(`\\b${choice}\\b`));
  });
});

describe('readConfig', () => {
  test('lists every fault at once: of single variables, between them, and unknown names', () => {
    const faults = faultsOf({
      ACERVO_PORT: '65536',
      ACERVO_ADMIN_KEY: 'short',
      ACERVO_LOG_LEVEL: 'loud',
      ACERVO_LANGUAGE: 'klingon',
      SURREALDB_URL: 'ws://db:8000',
      SURREALDB_NAMESPACE: 'a b',
      ACERVO_DATABASE_TIMEOUT_MS: '99',
      ACERVO_EMBEDDER: 'openai',
      ACERVO_EMBEDDING_URL: 'ftp://models',
      ACERVO_EMBEDDING_BATCH_TEXTS: '1.5',
      ACERVO_WARM_INDEX: 'maybe',
      ACERVO_SEARCH_EF: 'many',
      ACERVO_PROT: '8080',
    });
    expect(faults.map((fault) => fault.slice(0, fault.indexOf(': '))).toSorted()).toEqual([
      'ACERVO_ADMIN_KEY',
      'ACERVO_DATABASE_TIMEOUT_MS',
      'ACERVO_EMBEDDING_BATCH_TEXTS',
      'ACERVO_EMBEDDING_DIMENSIONS',
      'ACERVO_EMBEDDING_MODEL',
      'ACERVO_EMBEDDING_URL',
      'ACERVO_LANGUAGE',
      'ACERVO_LOG_LEVEL',
      'ACERVO_PORT',
      'ACERVO_PROT',
      'ACERVO_SEARCH_EF',
      'ACERVO_WARM_INDEX',
      'SURREALDB_NAMESPACE',
      'SURREALDB_USER, SURREALDB_PASS',
    ]);
    expect(new ConfigError(faults).message).toBe(
      `The configuration has 14 fault(s):\n${faults.map((fault) => `  - ${fault}`).join('\n')}`,
    );
  });

  test.each([
    ['mem://', /loses concurrent updates with mem:\/\/; use rocksdb:\/\//],
    ['surrealkv:///data', /loses concurrent updates with surrealkv:\/\/; use rocksdb:\/\//],
    ['http://db:8000', /use ws:\/\/ or wss:\/\//],
    ['postgres://db', /must start with rocksdb:\/\/, ws:\/\/ or wss:\/\//],
    ['rocksdb://', /must start with rocksdb:\/\//],
  ])('refuses the database %s', (url, reason) => {
    expect(faultsOf({ SURREALDB_URL: url })).toEqual([expect.stringMatching(reason)]);
  });

  test('never repeats a secret in a fault', () => {
    const secret = 'sécret sécret sécret sécret sécret sécret';
    const faults = faultsOf({ ACERVO_ADMIN_KEY: secret, SURREALDB_URL: 'ws://db:1', SURREALDB_PASS: secret });
    expect(faults).toHaveLength(2);
    expect(faults.join()).not.toContain('sécret');
  });

  test('takes an empty value for unset, and leaves what is not its own alone', () => {
    expect(readConfig({ ACERVO_PORT: '', SURREALDB_URL: '', PATH: '/bin', SURREAL_BIN: 'x' })).toEqual(readConfig({}));
  });

  test('groups what it read, with the dimensions of the embedder', () => {
    const config = readConfig({
      ACERVO_EMBEDDER: 'gemini',
      GEMINI_API_KEY: 'g',
      SURREALDB_URL: 'wss://db.example',
      SURREALDB_USER: 'root',
      SURREALDB_PASS: 'pass',
      ACERVO_PORT: '0',
    });
    expect(config).toMatchObject({
      port: 0,
      database: {
        url: 'wss://db.example',
        username: 'root',
        password: 'pass',
        namespace: 'acervo',
        database: 'memory',
      },
      embedding: { provider: 'gemini', apiKey: 'g', dimensions: 1024 },
    });
    expect(readConfig({}).embedding.dimensions).toBe(512);
  });

  test.each([
    [{ ACERVO_EMBEDDER: 'gemini' }, ['GEMINI_API_KEY']],
    [{ ACERVO_EMBEDDER: 'gemini', ACERVO_EMBEDDING_API_KEY: 'k' }, []],
    [{ ACERVO_EMBEDDER: 'openai', ACERVO_EMBEDDING_MODEL: 'm', ACERVO_EMBEDDING_DIMENSIONS: '768' }, []],
    [{ ACERVO_EMBEDDER: 'caller' }, []],
    [{ ACERVO_WARM_INDEX: 'off' }, []],
  ])('%j needs %j', (environment, needed) => {
    expect(faultsOf(environment as Record<string, string>).map((fault) => fault.split(':')[0])).toEqual(needed);
  });
});
