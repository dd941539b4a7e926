import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isCold, type Product, startProduct, unavailable, warmed } from '../support/product.js';
import {
  byCosine,
  cosine,
  everyHit,
  expectNearestFirst,
  type Hit,
  holdsWords,
  idsOf,
  load,
  refusal,
  search,
  seededRandom,
  sortedIds,
  type TestDocument,
  unitVector,
} from '../support/search.js';
import { DIMENSIONS, searchCorpus } from '../support/search-corpus.js';

const CALLER = { ACERVO_EMBEDDER: 'caller', ACERVO_EMBEDDING_DIMENSIONS: String(DIMENSIONS) };
const PATH = '/v1/decisions/search';
const TYPES = ['analysis', 'action', 'escalation'] as const;
const OUTCOMES = ['success', 'failure', 'partial'] as const;

interface TestDecision extends TestDocument {
  content: string;
  agent_id: string;
  metadata: Record<string, unknown>;
  decision_type: string;
  outcome?: { status: string; summary: string };
}

/** The documents of the search tests as decisions: one passage each, some without vector, some without outcome. */
const decisions: TestDecision[] = searchCorpus(160).map((document, n) => {
  const {
    id,
    metadata = {},
    agent_id = '',
    passages,
    content = passages?.map(({ text }) => text).join(' '),
  } = document;
  const vector = document.vector ?? passages?.[0]?.vector;
  const status = OUTCOMES[n % 4];
  return {
    ...{ id, metadata, agent_id, content: content ?? '', decision_type: TYPES[n % 3]! },
    ...(vector === undefined ? {} : { vector }),
    ...(status === undefined ? {} : { outcome: { status, summary: `summary ${n}` } }),
  };
});
const query = (seed: number) => unitVector(seededRandom(seed), DIMENSIONS, decisions[seed]?.vector, 0.5);
const numberOf = ({ metadata }: TestDecision) => Number(metadata.n);

/** Filters, and what they mean, said once more by hand. */
const FILTERS: [filter: Record<string, unknown>, keeps: (decision: TestDecision) => boolean][] = [
  [{ decision_type: 'action' }, (decision) => decision.decision_type === 'action'],
  [
    { 'outcome.status': { $in: ['failure', 'partial'] } },
    (decision) => numberOf(decision) % 4 === 1 || numberOf(decision) % 4 === 2,
  ],
  [{ 'outcome.status': { $exists: false } }, (decision) => numberOf(decision) % 4 === 3],
  [{ 'outcome.status': { $ne: 'success' } }, (decision) => numberOf(decision) % 4 !== 0],
  [
    { agent_id: 'agent-1', 'metadata.n': { $gte: 40, $lt: 120 } },
    (d) => d.agent_id === 'agent-1' && numberOf(d) >= 40 && numberOf(d) < 120,
  ],
  [
    { $or: [{ id: 'd0003' }, { 'metadata.tags': { $contains: 'third' } }] },
    (d) => d.id === 'd0003' || numberOf(d) % 3 === 0,
  ],
  [{ $not: { 'metadata.nested.level': 2 }, session_id: { $exists: false } }, (d) => numberOf(d) % 4 !== 2],
  [{ 'outcome.recorded_at': { $lt: '2020-01-01T00:00:00Z' } }, () => false],
  [{ 'outcome.summary': 'summary 5' }, (decision) => numberOf(decision) === 5],
];

describe.skipIf(unavailable)('search of decisions', () => {
  let product: Product;
  const found = (body: Record<string, unknown>, key?: string) => everyHit(product, { limit: 100, ...body }, key, PATH);

  beforeAll(async () => {
    product = await startProduct(CALLER);
    await warmed(product);
    // Documents with the same words and vectors, which must neither be found here nor take places.
    await load(product, searchCorpus(160));
    for (const { content, ...decision } of decisions) {
      const answer = await product.call('POST', '/v1/decisions', { ...decision, reasoning: content });
      expect(answer.status, answer.text).toBe(201);
    }
  });
  afterAll(() => product?.stop());

  it.each([
    ['w3', 'any'],
    ['w70 w75 w79', 'any'],
    ['w0 w1', 'all'],
    ['w999', 'any'],
    ['everywhere w2', 'all'],
  ] as const)('finds by the words "%s" (%s) exactly the decisions that hold them', async (words, match) => {
    const hits = await found({ mode: 'text', query: words, match });
    expect(sortedIds(hits)).toEqual(sortedIds(decisions.filter((decision) => holdsWords(decision, words, match))));
    const scores = hits.map(({ score }) => score);
    expect(scores).toEqual([...scores].sort((a, b) => b - a));
  });

  it('finds by a vector every decision that has one, nearest first, with its cosine', async () => {
    for (const seed of [2, 33]) {
      const hits = await found({ mode: 'vector', vector: query(seed) });
      expectNearestFirst(hits, byCosine(decisions, query(seed)));
    }
  });

  it.each(FILTERS)('keeps to the filter %j in every mode', async (filter, keeps) => {
    const kept = decisions.filter(keeps);
    const text = await found({ mode: 'text', query: 'w1 w4', filter });
    expect(sortedIds(text)).toEqual(sortedIds(kept.filter((decision) => holdsWords(decision, 'w1 w4'))));
    const vector = await found({ mode: 'vector', vector: query(7), filter });
    expectNearestFirst(vector, byCosine(kept, query(7)));
    const hybrid = await found({ query: 'w1 w4', vector: query(7), filter });
    expect(sortedIds(hybrid)).toEqual([...new Set([...idsOf(text), ...idsOf(vector)])].sort());
    const page = await search(product, { mode: 'vector', vector: query(7), filter, limit: 3 }, undefined, PATH);
    expect(idsOf(page.hits)).toEqual(idsOf(byCosine(kept, query(7)).slice(0, 3)));
  });

  it('fuses both legs by reciprocal rank', async () => {
    const both = { query: 'w7 w30', vector: query(11), fusion: 'rrf', candidates: 40, limit: 40 };
    const leg = async (mode: string) => (await search(product, { ...both, mode }, undefined, PATH)).hits;
    const sums = new Map<string, number>();
    for (const hits of [await leg('vector'), await leg('text')])
      for (const { id, score } of hits) {
        const rank = 1 + hits.filter((other) => other.score > score).length;
        sums.set(id, (sums.get(id) ?? 0) + 1 / (60 + rank));
      }
    const expected = [...sums].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).slice(0, 40);
    const { hits } = await search(product, both, undefined, PATH);
    expect(idsOf(hits)).toEqual(expected.map(([id]) => id));
    hits.forEach(({ score }, place) => {
      expect(score).toBeCloseTo(expected[place]![1], 10);
    });
  });

  it('insists on what is required, and on a least cosine', async () => {
    const near = (decision: TestDecision) => decision.vector && cosine(decision.vector, query(10)) >= 0.5;
    const hits = await found({ query: 'w2 w7', vector: query(10), require: ['text', 'vector'], min_score: 0.5 });
    const expected = decisions.filter((decision) => holdsWords(decision, 'w2 w7') && near(decision));
    expect(sortedIds(hits)).toEqual(sortedIds(expected));
    expect(expected.length).toBeGreaterThan(3);
  });

  it('pages without repeating or skipping', async () => {
    const body = { query: 'everywhere', vector: query(4), filter: { decision_type: 'analysis' }, candidates: 20 };
    const whole = await found(body);
    expect(idsOf(await found({ ...body, limit: 7 }))).toEqual(idsOf(whole));
    const matches = (one: TestDecision) => one.vector !== undefined || holdsWords(one, 'everywhere');
    const analyses = decisions.filter((one) => one.decision_type === 'analysis' && matches(one));
    expect(sortedIds(whole)).toEqual(sortedIds(analyses));
  });

  it('shows what a hit is: its columns, its outcome, its words marked; not its reasoning', async () => {
    const decision = decisions.find((one) => numberOf(one) === 9)!;
    const word = decision.content.split(/[ ,.]+/)[0]!;
    const { hits } = await search(
      product,
      { query: word, filter: { id: decision.id }, highlight: true, limit: 1 },
      undefined,
      PATH,
    );
    const [hit] = hits as (Hit & Record<string, unknown>)[];
    expect(hit).toMatchObject({
      id: decision.id,
      agent_id: decision.agent_id,
      decision_type: decision.decision_type,
      outcome: { status: 'failure', summary: 'summary 9' },
      metadata: decision.metadata,
      revision: 1,
      embedding_status: 'none',
      passages: [{ ordinal: 0, text: decision.content }],
    });
    expect(hit!.passages[0]!.highlight).toContain(`<b>${word}</b>`);
    expect(hit).not.toHaveProperty('reasoning');
  });

  it.runIf(isCold)('asks the index of its own vectors first', async () => {
    const { plan } = await search(
      product,
      { mode: 'vector', vector: query(3), limit: 5, explain: true },
      undefined,
      PATH,
    );
    expect(plan.legs).toMatchObject([{ leg: 'vector', method: 'index' }]);
    expect(plan.statements).toHaveLength(1);
    expect(plan.statements![0]!.text).toMatch(/FROM decision_vectors_\w+ WHERE embedding <\|50,/);
  });

  it.runIf(isCold)('explains its statements, which hold no text of the request', async () => {
    const filter = { 'metadata.parity': 'even' };
    const body = { query: 'w1', vector: query(1), filter, explain: true };
    const { plan } = await search(product, body, undefined, PATH);
    const statements = plan.statements ?? [];
    expect(statements.some(({ text }) => text.includes('FROM decision_passages'))).toBe(true);
    expect(statements.some(({ text }) => text.includes('decision_vectors_'))).toBe(true);
    expect(statements.map(({ text }) => text).join()).not.toMatch(/even|knowledge_index|FROM passages/);
  });

  it('opens no cursor of another search', async () => {
    const body = { query: 'everywhere', mode: 'text', limit: 5 };
    const { cursor: ofDocuments } = await search(product, body);
    const { cursor: ofDecisions } = await search(product, body, undefined, PATH);
    expect(ofDocuments).toBeDefined();
    expect(ofDecisions).toBeDefined();
    const invalid = { status: 400, code: 'cursor:invalid' };
    expect(await refusal(product, { ...body, cursor: ofDocuments }, PATH)).toEqual(invalid);
    expect(await refusal(product, { ...body, cursor: ofDecisions })).toEqual(invalid);
    expect(await refusal(product, { ...body, query: 'w1', cursor: ofDecisions }, PATH)).toEqual(invalid);
  });

  it('refuses what it cannot search by', async () => {
    const refused = (body: object) => refusal(product, body, PATH);
    const unknown = { status: 400, code: 'filter:unknown_path' };
    expect(await refused({ query: 'w1', filter: { title: 'x' } })).toEqual(unknown);
    expect(await refused({ query: 'w1', filter: { reasoning: 'x' } })).toEqual(unknown);
    expect(await refusal(product, { query: 'w1', filter: { decision_type: 'action' } })).toEqual(unknown);
    expect(await refused({ vector: [1, 2, 3] })).toEqual({ status: 400, code: 'vector:wrong_dimensions' });
    expect(await refused({ limit: 3 })).toEqual({ status: 400, code: 'search:nothing_to_search' });
    expect(await refused({ query: 'w1', limit: 101 })).toEqual({ status: 400, code: 'request:invalid' });
  });

  it('shows a bound key the decisions of its agent only', async () => {
    const scopes = ['decisions:read'];
    const made = await product.call<{ token: string }>('POST', '/v1/keys', { name: 'b', scopes, agent_id: 'agent-2' });
    const own = decisions.filter(({ agent_id }) => agent_id === 'agent-2');
    const text = await found({ mode: 'text', query: 'everywhere' }, made.body.token);
    expect(sortedIds(text)).toEqual(sortedIds(own.filter((decision) => holdsWords(decision, 'everywhere'))));
    const near = await found({ mode: 'vector', vector: query(1) }, made.body.token);
    expect(idsOf(near)).toEqual(idsOf(byCosine(own, query(1))));
    expect(
      await found({ query: 'everywhere', mode: 'text', filter: { agent_id: 'agent-1' } }, made.body.token),
    ).toEqual([]);
  });

  it('is not seen by a search of documents, whose plan counts documents', async () => {
    const hits = await everyHit(product, { mode: 'text', query: 'w3', limit: 100 });
    const documents = searchCorpus(160).filter((document) => holdsWords(document, 'w3'));
    expect(sortedIds(hits)).toEqual(sortedIds(documents));
    expect(hits.every((hit) => !('decision_type' in hit))).toBe(true);
  });
});
