import { execFileSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { type BannerFacts, banner, dataPlace } from '../../../src/banner.js';
import { readConfig } from '../../../src/config.js';

const TOKEN = 'acv_0123abcd_0123456789012345678901234567890123456789012';
const facts: BannerFacts = {
  url: 'http://127.0.0.1:41234',
  config: { ...readConfig({}), database: { ...readConfig({}).database, url: 'rocksdb:///srv/acervo/db' } },
  engine: { kind: 'embedded', version: '3.0.2', vectorIndex: 'hnsw' },
  space: { slug: 'hashing_v1_512', provider: 'hashing', model: 'v1', dimensions: 512, distance: 'cosine' },
  token: TOKEN,
};
const curlOf = (text: string) => text.split('\n').find((line) => line.startsWith('curl ')) ?? '';
/** What a shell makes of the line. */
const argumentsOf = (line: string, env: Record<string, string> = {}) =>
  execFileSync('sh', ['-c', line.replace(/^curl /, `printf '%s\\n' `)], { env, encoding: 'utf8' })
    .trim()
    .split('\n');

describe('the banner', () => {
  test('says where, on what, and with which embedder', () => {
    const text = banner(facts);
    expect(text).toMatch(/^ +API {2}http:\/\/127\.0\.0\.1:41234$/m);
    expect(text).toMatch(/^ +Docs {2}http:\/\/127\.0\.0\.1:41234\/docs$/m);
    expect(text).toMatch(/^ +Data {2}\/srv\/acervo\/db$/m);
    expect(text).toMatch(/^ +Objects {2}data\/objects \(agents-artifacts documents models\)$/m);
    expect(text).toMatch(/^ +Engine {2}SurrealDB 3\.0\.2 in this process, vector index hnsw$/m);
    expect(text).toMatch(/^ +Embedder {2}hashing, 512 dimensions: .*words and spelling rather than meaning/m);
  });

  test('has a line that a shell takes as it stands, with the key that was just made', () => {
    expect(argumentsOf(curlOf(banner(facts)))).toEqual([
      '-s',
      'http://127.0.0.1:41234/v1/knowledge',
      '-H',
      `authorization: Bearer ${TOKEN}`,
      '-H',
      'content-type: application/json',
      '-d',
      expect.stringMatching(/^\{"content":".+"\}$/),
    ]);
  });

  test('takes an older key from the environment', () => {
    const text = banner({ ...facts, token: undefined });
    expect(text).toContain('(with a key in $KEY)');
    expect(argumentsOf(curlOf(text), { KEY: 'mine' })).toContain('authorization: Bearer mine');
  });

  test('never shows the configured key', () => {
    const adminKey = 'a-configured-key-of-more-than-32-characters';
    const text = banner({ ...facts, token: undefined, config: { ...facts.config, adminKey } });
    expect(text).toContain('(with ACERVO_ADMIN_KEY in $KEY)');
    expect(text).not.toContain(adminKey);
  });

  test.each([
    ['http://0.0.0.0:8080', 'http://127.0.0.1:8080'],
    ['http://[::]:8080', 'http://[::1]:8080'],
    ['http://10.0.0.7:8080', 'http://10.0.0.7:8080'],
  ])('of %s can be pasted: %s', (url, api) => {
    expect(banner({ ...facts, url })).toMatch(new RegExp(`API  ${api.replaceAll(/[[\]]/g, '\\$&')}$`, 'm'));
  });

  test('shows a server without credentials', () => {
    const database = { ...facts.config.database, url: 'ws://root:secret@db:8000', password: 'secret' };
    expect(dataPlace({ ...facts.config, database })).toBe('ws://db:8000, acervo/memory');
  });
});
