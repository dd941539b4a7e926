import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { isCold, type Product, startProduct, unavailable, warmed } from '../support/product.js';
import {
  bestCosine,
  byCosine,
  everyHit,
  expectNearestFirst,
  holdsWords,
  idsOf,
  load,
  refusal,
  type SearchAnswer,
  search,
  seededRandom,
  sortedIds,
  type TestDocument,
  unitVector,
} from '../support/search.js';
import { DIMENSIONS, searchCorpus } from '../support/search-corpus.js';
import { waitFor } from '../support/stack-servers.js';

const MEASURING_MS = 90_000;
const CALLER = { ACERVO_EMBEDDER: 'caller', ACERVO_EMBEDDING_DIMENSIONS: String(DIMENSIONS) };
const documents = searchCorpus(400);
const [older, newer] = [documents.slice(0, 200), documents.slice(200)];
const byId = new Map(documents.map((document) => [document.id, document]));
const query = (seed: number) => unitVector(seededRandom(seed), DIMENSIONS, documents[seed]?.vector, 0.5);
const numberOf = (document: TestDocument) => Number(document.metadata?.n);

describe.skipIf(unavailable)('search', () => {
  let product: Product;
  /** Later than all of `older`, not later than any of `newer`. */
  let between: string;

  beforeAll(async () => {
    product = await startProduct(CALLER);
    await warmed(product);
    await load(product, older);
    const loadedMs = Date.now();
    await waitFor('the next millisecond', async () => Date.now() > loadedMs + 1);
    between = new Date().toISOString();
    await load(product, newer);
  });
  afterAll(() => product?.stop());

  describe('modes', () => {
    it('finds in mode text exactly the documents that hold the words', async () => {
      for (const [words, match] of [
        ['w3', 'any'],
        ['w70 w75 w79', 'any'],
        ['w0 w1', 'all'],
        ['heading6', 'any'],
        ['w999', 'any'],
        ['everywhere', 'any'],
        ['everywhere w2', 'all'],
      ] as const) {
        const hits = await everyHit(product, { mode: 'text', query: words, match, limit: 100 });
        const expected = documents.filter((document) => holdsWords(document, words, match));
        expect(sortedIds(hits), words).toEqual(sortedIds(expected));
        expect(hits.every(({ scores }) => scores.text !== undefined && scores.vector === undefined)).toBe(true);
        const scores = hits.map(({ score }) => score);
        expect(scores).toEqual([...scores].sort((a, b) => b - a));
      }
    });

    it('finds in mode vector exactly the documents that have one, nearest first, with their cosines', async () => {
      for (const seed of [2, 33]) {
        const vector = query(seed);
        const hits = await everyHit(product, { mode: 'vector', vector, limit: 100 });
        const expected = byCosine(documents, vector);
        expectNearestFirst(hits, expected);
        for (const hit of hits) expect(hit.scores).toEqual({ vector: hit.score });
      }
    });

    it('finds in mode hybrid what either leg finds', async () => {
      const hits = await everyHit(product, { query: 'w40 w50', vector: query(5), limit: 100 });
      const expected = documents.filter(
        (document) => holdsWords(document, 'w40 w50') || bestCosine(document, query(5)),
      );
      expect(sortedIds(hits)).toEqual(sortedIds(expected));
      for (const { id, scores } of hits) {
        const document = byId.get(id)!;
        expect(scores.text !== undefined, id).toBe(holdsWords(document, 'w40 w50'));
      }
    });

    it('chooses the mode by what was given, and says so', async () => {
      const modeOf = async (body: Record<string, unknown>) => (await search(product, body)).plan.mode;
      expect(await modeOf({ query: 'w1' })).toBe('text');
      expect(await modeOf({ vector: query(1) })).toBe('vector');
      expect(await modeOf({ query: 'w1', vector: query(1) })).toBe('hybrid');
      expect(await modeOf({ query: 'w1', vector: query(1), mode: 'text' })).toBe('text');
    });

    it('reports the legs in the plan', async () => {
      const { plan } = await search(product, { query: 'The w1, and w2!', vector: query(1) });
      expect(plan).toMatchObject({ mode: 'hybrid', fusion: 'auto', words: ['w1', 'w2'], candidates: 50 });
      expect(plan.legs.map(({ leg }) => leg).sort()).toEqual(['text', 'vector']);
      expect(plan).not.toHaveProperty('statements');
    });
  });

  describe('fusion', () => {
    const words = 'w7 w30';
    const vector = query(11);
    const candidates = 40;

    /** Both legs alone, to the depth that fusion sees. */
    async function legs() {
      const text = await search(product, { mode: 'text', query: words, limit: candidates, candidates });
      const near = await search(product, { mode: 'vector', vector, limit: candidates, candidates });
      expect([text.hits.length, near.hits.length]).toEqual([candidates, candidates]);
      return [near.hits, text.hits] as const;
    }

    async function fusedByProduct(body: object) {
      const { hits } = await search(product, { query: words, vector, candidates, limit: 40, ...body });
      return hits.map(({ id, score }) => ({ id, score }));
    }

    function expectSame(actual: { id: string; score: number }[], expected: Map<string, number>) {
      const order = [...expected].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).slice(0, actual.length);
      expect(idsOf(actual)).toEqual(order.map(([id]) => id));
      actual.forEach(({ score }, place) => {
        expect(score).toBeCloseTo(order[place]![1], 10);
      });
    }

    /** 1 / (60 + rank) a leg; the same score is the same rank. */
    async function rrf(weights: readonly [number, number]) {
      const sums = new Map<string, number>();
      (await legs()).forEach((hits, leg) => {
        for (const { id, score } of hits) {
          const rank = 1 + hits.filter((other) => other.score > score).length;
          sums.set(id, (sums.get(id) ?? 0) + weights[leg]! / (60 + rank));
        }
      });
      return sums;
    }

    /** Each leg's scores stretched to 0 … 1. */
    async function weighted(weights: readonly [number, number]) {
      const sums = new Map<string, number>();
      (await legs()).forEach((hits, leg) => {
        const scores = hits.map(({ score }) => score);
        const [min, max] = [Math.min(...scores), Math.max(...scores)];
        for (const { id, score } of hits)
          sums.set(id, (sums.get(id) ?? 0) + (weights[leg]! * (score - min)) / (max - min));
      });
      return sums;
    }

    it('sums reciprocal ranks', async () => {
      expectSame(await fusedByProduct({ fusion: 'rrf' }), await rrf([1, 1]));
      expectSame(await fusedByProduct({ fusion: 'rrf', weights: { vector: 3, text: 0.5 } }), await rrf([3, 0.5]));
    });

    it('sums weighted scores', async () => {
      expectSame(await fusedByProduct({ fusion: 'weighted' }), await weighted([0.6, 0.4]));
      expectSame(await fusedByProduct({ fusion: 'weighted', weights: { vector: 1, text: 2 } }), await weighted([1, 2]));
    });

    /** Each leg's scores in standard deviations above its last. */
    async function standardised(weights: readonly [number, number]) {
      const sums = new Map<string, number>();
      (await legs()).forEach((hits, leg) => {
        const scores = hits.map(({ score }) => score);
        const mean = scores.reduce((sum, score) => sum + score, 0) / scores.length;
        const deviation = Math.sqrt(scores.reduce((sum, score) => sum + (score - mean) ** 2, 0) / scores.length);
        for (const { id, score } of hits)
          sums.set(id, (sums.get(id) ?? 0) + (weights[leg]! * (score - Math.min(...scores))) / deviation);
      });
      return sums;
    }

    it('finds weights by itself, says which and what of, and sums standardised scores with them', async () => {
      const { hits, plan } = await search(product, { query: words, vector, candidates, limit: 40 });
      expect(plan.fusion).toBe('auto');
      expect(plan.weights!.vector + plan.weights!.text).toBeCloseTo(1, 9);
      expect(plan.trust).toEqual({
        vector: expect.any(Number),
        text: expect.any(Number),
        documents: expect.any(Number),
        probes: expect.any(Number),
      });
      expectSame(hits, await standardised([plan.weights!.vector, plan.weights!.text]));
    });

    it('takes given weights in place of its own', async () => {
      const weights = { vector: 3, text: 1 };
      const { hits, plan } = await search(product, { query: words, vector, candidates, limit: 40, weights });
      expect(plan).toMatchObject({ fusion: 'auto', weights });
      expect(plan).not.toHaveProperty('trust');
      expectSame(hits, await standardised([3, 1]));
    });

    it(
      'measures its legs in the background',
      async () => {
        // Vectors and words were drawn apart here: they agree on nothing, so the trust falls below what was expected.
        let trust: SearchAnswer['plan']['trust'];
        const measured = async () => {
          trust = (await search(product, { query: words, vector, limit: 1 })).plan.trust;
          return (trust?.probes ?? 0) > 0;
        };
        // Where the database answers, its searches may take 30 s, and it rests as long between them.
        await waitFor('a measurement', measured, MEASURING_MS);
        expect(trust!.vector).toBeLessThan(0.35);
        expect(trust!.text).toBeGreaterThan(0.5);
      },
      MEASURING_MS,
    );

    it('keeps the weights of the first page on those that follow', async () => {
      const body = { query: words, vector, limit: 5 };
      const first = await search(product, body);
      const second = await search(product, { ...body, cursor: first.cursor });
      expect(second.plan.weights).toEqual(first.plan.weights);
      expect(second.plan).not.toHaveProperty('trust');
      const both = await search(product, { ...body, limit: 10, candidates: 50, weights: first.plan.weights });
      expect(idsOf([...first.hits, ...second.hits])).toEqual(idsOf(both.hits));
    });

    it('orders by one leg alone when the other weighs nothing', async () => {
      const [near] = await legs();
      const hits = await fusedByProduct({ fusion: 'weighted', weights: { vector: 1, text: 0 }, limit: 20 });
      expect(idsOf(hits)).toEqual(idsOf(near.slice(0, 20)));
    });
  });

  describe('min_score and require', () => {
    const vector = query(21);
    const near = (document: TestDocument, minScore: number) => (bestCosine(document, vector) ?? -2) >= minScore;

    it('drops vectors below min_score', async () => {
      for (const minScore of [0.8, 0.3, -1, 0.9999]) {
        const hits = await everyHit(product, {
          mode: 'vector',
          vector,
          min_score: minScore,
          limit: minScore < 0 ? 70 : 7,
        });
        expect(sortedIds(hits), String(minScore)).toEqual(sortedIds(documents.filter((d) => near(d, minScore))));
      }
    });

    for (const candidates of [5, 50])
      for (const words of ['w1', 'w60 w61', 'everywhere'])
        it(`keeps exactly what is required of "${words}", ${candidates} candidates a tier`, async () => {
          const minScore = 0.75;
          const sets = {
            text: documents.filter((d) => holdsWords(d, words)),
            vector: documents.filter((d) => near(d, minScore)),
            both: documents.filter((d) => holdsWords(d, words) && near(d, minScore)),
          };
          expect(sets.both.length).toBeGreaterThan(0);
          expect(sets.both.length).toBeLessThan(sets.text.length);
          const body = { query: words, vector, min_score: minScore, candidates };
          for (const [require, expected] of [
            [['text'], sets.text],
            [['vector'], sets.vector],
            [['text', 'vector'], sets.both],
          ] as const) {
            const limit = expected === sets.text ? 90 : 9;
            const hits = await everyHit(product, { ...body, require, limit });
            expect(sortedIds(hits), require.join()).toEqual(sortedIds(expected));
            for (const { id, scores } of hits) {
              const document = byId.get(id)!;
              if (near(document, minScore) && require.includes('vector' as never))
                expect(scores.vector).toBeCloseTo(bestCosine(document, vector)!, 3.5);
            }
          }
        });

    it('refuses to require a leg that the search does not have', async () => {
      const invalid = { status: 400, code: 'request:invalid' };
      expect(await refusal(product, { query: 'w1', mode: 'text', require: ['vector'] })).toEqual(invalid);
      expect(await refusal(product, { query: 'w1', vector, mode: 'vector', require: ['text'] })).toEqual(invalid);
      expect(await refusal(product, { query: 'w1', require: ['text', 'vector'] })).toEqual(invalid);
    });

    it("answers the design's search in one request", async () => {
      const words = 'w2 w5';
      const minScore = 0.6;
      const filter = { created_at: { $gte: between }, 'metadata.file_size': { $gt: 10_000_000 } };
      const expected = newer.filter(
        (d) => holdsWords(d, words) && near(d, minScore) && Number(d.metadata?.file_size) > 10_000_000,
      );
      expect(expected.length).toBeGreaterThan(5);
      const body = { query: words, vector, filter, min_score: minScore, require: ['text', 'vector'], limit: 100 };
      const { hits, plan, cursor } = await search(product, body);
      expect(sortedIds(hits)).toEqual(sortedIds(expected));
      expect(cursor).toBeUndefined();
      expect(plan.mode).toBe('hybrid');
    });
  });

  describe('filters', () => {
    const has = (value: unknown) => value !== undefined;
    const metadata = (document: TestDocument) => document.metadata ?? {};
    const nested = (document: TestDocument) => metadata(document).nested as { level: number; 'with-dash': string };
    const cases: [string, object, (document: TestDocument) => boolean][] = [
      ['plain', { 'metadata.n': 41 }, (d) => numberOf(d) === 41],
      ['$eq', { agent_id: { $eq: 'agent-2' } }, (d) => d.agent_id === 'agent-2'],
      ['$eq null', { 'metadata.note': null }, (d) => metadata(d).note === null],
      ['$ne', { 'metadata.parity': { $ne: 'even' } }, (d) => metadata(d).parity !== 'even'],
      ['$ne missing', { 'metadata.mixed': { $ne: 10 } }, (d) => metadata(d).mixed !== 10],
      ['$gt', { 'metadata.n': { $gt: 390 } }, (d) => numberOf(d) > 390],
      [
        '$gt types',
        { 'metadata.mixed': { $gt: 100 } },
        (d) => typeof metadata(d).mixed === 'number' && numberOf(d) > 100,
      ],
      ['$gte', { 'metadata.n': { $gte: 390 } }, (d) => numberOf(d) >= 390],
      ['$lt', { 'metadata.file_size': { $lt: 500_000 } }, (d) => numberOf(d) < 10],
      ['$lte', { 'metadata.file_size': { $lte: 500_000 } }, (d) => numberOf(d) <= 10],
      ['range', { 'metadata.n': { $gte: 100, $lt: 120 } }, (d) => numberOf(d) >= 100 && numberOf(d) < 120],
      ['$in', { id: { $in: ['d0001', 'd0002', 'd9999'] } }, (d) => ['d0001', 'd0002'].includes(d.id)],
      ['$nin', { language: { $nin: ['english'] } }, (d) => d.language === 'portuguese'],
      ['$exists', { title: { $exists: true } }, (d) => has(d.title)],
      ['$exists false', { artifact_id: { $exists: false } }, (d) => !has(d.artifact_id)],
      ['$exists null', { 'metadata.note': { $exists: true } }, (d) => numberOf(d) % 7 === 0],
      ['$contains list', { 'metadata.tags': { $contains: 'third' } }, (d) => numberOf(d) % 3 === 0],
      ['$contains text', { title: { $contains: 'ing6' } }, (d) => d.title === 'heading6'],
      [
        'nested',
        { 'metadata.nested.level': 3, 'metadata.nested.with-dash': 'x1' },
        (d) => nested(d).level === 3 && nested(d)['with-dash'] === 'x1',
      ],
      [
        '$and',
        { $and: [{ 'metadata.n': { $lt: 50 } }, { agent_id: 'agent-1' }] },
        (d) => numberOf(d) < 50 && d.agent_id === 'agent-1',
      ],
      [
        '$or',
        { $or: [{ 'metadata.n': 3 }, { 'metadata.nested.level': 2 }] },
        (d) => numberOf(d) === 3 || nested(d).level === 2,
      ],
      ['$not', { $not: { 'metadata.n': { $lt: 380 } } }, (d) => numberOf(d) >= 380],
      ['revision', { revision: { $gte: 2 } }, () => false],
      ['embedding_status', { embedding_status: 'none' }, (d) => bestCosine(d, query(1)) === undefined],
      ['nothing', {}, () => true],
    ];

    it.each(cases)('%s', async (_name, filter, predicate) => {
      const kept = documents.filter(predicate);
      const vector = query(8);
      const text = await everyHit(product, { mode: 'text', query: 'everywhere w3', filter, limit: 100 });
      expect(sortedIds(text)).toEqual(sortedIds(kept.filter((d) => holdsWords(d, 'everywhere w3'))));
      const near = await everyHit(product, { mode: 'vector', vector, filter, limit: 100 });
      expectNearestFirst(near, byCosine(kept, vector));
      const both = await everyHit(product, { query: 'w3 w4', vector, filter, limit: 100 });
      const expected = kept.filter((d) => holdsWords(d, 'w3 w4') || bestCosine(d, vector) !== undefined);
      expect(sortedIds(both)).toEqual(sortedIds(expected));
    });

    it('compares times', async () => {
      const find = (filter: object) => everyHit(product, { mode: 'vector', vector: query(3), filter, limit: 100 });
      expect(sortedIds(await find({ created_at: { $lt: between } }))).toEqual(sortedIds(byCosine(older, query(3))));
      expect(sortedIds(await find({ updated_at: { $gte: between } }))).toEqual(sortedIds(byCosine(newer, query(3))));
      expect(await find({ created_at: { $gt: '2999-01-01T00:00:00Z' } })).toEqual([]);
    });

    it('refuses what it does not know', async () => {
      const code = async (filter: unknown) => (await refusal(product, { query: 'w1', filter })).code;
      expect(await code({ content: 'x' })).toBe('filter:unknown_path');
      expect(await code({ 'metadata.a b': 'x' })).toBe('filter:unknown_path');
      expect(await code({ 'metadata.n': { $regex: '.*' } })).toBe('filter:unknown_operator');
      expect(await code({ 'metadata.n': { $gt: [] } })).toBe('filter:invalid');
      expect(await code({ created_at: { $gt: 'yesterday' } })).toBe('filter:invalid');
      expect(await code([])).toMatch(/^(filter|request):invalid$/);
    });
  });

  describe('pages', () => {
    const vector = query(17);

    it.each([
      ['text', { mode: 'text', query: 'w2 w9' }],
      ['vector', { mode: 'vector', vector }],
      // Two walks are compared: a measurement between them would change the weights that are found.
      ['hybrid', { query: 'w2 w9', vector, weights: { vector: 0.3, text: 0.7 } }],
      ['hybrid rrf', { query: 'w2 w9', vector, fusion: 'rrf' }],
      ['hybrid weighted', { query: 'w2 w9', vector, fusion: 'weighted' }],
    ] as const)(
      '%s: more than three tiers of 5 without repeat or gap, in one order whatever the page',
      async (_name, body) => {
        const filter = { 'metadata.n': { $lt: 380 } };
        const small = await everyHit(product, { ...body, filter, candidates: 5, limit: 37 });
        expect(small.length).toBeGreaterThan(5 * 4 ** 2);
        const large = await everyHit(product, { ...body, filter, candidates: 5, limit: 100 });
        expect(idsOf(small)).toEqual(idsOf(large));
        const words = 'query' in body ? body.query : undefined;
        const expected = documents
          .filter((d) => numberOf(d) < 380)
          .filter((d) => (words && holdsWords(d, words)) || ('vector' in body && bestCosine(d, vector) !== undefined));
        expect(sortedIds(small)).toEqual(sortedIds(expected));
      },
    );

    it('keeps its bounds', async () => {
      const invalid = { status: 400, code: 'request:invalid' };
      for (const limit of [0, -1, 101, 1.5, '10', null])
        expect(await refusal(product, { query: 'w1', limit }), String(limit)).toEqual(invalid);
      for (const candidates of [0, 1001]) expect(await refusal(product, { query: 'w1', candidates })).toEqual(invalid);
      for (const body of [
        { query: '' },
        { query: 'x'.repeat(10_001) },
        { query: 'w1', mode: 'exact' },
        { query: 'w1', min_score: 2 },
      ])
        expect(await refusal(product, body)).toEqual(invalid);
      expect((await search(product, { query: 'w1', limit: 1 })).hits).toHaveLength(1);
      expect((await search(product, { query: 'everywhere', limit: 100 })).hits).toHaveLength(100);
    });

    it('takes a cursor only for the question that it came with', async () => {
      const { cursor } = await search(product, { query: 'w1', limit: 5 });
      expect(cursor).toEqual(expect.any(String));
      const invalid = { status: 400, code: 'cursor:invalid' };
      expect(await refusal(product, { query: 'w2', limit: 5, cursor })).toEqual(invalid);
      expect(await refusal(product, { query: 'w1', limit: 5, cursor: `${cursor}x` })).toEqual(invalid);
      expect(await refusal(product, { query: 'w1', limit: 5, filter: { 'metadata.n': 1 }, cursor })).toEqual(invalid);
      const explained = await search(product, { query: 'w1', limit: 5, cursor, explain: true });
      expect(explained.hits).toHaveLength(5);
    });
  });

  describe('hits', () => {
    it('brings a document of many passages once, with its best passages first', async () => {
      const document = documents.find(({ passages }) => (passages?.length ?? 0) > 10)!;
      const last = document.passages!.length - 1;
      const vector = document.passages![last]!.vector!;
      const filter = { 'metadata.n': { $gte: numberOf(document) - 5, $lte: numberOf(document) + 5 } };
      const near = await everyHit(product, { mode: 'vector', vector, filter });
      expect(near[0]).toMatchObject({ id: document.id, passage_count: last + 1 });
      expect(near[0]!.score).toBeCloseTo(1, 3.5);
      expect(near[0]!.passages[0]).toEqual({ ordinal: last, text: document.passages![last]!.text });
      expect(near[0]!.passages).toHaveLength(3);
      const hybrid = await everyHit(product, { query: 'everywhere', vector, filter });
      expect(hybrid.filter(({ id }) => id === document.id)).toHaveLength(1);
      expect(sortedIds(hybrid)).toHaveLength(11);
    });

    it('shows the beginning of a document that was found by a vector for the whole of it', async () => {
      const document = documents.find(({ vector }) => vector !== undefined)!;
      const [hit] = (await search(product, { vector: document.vector, limit: 1 })).hits;
      expect(hit).toMatchObject({ id: document.id, metadata: document.metadata, passages: [{ ordinal: 0 }] });
      expect(hit!.passages[0]!.text).toContain(document.content);
      expect(hit).not.toHaveProperty('content');
    });
  });

  describe('explain', () => {
    it('names what answered', async () => {
      const { plan } = await search(product, { query: 'w1', vector: query(4), explain: true });
      expect(plan.legs.map(({ leg, from }) => `${leg} ${from}`)).toEqual(
        isCold ? ['text database', 'vector database'] : ['text memory', 'vector memory'],
      );
      expect(plan.statements!.length > 0).toBe(isCold);
    });

    it('shows the statements, and no word of the user in them', async () => {
      const cold = await startProduct({ ...CALLER, ACERVO_WARM_INDEX: 'off' });
      onTestFinished(() => cold.stop());
      await load(cold, documents.slice(0, 20));
      const filter = {
        'metadata.parity': { $ne: "'; REMOVE TABLE passages; --" },
        agent_id: { $in: ['agent-1', 'needleagent'] },
        created_at: { $gte: '2001-02-03T04:05:06Z' },
        'metadata.n': { $lt: 98_765_432 },
      };
      const vector = query(4);
      const { plan, hits } = await search(cold, {
        query: 'w1 secretword',
        vector,
        filter,
        highlight: true,
        explain: true,
      });
      expect(hits.length).toBeGreaterThan(0);
      expect(new Set(plan.statements!.map(({ leg }) => leg))).toEqual(new Set(['text', 'vector']));
      const texts = plan.statements!.map(({ text }) => text).join('\n');
      for (const given of [
        'secretword',
        'REMOVE',
        'agent-1',
        'needleagent',
        '2001',
        '98765432',
        '98_765_432',
        String(vector[0]),
      ])
        expect(texts).not.toContain(given);
      const params = JSON.stringify(plan.statements!.map(({ params }) => params));
      for (const given of ['w1 secretword', 'REMOVE TABLE', 'needleagent']) expect(params).toContain(given);
      expect(plan.statements!.every(({ rows }) => Number.isInteger(rows))).toBe(true);
    });
  });

  describe('nothing to search', () => {
    const vector = query(1);
    it.each([
      [{}, 'search:nothing_to_search'],
      [{ filter: { 'metadata.n': 1 } }, 'search:nothing_to_search'],
      [{ mode: 'text', vector }, 'search:nothing_to_search'],
      [{ mode: 'hybrid', vector }, 'search:nothing_to_search'],
      [{ mode: 'vector', query: 'w1' }, 'embedding:vector_required'],
      [{ mode: 'hybrid', query: 'w1' }, 'embedding:vector_required'],
      [{ vector: vector.slice(1) }, 'vector:wrong_dimensions'],
      [{ vector: vector.map(() => 0) }, 'vector:zero'],
    ])('%j', async (body, code) => {
      expect(await refusal(product, body)).toEqual({ status: 400, code });
    });
  });

  it('shows a key that is bound to an agent only its own documents', async () => {
    const key = { name: 'bound', scopes: ['search:read'], agent_id: 'agent-1' };
    const made = await product.call<{ token: string }>('POST', '/v1/keys', key);
    expect(made.status, made.text).toBe(201);
    const { token } = made.body;
    const own = documents.filter((document) => document.agent_id === 'agent-1');
    const vector = query(9);
    const others = { $or: [{ agent_id: 'agent-2' }, { $not: { agent_id: 'agent-1' } }, { 'metadata.n': { $gte: 0 } }] };
    for (const filter of [undefined, others]) {
      const body = { ...(filter ? { filter } : {}), limit: 30 };
      const text = await everyHit(product, { ...body, mode: 'text', query: 'everywhere' }, token);
      expect(sortedIds(text)).toEqual(sortedIds(own.filter((d) => holdsWords(d, 'everywhere'))));
      const near = await everyHit(product, { ...body, mode: 'vector', vector }, token);
      expect(sortedIds(near)).toEqual(sortedIds(byCosine(own, vector)));
      const both = await everyHit(product, { ...body, query: 'w1', vector, require: ['text'] }, token);
      expect(sortedIds(both)).toEqual(sortedIds(own.filter((d) => holdsWords(d, 'w1'))));
    }
    expect(await everyHit(product, { query: 'everywhere', filter: { agent_id: 'agent-2' } }, token)).toEqual([]);
    const { cursor } = await search(product, { query: 'everywhere' });
    const borrowed = await product.call('POST', '/v1/search', { query: 'everywhere', cursor }, { key: token });
    expect(borrowed.body.code).toBe('cursor:invalid');
  });
});

describe.skipIf(unavailable)('search while documents change', () => {
  let product: Product;
  beforeAll(async () => {
    product = await startProduct(CALLER);
  });
  afterAll(() => product?.stop());

  it('never finds what was deleted or replaced', async () => {
    const random = seededRandom(77);
    const at = (n: number) => unitVector(seededRandom(n), DIMENSIONS);
    const old = Array.from({ length: 90 }, (_, n) => ({
      id: `c${n}`,
      content: `old${n % 3} both everyone`,
      vector: unitVector(random, DIMENSIONS, at(1), 0.4),
    }));
    await load(product, old);
    const [kept, replaced, deleted] = [0, 1, 2].map((part) => old.filter((_, n) => n % 3 === part));
    for (const { id } of deleted!) expect((await product.call('DELETE', `/v1/knowledge/${id}`)).status).toBe(204);
    const current = replaced!.map(({ id }, n) => ({
      id,
      passages: [
        { text: `new${n % 2} both`, vector: unitVector(random, DIMENSIONS, at(2), 0.4) },
        { text: 'second both' },
      ],
    }));
    await load(product, current);
    const all = [...kept!, ...current];

    const found = async (body: Record<string, unknown>) => sortedIds(await everyHit(product, { ...body, limit: 100 }));
    expect(await found({ query: 'old1 old2' })).toEqual([]);
    expect(await found({ query: 'old0' })).toEqual(sortedIds(kept!));
    expect(await found({ query: 'both' })).toEqual(sortedIds(all));
    expect(await found({ query: 'everyone' })).toEqual(sortedIds(kept!));
    expect(await found({ query: 'new1' })).toEqual(sortedIds(current.filter((_, n) => n % 2 === 1)));
    for (const near of [at(1), at(2)]) {
      const hits = await everyHit(product, { vector: near, limit: 100 });
      expect(idsOf(hits)).toEqual(idsOf(byCosine(all, near)));
    }
    const [hit] = (await search(product, { query: 'new0 second', vector: at(2), limit: 1 })).hits;
    expect(hit!.passages.map(({ text }) => text).sort()).toEqual(['new0 both', 'second both']);

    for (const { id } of all) expect((await product.call('DELETE', `/v1/knowledge/${id}`)).status).toBe(204);
    expect(await found({ query: 'both old0 new0 second' })).toEqual([]);
    expect(await found({ vector: at(1) })).toEqual([]);
    expect(await found({ query: 'both', vector: at(1) })).toEqual([]);
  });

  describe('pages on, though what was on the first page', () => {
    const near = unitVector(seededRandom(9), DIMENSIONS);
    const change = {
      'was deleted': async (ids: string[]) => {
        for (const id of ids) expect((await product.call('DELETE', `/v1/knowledge/${id}`)).status).toBe(204);
      },
      'matches no more': (ids: string[]) =>
        load(
          product,
          ids.map((id) => ({ id, content: 'another word' })),
        ),
      'sank among the rest': (ids: string[]) =>
        load(
          product,
          ids.map((id) => ({ id, content: `lagoon${id.slice(0, -2)} ${'filler '.repeat(60)}` })),
        ),
    };

    it.each(
      Object.keys(change).flatMap(
        (what, n) =>
          [
            [what, `p${2 * n}`, { mode: 'text' }],
            [what, `p${2 * n + 1}`, { vector: near, require: ['text'] }],
          ] as const,
      ),
    )('%s (%s, %j): each of the rest once', async (what, word, body) => {
      const query = `lagoon${word}`;
      const all = Array.from({ length: 30 }, (_, n) => ({
        id: `${word}${10 + n}`,
        content: `${query} ${'filler '.repeat(n)}`,
        vector: unitVector(seededRandom(n), DIMENSIONS, near, n / 20),
      }));
      await load(product, all);
      const first = await search(product, { ...body, query, limit: 10 });
      await change[what as keyof typeof change](idsOf(first.hits).filter((_, place) => place % 2 === 0));
      const rest: string[] = [];
      for (let cursor = first.cursor; cursor !== undefined; ) {
        const page = await search(product, { ...body, query, limit: 10, cursor });
        rest.push(...idsOf(page.hits));
        cursor = page.cursor;
      }
      const given = new Set(idsOf(first.hits));
      expect(rest.sort()).toEqual(sortedIds(all).filter((id) => !given.has(id)));
    });
  });

  it('finds a document that is being replaced as it was or as it is, whole', async () => {
    const VERSIONS = 40;
    const near = unitVector(seededRandom(3), DIMENSIONS);
    const random = seededRandom(31);
    const version = (n: number) => ({
      id: 'restless',
      metadata: { n },
      passages: Array.from({ length: 1 + (n % 3) }, (_, ordinal) => ({
        text: `kestrel version${n} passage${ordinal}`,
        vector: unitVector(random, DIMENSIONS, near, 0.3),
      })),
    });
    await load(product, [version(0), { id: 'steady', content: 'a steady kestrel', vector: near }]);
    await warmed(product);
    const filter = { id: { $in: ['restless', 'steady'] } };
    const searches = [
      { query: 'kestrel', mode: 'text' },
      { vector: near, filter },
      { query: 'kestrel', vector: near, filter },
      { query: 'kestrel', vector: near, require: ['text', 'vector'], min_score: 0.5 },
      { query: 'kestrel', vector: near, require: ['vector'], min_score: 0.5, filter },
    ];
    let written = 0;
    const write = async () => {
      for (let n = 1; n <= VERSIONS; n += 1) {
        expect((await product.call('POST', '/v1/knowledge', version(n))).status).toBe(200);
        written = n;
      }
    };
    const look = async () => {
      for (let turn = 0; written < VERSIONS; turn += 1) {
        const body = searches[turn % searches.length]!;
        const { hits } = await search(product, body);
        expect(sortedIds(hits), JSON.stringify(body)).toEqual(['restless', 'steady']);
        const { metadata, passages, scores } = hits.find(({ id }) => id === 'restless')!;
        expect(passages.length, JSON.stringify(body)).toBeGreaterThan(0);
        for (const { ordinal, text } of passages) expect(text).toBe(`kestrel version${metadata.n} passage${ordinal}`);
        expect(Object.keys(scores).sort()).toEqual(
          ['text', 'vector'].filter((leg) => (leg === 'text' ? 'query' : 'vector') in body),
        );
      }
    };
    await Promise.all([write(), look(), look()]);
  });

  it('keeps the metadata of a document current in filters, though its content stays', async () => {
    const document = { id: 'moving', content: 'moving target', vector: unitVector(seededRandom(5), DIMENSIONS) };
    await load(product, [{ ...document, metadata: { place: 'here' } }]);
    await load(product, [{ ...document, metadata: { place: 'there' } }]);
    for (const body of [
      { query: 'moving' },
      { vector: document.vector },
      { query: 'moving', vector: document.vector },
    ]) {
      expect(await everyHit(product, { ...body, filter: { 'metadata.place': 'here' } })).toEqual([]);
      expect(sortedIds(await everyHit(product, { ...body, filter: { 'metadata.place': 'there' } }))).toEqual([
        'moving',
      ]);
    }
  });

  it('marks the words in the text as it is stored: it is not HTML, and its own tags are not escaped', async () => {
    await load(product, [{ id: 'marked', content: 'Ünder <i>the</i> sea: a reef & its reefs, "Reef" – réef.' }]);
    const filter = { id: 'marked' };
    const [hit] = (await search(product, { query: 'the reef', filter, highlight: true })).hits;
    const [passage] = hit!.passages;
    expect(passage!.text).toBe('Ünder <i>the</i> sea: a reef & its reefs, "Reef" – réef.');
    expect(passage!.highlight).toBe(
      'Ünder <i>the</i> sea: a <b>reef</b> & its <b>reefs</b>, "<b>Reef</b>" – <b>réef</b>.',
    );
    expect(passage!.highlight!.replaceAll(/<\/?b>/g, '')).toBe(passage!.text);
    const [plain] = (await search(product, { query: 'reef', filter })).hits;
    expect(plain!.passages[0]).not.toHaveProperty('highlight');
  });
});

describe.skipIf(unavailable)('search with an embedder', () => {
  it('makes the vector of the query, and is hybrid by default', async () => {
    const product = await startProduct({ ACERVO_EMBEDDER: 'hashing' });
    try {
      await load(product, [
        { id: 'reef', content: 'coral reefs grow in warm water' },
        { id: 'ship', content: 'container ships carry most goods' },
      ]);
      const hybrid = await search(product, { query: 'a coral reef' });
      expect(hybrid.plan).toMatchObject({ mode: 'hybrid', words: ['coral', 'reef'] });
      expect(idsOf(hybrid.hits)).toEqual(['reef', 'ship']);
      expect(hybrid.hits[0]!.scores).toEqual({ vector: expect.any(Number), text: expect.any(Number) });
      const near = await search(product, { query: 'corral reev', mode: 'vector' });
      expect(idsOf(near.hits)).toEqual(['reef', 'ship']);
      const text = await search(product, { query: 'ships', require: ['text'] });
      expect(idsOf(text.hits)).toEqual(['ship']);
      const vector = Array.from({ length: 512 }, (_, i) => (i === 0 ? 1 : 0));
      expect((await search(product, { vector })).plan.mode).toBe('vector');
      expect(await refusal(product, {})).toEqual({ status: 400, code: 'search:nothing_to_search' });
    } finally {
      await product.stop();
    }
  });
});
