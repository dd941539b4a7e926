import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { knowledgeOf } from '../support/knowledge.js';
import { isCold, onStack, type Product, startProduct, unavailable, warmed } from '../support/product.js';
import { idsOf, load, seededRandom, sortedIds, unitVector } from '../support/search.js';
import {
  fromMemory,
  loggedOnce,
  restored,
  settled,
  snapshotDirectory,
  snapshotNames,
  snapshotText,
} from '../support/warm-index.js';

const DIMENSIONS = 16;
const CALLER = { ACERVO_EMBEDDER: 'caller', ACERVO_EMBEDDING_DIMENSIONS: String(DIMENSIONS) };
const vectorOf = (seed: number) => unitVector(seededRandom(seed), DIMENSIONS);
const REFUSED = 'the snapshot of the warm index cannot be used';

const documents = Array.from({ length: 60 }, (_, n) => ({
  id: `s${String(n).padStart(2, '0')}`,
  content: `harbor ${n % 2 ? 'odd' : 'evenly'} crane${String.fromCharCode(97 + (n % 26))}`,
  vector: vectorOf(n),
  metadata: { n },
}));
const secret = { id: 'secretid', content: 'zanzibarword', vector: vectorOf(999), metadata: { mark: 'secretvalue' } };
const SECRETS = ['secretid', 'zanzibarword', 'secretvalue'];

/** What must be found: by words, by meaning and by filter, from memory. */
async function expectFound(product: Product, expected: typeof documents) {
  for (const word of ['harbor', 'odd', 'cranec', 'added']) {
    const { hits } = await fromMemory(product, { query: word, mode: 'text' });
    expect(sortedIds(hits), word).toEqual(
      sortedIds(expected.filter(({ content }) => content.split(' ').includes(word))),
    );
  }
  const filter = { 'metadata.n': { $gte: 30 } };
  const large = sortedIds(expected.filter(({ metadata, vector }) => metadata.n >= 30 && vector.length > 0));
  expect(sortedIds((await fromMemory(product, { vector: vectorOf(5), filter })).hits)).toEqual(large);
  const near = await fromMemory(product, { vector: vectorOf(17), limit: 1 });
  expect(idsOf(near.hits)).toEqual(['s17']);
  expect(near.hits[0]!.score).toBeCloseTo(1, 3);
}

describe.skipIf(unavailable || isCold)('snapshots of the warm index', () => {
  let product: Product;
  let foreign: Product;
  const running: Product[] = [];
  let expected = documents;

  /** Starts it again, and waits until it is warm. */
  async function again(env: Record<string, string> = {}): Promise<Product> {
    product = await product.restart(env);
    running.push(product);
    if (env.ACERVO_WARM_INDEX !== 'off') await warmed(product);
    return product;
  }
  const put = async (id: string, content: string, n = 0) => {
    const { status, body, text } = await knowledgeOf(product).post({ id, content, metadata: { n } });
    expect([200, 201], text).toContain(status);
    expected = [...expected.filter((document) => document.id !== id), { id, content, metadata: { n }, vector: [] }];
    return body.audit_id!;
  };
  const remove = async (id: string) => {
    expect((await knowledgeOf(product).remove(id)).status).toBe(204);
    expected = expected.filter((document) => document.id !== id);
  };

  beforeAll(async () => {
    [product, foreign] = await Promise.all([startProduct(CALLER), startProduct(CALLER)]);
    running.push(product, foreign);
    await Promise.all([warmed(product), warmed(foreign)]);
    await load(foreign, [{ id: 'f', content: 'harbor foreign', vector: vectorOf(1) }]);
    await load(product, documents);
    const other = await knowledgeOf(foreign).post({ id: 'g', content: 'harbor foreign' });
    await load(product, [secret]);
    const auditId = await put('s60', 'harbor last');
    await Promise.all([settled(product, auditId), settled(foreign, other.body.audit_id!)]);
    await foreign.stop();
  }, 120_000);
  afterAll(async () => {
    for (const one of running)
      if (one.process.exitCode === null && one.process.signalCode === null) await one.stop('SIGKILL');
  });

  it('one is written at SIGTERM and read at the next start, and nothing is lost', async () => {
    expect(await restored(product)).toBe(false);
    await product.stop();
    expect(snapshotNames(product)).toEqual([expect.stringMatching(/^snapshot-\d+$/)]);
    // They are there in plain text: that they are missed below means something.
    for (const text of SECRETS) expect(snapshotText(product)).toContain(text);
    await again();
    expect(await restored(product)).toBe(true);
    await expectFound(product, expected);
  });

  it('holds no word of a document that was deleted before it was written', async () => {
    expect((await knowledgeOf(product).remove(secret.id)).status).toBe(204);
    await product.stop();
    for (const text of SECRETS) expect(snapshotText(product)).not.toContain(text);
    expect(snapshotText(product)).toContain('harbor');
    expect(snapshotNames(product)).toHaveLength(1);
    await again();
    expect((await fromMemory(product, { query: 'zanzibarword', mode: 'text' })).hits).toEqual([]);
  });

  it('is written of changes that are a moment old, too', async () => {
    await put('s61', 'harbor added');
    await put('s00', 'added anew', 70);
    await remove('s01');
    await product.stop();
    await again();
    expect(await restored(product)).toBe(true);
    await expectFound(product, expected);
  });

  it('is brought up to date with what was written while the index was off', async () => {
    await product.stop();
    await again({ ACERVO_WARM_INDEX: 'off' });
    await put('s62', 'harbor added cranec', 80);
    await put('s02', 'added anew');
    await remove('s03');
    await product.stop();
    await again({ ACERVO_WARM_INDEX: 'auto' });
    expect(await restored(product)).toBe(true);
    await expectFound(product, expected);
  });

  it('is older after kill -9, and what came later is found all the same', async () => {
    await put('s63', 'harbor added odd', 90);
    await put('s04', 'added again');
    await remove('s05');
    await product.stop('SIGKILL');
    await again();
    expect(await restored(product)).toBe(true);
    await expectFound(product, expected);
  });

  it.runIf(onStack)('is written of a database that nobody has changed since it was read', async () => {
    await settled(product, await put('s64', 'harbor added'));
    await product.stop('SIGKILL');
    rmSync(snapshotDirectory(product), { recursive: true });
    await again();
    expect(await restored(product)).toBe(false);
    await product.stop();
    await again();
    expect(await restored(product)).toBe(true);
    await expectFound(product, expected);
  });

  describe('that cannot be right is refused: the log says why, and it is built from the database', () => {
    const directory = () => snapshotDirectory(product);
    const kept = () => join(product.env.ACERVO_DATA_DIR!, 'kept');
    const fileOf = (name: string) => join(directory(), readdirSync(directory())[0]!, name);

    beforeAll(async () => {
      await product.stop();
      cpSync(directory(), kept(), { recursive: true });
    });
    // No snapshot is to come of the test before.
    afterEach(() => product.stop('SIGKILL'));

    const flipped = (name: string, place: (length: number) => number) => () => {
      const bytes = readFileSync(fileOf(name));
      bytes[place(bytes.length)]! ^= 1;
      writeFileSync(fileOf(name), bytes);
    };
    it.each([
      ['a bit changed at its beginning', flipped('parts.bin', () => 0), /damaged/],
      ['a bit changed at its end', flipped('parts.bin', (length) => length - 1), /damaged/],
      ['a bit changed in its manifest', flipped('manifest.json', (length) => length >> 1), /damaged/],
      [
        'its end missing',
        () => truncateSync(fileOf('parts.bin'), readFileSync(fileOf('parts.bin')).length - 1),
        /bytes, not/,
      ],
      ['nothing in its parts', () => truncateSync(fileOf('parts.bin'), 0), /bytes, not/],
      ['half of its manifest', () => truncateSync(fileOf('manifest.json'), 100), /damaged/],
      ['no parts', () => rmSync(fileOf('parts.bin')), /missing/],
      [
        'come from another installation',
        () => {
          rmSync(directory(), { recursive: true });
          mkdirSync(directory());
          cpSync(snapshotDirectory(foreign), directory(), { recursive: true });
        },
        /its database is/,
      ],
    ])('one that has %s', async (_name, spoil, reason) => {
      rmSync(directory(), { recursive: true, force: true });
      cpSync(kept(), directory(), { recursive: true });
      spoil();
      await again();
      expect((await loggedOnce(product, REFUSED))?.reason).toMatch(reason);
      expect(await restored(product)).toBe(false);
      await expectFound(product, expected);
      expect(snapshotNames(product)).toEqual([]);
    });

    it('one that was made for another embedding space', async () => {
      rmSync(directory(), { recursive: true, force: true });
      cpSync(kept(), directory(), { recursive: true });
      await again({ ACERVO_EMBEDDING_DIMENSIONS: '8' });
      expect((await loggedOnce(product, REFUSED))?.reason).toMatch(/its (space|dimensions) is/);
      expect(await restored(product)).toBe(false);
      const words = await fromMemory(product, { query: 'harbor', mode: 'text' });
      expect(sortedIds(words.hits)).toEqual(sortedIds(expected.filter(({ content }) => content.includes('harbor'))));
      const short = unitVector(seededRandom(1), 8);
      expect((await fromMemory(product, { vector: short })).hits).toEqual([]);
      await load(product, [{ id: 'short', content: 'short vector', vector: short }]);
      expect(idsOf((await fromMemory(product, { vector: short })).hits)).toEqual(['short']);
    });
  });
});
