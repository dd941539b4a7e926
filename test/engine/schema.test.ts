import { randomUUID } from 'node:crypto';
import { cpSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { SURQL_ROOT } from '../../src/surreal/query-files.js';
import { applySchema, MigrationChangedError } from '../../src/surreal/schema.js';
import { type Engine, openEngine, unavailable, VALUES } from './support/engine.js';

describe.skipIf(unavailable)('the schema', () => {
  let engine: Engine;
  let root: string;
  const scope = `s${randomUUID().replaceAll('-', '')}`;
  beforeEach(async () => {
    engine = await openEngine({ database: `${scope}${Math.random().toString(36).slice(2)}` });
    root = mkdtempSync(join(tmpdir(), 'acervo-surql-'));
    cpSync(SURQL_ROOT, root, { recursive: true });
  });
  const apply = (values = VALUES, holder: string = randomUUID()) =>
    applySchema(engine.control, engine.db, { scope, values, holder, root });
  const migration = (name: string, text: string) => writeFileSync(join(root, 'migrations', name), text);
  const moved = () => engine.db.run<string[]>({ text: 'SELECT VALUE what FROM moved ORDER BY what', params: {} });

  it('is applied once, and again only where a file has changed', async () => {
    const first = await apply();
    expect(first).toContain('schema/audit.surql');
    expect(await apply()).toEqual([]);
    const path = join(root, 'schema/audit.surql');
    writeFileSync(
      path,
      `${readFileSync(path, 'utf8')}\nDEFINE FIELD OVERWRITE note ON audit_log TYPE option<string>;\n`,
    );
    expect(await apply()).toEqual(['schema/audit.surql']);
    writeFileSync(path, `-- only a comment\n${readFileSync(path, 'utf8')}`);
    expect(await apply()).toEqual([]);
  });

  it('does not touch the indexes when nothing changed, and makes them anew for another language or space', async () => {
    await apply();
    expect(await apply({ ...VALUES, language: 'portuguese' })).toEqual([
      'schema/passages.surql',
      'schema/decision-passages.surql',
    ]);
    await apply();
    expect(await apply({ ...VALUES, vectors: 'vectors_test_8', dimensions: 8 })).toEqual([
      ...['schema/vectors.surql', 'schema/vector-index.hnsw.surql'],
      ...['schema/decision-vectors.surql', 'schema/vector-index.hnsw.surql'],
      ...['schema/session-vectors.surql', 'schema/vector-index.hnsw.surql'],
    ]);
    const indexes = Array.from({ length: 3 }, () => 'schema/vector-index.hnsw.surql');
    expect(await apply({ ...VALUES, hnsw_m: 16 })).toEqual(indexes);
    expect(await apply()).toEqual(indexes);
  });

  it('runs migrations once, in order', async () => {
    await engine.db.run({ text: 'DEFINE TABLE moved', params: {} });
    migration('0002-second.surql', "CREATE moved SET what = 'two ' + <string> count((SELECT * FROM moved));");
    migration('0001-first.surql', "CREATE moved SET what = 'one';");
    expect((await apply()).filter((file) => file.startsWith('migrations/'))).toEqual([
      'migrations/0001-first.surql',
      'migrations/0002-second.surql',
    ]);
    expect(await apply()).toEqual([]);
    expect(await moved()).toEqual(['one', 'two 1']);
  });

  it('leaves nothing of a migration that fails, and runs it whole the next time', async () => {
    await engine.db.run({ text: 'DEFINE TABLE moved', params: {} });
    migration('0001-broken.surql', "CREATE moved SET what = 'half'; THROW 'broken';");
    await expect(apply()).rejects.toThrow('broken');
    expect(await moved()).toEqual([]);
    migration('0001-broken.surql', "CREATE moved SET what = 'whole';");
    await apply();
    expect(await moved()).toEqual(['whole']);
  });

  it('refuses a migration that was edited after it ran', async () => {
    migration('0001-first.surql', 'DEFINE TABLE moved;');
    await apply();
    migration('0001-first.surql', 'DEFINE TABLE other;');
    await expect(apply()).rejects.toBeInstanceOf(MigrationChangedError);
  });

  it('is applied once by four nodes that start together', async () => {
    await engine.db.run({ text: 'DEFINE TABLE moved', params: {} });
    migration('0001-first.surql', "CREATE moved SET what = 'once';");
    const applied = await Promise.all(Array.from({ length: 4 }, () => apply()));
    expect(applied.filter((files) => files.length > 0)).toHaveLength(1);
    expect(await moved()).toEqual(['once']);
  });
});
