import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Product, startProduct, unavailable } from '../support/product.js';
import {
  byCosine,
  cosine,
  everyHit,
  idsOf,
  load,
  search,
  seededRandom,
  sortedIds,
  type TestDocument,
  unitVector,
} from '../support/search.js';

/**
 * Never short, never silently approximate: against brute force, for filters of every selectivity, before and after
 * changes. `ACERVO_TEST_FULL=1` runs it at 20 000 x 1 024 and prints what it measured.
 */
const FULL = process.env.ACERVO_TEST_FULL === '1';
const COUNT = FULL ? 20_000 : 2_000;
const DIMENSIONS = FULL ? 1024 : 64;
const CLUSTERS = 40;
const QUERIES = FULL ? 20 : 8;
// With 5 of them one neighbour missed would be .98.
const HYBRID_QUERIES = FULL ? QUERIES : 3;
const LIMIT = 10;
const MINUTES = 60_000;

const random = seededRandom(2026);
const centres = Array.from({ length: CLUSTERS }, () => unitVector(random, DIMENSIONS));

interface Clustered extends TestDocument {
  vector: number[];
  cluster: number;
}

function clustered(n: number, revision: number): Clustered {
  const cluster = (n * 7 + revision) % CLUSTERS;
  return {
    id: `d${String(n).padStart(5, '0')}`,
    cluster,
    content: `everywhere word${n % 100} revision${revision}`,
    vector: unitVector(random, DIMENSIONS, centres[cluster], 0.8),
    metadata: { half: n % 2, tenth: n % 10, hundredth: n % 100, thousandth: n % 1000, cluster },
  };
}

const queries = Array.from({ length: QUERIES }, (_, n) => unitVector(random, DIMENSIONS, centres[n], 0.6));

/** The clusters that are farthest from a query: a twentieth of all documents, and none of them near. */
function farthest(vector: number[]): number[] {
  const order = centres.map((centre, cluster) => ({ cluster, score: cosine(centre, vector) }));
  return order
    .sort((a, b) => a.score - b.score)
    .slice(0, 2)
    .map(({ cluster }) => cluster);
}

const selections: [string, (vector: number[]) => { filter?: object; keeps: (document: Clustered) => boolean }][] = [
  ['no filter', () => ({ keeps: () => true })],
  ...(['half', 'tenth', 'hundredth', 'thousandth'] as const).map((field): (typeof selections)[number] => [
    `one ${field}`,
    () => ({ filter: { [`metadata.${field}`]: 1 }, keeps: ({ metadata }) => metadata?.[field] === 1 }),
  ]),
  [
    'the farthest clusters',
    (vector) => {
      const clusters = farthest(vector);
      return { filter: { 'metadata.cluster': { $in: clusters } }, keeps: ({ cluster }) => clusters.includes(cluster) };
    },
  ],
];

describe.skipIf(unavailable)('vector search against brute force', { timeout: 30 * MINUTES }, () => {
  let product: Product;
  let documents = Array.from({ length: COUNT }, (_, n) => clustered(n, 0));
  const stored = ({ cluster: _, ...document }: Clustered): TestDocument => document;
  const loadAll = (some: Clustered[]) => load(product, some.map(stored), FULL ? 250 : 500);

  beforeAll(async () => {
    product = await startProduct({ ACERVO_EMBEDDER: 'caller', ACERVO_EMBEDDING_DIMENSIONS: String(DIMENSIONS) });
    await loadAll(documents);
  }, 30 * MINUTES);
  afterAll(() => product?.stop());

  /** Recall@10 over the queries; every answer must be full. */
  async function measure(name: string, select: (typeof selections)[number][1], mode: 'vector' | 'hybrid') {
    let [found, wanted, shortest] = [0, 0, LIMIT];
    const milliseconds: number[] = [];
    const methods = new Set<string>();
    for (const vector of mode === 'vector' ? queries : queries.slice(0, HYBRID_QUERIES)) {
      const { filter, keeps } = select(vector);
      const matches = byCosine(documents.filter(keeps), vector);
      const best = new Set(idsOf(matches.slice(0, LIMIT)));
      const startedMs = performance.now();
      // Words that hardly distinguish, and weigh nothing: the order of the vectors is the one to find.
      const words = { query: 'everywhere', weights: { vector: 1, text: 0 } };
      const body = { vector, mode, limit: LIMIT, ...(filter ? { filter } : {}), ...(mode === 'hybrid' ? words : {}) };
      const { hits, plan } = await search(product, body);
      milliseconds.push(performance.now() - startedMs);
      for (const { leg, method } of plan.legs) if (leg === 'vector') methods.add(method);
      expect(hits, `${name}, ${mode}`).toHaveLength(Math.min(LIMIT, matches.length));
      shortest = Math.min(shortest, hits.length);
      found += hits.filter(({ id }) => best.has(id)).length;
      wanted += best.size;
    }
    const p50 = milliseconds.sort((a, b) => a - b)[Math.floor(milliseconds.length / 2)]!;
    if (FULL)
      console.info(
        `${mode.padEnd(7)} ${name.padEnd(24)} recall ${(found / wanted).toFixed(3)} shortest ${shortest} p50 ${p50.toFixed(0)} ms ${[...methods]}`,
      );
    return wanted === 0 ? 1 : found / wanted;
  }

  async function measureAll(when: string) {
    if (FULL) console.info(when);
    const recalls: [string, number][] = [];
    for (const [name, select] of selections)
      for (const mode of ['vector', 'hybrid'] as const)
        recalls.push([`${name}, ${mode}`, await measure(name, select, mode)]);
    expect(recalls.filter(([, recall]) => recall < 0.99)).toEqual([]);
  }

  async function remove(some: Clustered[]): Promise<void> {
    const waiting = some.values();
    const lane = async () => {
      for (const { id } of waiting) expect((await product.call('DELETE', `/v1/knowledge/${id}`)).status).toBe(204);
    };
    await Promise.all(Array.from({ length: 8 }, lane));
  }

  it('finds the nearest while the index has not taken in what was just loaded', () => measureAll('after the load'));

  it('pages to the end of the window, where it stops', async () => {
    const vector = queries[0]!;
    for (const body of [{ vector }, { query: 'everywhere' }, { query: 'everywhere', vector }]) {
      const hits = await everyHit(product, { ...body, limit: 100 });
      expect(hits).toHaveLength(1_000);
    }
  });

  it('finds the nearest after deletes', async () => {
    const deleted = new Set(documents.filter(() => random() < 0.3));
    await remove([...deleted]);
    documents = documents.filter((document) => !deleted.has(document));
    await measureAll('after 30 % were deleted');
    const gone = await search(product, { vector: [...deleted][0]!.vector, limit: 100 });
    const goneIds = new Set(idsOf([...deleted]));
    expect(gone.hits.filter(({ id }) => goneIds.has(id))).toEqual([]);
  });

  it('finds the nearest after documents come back and vectors are replaced', async () => {
    const present = new Set(idsOf(documents));
    const back = Array.from({ length: COUNT }, (_, n) => clustered(n, 1)).filter(({ id }) => !present.has(id));
    const replacements = new Map(
      documents.filter((_, n) => n % 5 === 0).map(({ id }) => [id, clustered(Number(id.slice(1)), 2)]),
    );
    await loadAll([...back, ...replacements.values()]);
    documents = [...documents.map((document) => replacements.get(document.id) ?? document), ...back];
    await measureAll('after 30 % were stored anew and 14 % replaced');
    const kept = documents.filter(({ metadata }) => metadata?.thousandth === 7);
    const all = await everyHit(product, { vector: queries[0], filter: { 'metadata.thousandth': 7 }, limit: 5 });
    expect(sortedIds(all)).toEqual(sortedIds(kept));
  });
});
