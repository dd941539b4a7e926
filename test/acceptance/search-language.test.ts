import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Product, startProduct, unavailable } from '../support/product.js';
import { everyHit, load, search, sortedIds, unitVector } from '../support/search.js';

const CALLER = { ACERVO_EMBEDDER: 'caller', ACERVO_EMBEDDING_DIMENSIONS: '4' };

/** Stores texts under the names that they have here, and says which of them a query finds. */
function library(language: string, texts: Record<string, string>) {
  let product: Product;
  beforeAll(async () => {
    product = await startProduct({ ...CALLER, ACERVO_LANGUAGE: language });
    await load(
      product,
      Object.entries(texts).map(([id, content]) => ({ id, content })),
    );
  });
  afterAll(() => product?.stop());
  const text = (query: string, match: 'any' | 'all' = 'any') => ({ mode: 'text', query, match, limit: 100 });
  return {
    product: () => product,
    find: async (query: string, match?: 'any' | 'all') => sortedIds(await everyHit(product, text(query, match))),
    first: async (query: string) => (await search(product, text(query))).hits[0]?.id,
    words: async (query: string) => (await search(product, text(query))).plan.words,
  };
}

describe.skipIf(unavailable)('an English library', () => {
  const { find, first, words, product } = library('english', {
    running: 'Running is good for the heart.',
    runner: 'She runs daily and would run a marathon.',
    stop: 'The of and to a in is it',
    reef: 'A coral reef; its fishes are many.',
    accents: 'A naïve résumé from the café in Zürich, Straße 5.',
    plain: 'A naive resume from the cafe in Zurich.',
    error: 'The call failed with error_code 17 and E_CONN.',
    halves: 'An error without any code, and a conn.',
    identifier: 'The switch w2bcx was replaced.',
    letters: 'w 2 bcx',
    common: 'word1 common0',
    common1: 'word0 common1',
    version: 'Since v1.2.3 this works.',
    other: 'Since v1.4.5 that works.',
    mail: 'Write to user@example.com for help.',
    quotes: 'He said “hello”—then left… «adieu»',
    emoji: 'Deployed 🚀 to production🎉 today',
    contraction: "Don't panic: it's the writer's towel.",
    cjk: '东京大学 は 日本の大学です。',
    cyrillic: 'Привет мир',
    url: 'See https://docs.example.org/api/v2?page=3#top now',
    path: 'Edit /etc/nginx/nginx.conf and C:\\\\temp\\\\log.txt',
    number: 'It costs 1,234.50 dollars or 99%.',
    decomposed: 'Fiance\u0301s danc\u0327ando',
    turkish: 'The bridges of İstanbul',
  });

  it('stems', async () => {
    for (const query of ['run', 'runs', 'running', 'RUNNING']) expect(await find(query)).toEqual(['runner', 'running']);
    expect(await find('fish')).toEqual(['reef']);
    expect(await find('reefs')).toEqual(['reef']);
  });

  it('finds what was stored with its accents apart, and letters that become two in lowercase', async () => {
    for (const query of ['fiancés', 'fiance\u0301s', 'dançando', 'dancando'])
      expect(await find(query)).toEqual(['decomposed']);
    for (const query of ['İstanbul', 'Istanbul', 'istanbul']) expect(await find(query, 'all')).toEqual(['turkish']);
  });

  it('is blind to accents both ways', async () => {
    for (const query of ['cafe', 'café', 'CAFÉ', 'cafe\u0301']) expect(await find(query)).toEqual(['accents', 'plain']);
    for (const query of ['resume', 'résumé']) expect(await find(query)).toEqual(['accents', 'plain']);
    expect(await find('Zürich')).toEqual(['accents', 'plain']);
    expect(await find('strasse')).toEqual(['accents']);
    expect(await find('Straße')).toEqual(['accents']);
  });

  it('lets stop words match only where there is nothing else', async () => {
    expect(await find('the')).toContain('stop');
    expect(await find('the reef')).toEqual(['reef']);
    expect(await words('What is the reef?')).toEqual(['reef']);
    expect(await words('the of')).toEqual(['the', 'of']);
    expect(await find('the coral of a reef', 'all')).toEqual(['reef']);
    expect(await find("don't panic")).toEqual(['contraction']);
    expect(await find('don’t panic')).toEqual(['contraction']);
    expect(await find('towel of the writer')).toEqual(['contraction']);
  });

  it('finds identifiers', async () => {
    expect(await find('w2bcx')).toEqual(['identifier']);
    expect(await find('W2BCX')).toEqual(['identifier']);
    // Their parts are words: a text that holds all of them apart is found too.
    expect(await find('error_code', 'all')).toEqual(['error', 'halves']);
    expect(await find('error_code 17', 'all')).toEqual(['error']);
    expect(await find('E_CONN', 'all')).toEqual(['error']);
    expect(await find('v1.2.3', 'all')).toEqual(['version']);
    expect(await first('v1.2.3')).toBe('version');
    expect(await find('user@example.com', 'all')).toEqual(['mail']);
    expect(await first('user@example.com')).toBe('mail');
    expect(await find('https://docs.example.org/api/v2', 'all')).toEqual(['url']);
    expect(await find('nginx.conf', 'all')).toEqual(['path']);
    expect(await find('log.txt', 'all')).toEqual(['path']);
    expect(await find('1,234.50')).toEqual(['number']);
  });

  it('does not take words apart where letters and digits meet', async () => {
    expect(await find('common1')).toEqual(['common1']);
    expect(await find('word1')).toEqual(['common']);
    expect(await find('bcx')).toEqual(['letters']);
  });

  it('sees words beside any punctuation', async () => {
    for (const query of ['hello', '“hello”', 'adieu', '(left)', 'hello!?'])
      expect(await find(query)).toEqual(['quotes']);
    expect(await find('production')).toEqual(['emoji']);
    expect(await find('production 🎉')).toEqual(['emoji']);
  });

  it('answers a query without any word with nothing, and the plan says why', async () => {
    for (const query of ['!!!', '...', '?', ' ', '\u0301', '""', '- / \\', '🚀', '@@@ ###']) {
      const { hits, plan } = await search(product(), { mode: 'text', query });
      expect({ query, hits, words: plan.words }).toEqual({ query, hits: [], words: [] });
    }
  });

  it('searches by the vector alone when the query beside it has no word', async () => {
    const vector = unitVector(() => 0.3, 4);
    await load(product(), [{ id: 'vectored', content: 'vectored', vector }]);
    const { hits, plan } = await search(product(), { query: '?!', vector });
    expect(hits.map(({ id, scores }) => ({ id, scores }))).toEqual([
      { id: 'vectored', scores: { vector: expect.closeTo(1) } },
    ]);
    expect(plan.words).toEqual([]);
    expect((await search(product(), { query: '?!', vector, require: ['text'] })).hits).toEqual([]);
  });

  it('takes operators and quotes of query languages as words', async () => {
    for (const query of [
      "reef' OR 1=1 --",
      'reef"; DROP',
      '$reef',
      'reef*',
      '+reef -coral',
      'reef\\',
      'reef\u0000',
      '`reef`',
    ])
      expect(await find(query), query).toContain('reef');
  });

  it('finds other scripts by what stands between spaces', async () => {
    expect(await find('Привет')).toEqual(['cyrillic']);
    expect(await find('привет')).toEqual(['cyrillic']);
    expect(await find('东京大学')).toEqual(['cjk']);
    // No word borders are known within a run of these scripts.
    expect(await find('京大')).toEqual([]);
  });
});

describe.skipIf(unavailable)('a Portuguese library', () => {
  const { find, words } = library('portuguese', {
    acoes: 'As ações da companhia subiram.',
    acao: 'A ação foi rápida.',
    plain: 'Uma acao sem acento.',
    stop: 'de que a o e do da em um para com não uma os no se na por mais as dos como mas',
    heart: 'O coração e os corações das crianças.',
    running: 'Correndo, correr, corremos pela praia.',
    question: 'Onde fica a estação de Évora?',
  });

  it('stems, with and without accents', async () => {
    for (const query of ['ação', 'acao', 'AÇÃO', 'ac\u0327a\u0303o'])
      expect(await find(query), query).toEqual(['acao', 'plain']);
    for (const query of ['criança', 'crianças', 'crianca']) expect(await find(query), query).toEqual(['heart']);
    for (const query of ['correr', 'correndo', 'corremos']) expect(await find(query), query).toEqual(['running']);
    for (const query of ['rápidas', 'rapida']) expect(await find(query), query).toEqual(['acao']);
    for (const query of ['evora', 'Évora', 'estacao', 'estação'])
      expect(await find(query), query).toEqual(['question']);
  });

  it('keeps a plural in -ões apart from its singular, as Snowball does', async () => {
    for (const query of ['ações', 'acoes', 'AÇÕES']) expect(await find(query), query).toEqual(['acoes']);
    expect(await find('coração')).toEqual(['heart']);
    expect(await find('estações')).toEqual([]);
  });

  it('lets stop words match only where there is nothing else', async () => {
    expect(await words('de que')).toEqual(['de', 'que']);
    expect(await find('que')).toEqual(['stop']);
    expect(await find('o que é a companhia?')).toEqual(['acoes']);
    expect(await find('coração da companhia de quem')).toEqual(['acoes', 'heart']);
    expect(await words('Onde fica a estação de Évora?')).toEqual(['fica', 'estação', 'évora']);
    expect(await find('crianças de praia', 'all')).toEqual([]);
  });
});
