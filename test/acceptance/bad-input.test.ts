import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { expectProblem, knowledgeOf, rawCall, seen, withWords, wordOf } from '../support/knowledge.js';
import { type Product, startProduct, unavailable } from '../support/product.js';

/** What would do harm, or come back as something else, if a request ever became part of a statement. */
const HOSTILE = [
  `'; DELETE knowledge_index; --`,
  `"; REMOVE TABLE knowledge_index; //`,
  '⟨x⟩',
  '`x`; DELETE passages',
  '\\',
  `\\'`,
  '$id',
  '$document.id',
  '{{vectors}}',
  `\${id}`,
  `type::thing('knowledge_index', 'kept')`,
  `type::record('knowledge_index','kept')`,
  'knowledge_index:kept',
  `r'knowledge_index:kept'`,
  `d'2026-01-01T00:00:00Z'`,
  `u'018f0000-0000-7000-8000-000000000000'`,
  '/* comment */ -- # //',
  'NONE',
  'null',
  '<future> { 1 }',
  '|1..9|',
  '1h30m',
  '../../etc/passwd',
  '%00%0a%2e%2e%2f',
  '<script>alert(1)</script>',
  '*',
  '',
];
/** Names like any other, odd as they look. */
const PLAIN = /^[\w.-]+$/;
const NAMES = HOSTILE.map((text) => [text] as const);

describe.skipIf(unavailable)('bad input', () => {
  let product: Product;
  let api: ReturnType<typeof knowledgeOf>;
  let before: Awaited<ReturnType<typeof seen>>;

  beforeAll(async () => {
    product = await startProduct();
    api = knowledgeOf(product);
    await api.post({ id: 'kept', title: 'Kept', content: 'Kestrels hover.', metadata: { a: 1 } });
    await api.post({ id: 'other', content: 'Merlins chase.', agent_id: 'a1' });
  });
  afterAll(() => product.stop());

  describe('refused, with nothing changed', () => {
    beforeEach(async () => {
      before = await seen(product, 'kestrels');
    });
    afterEach(async () => {
      expect(await seen(product, 'kestrels')).toEqual(before);
    });

    const deep = (levels: number): string => `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`;
    const utf8 = (bytes: number[]) =>
      Buffer.concat([Buffer.from('{"id":"kept","content":"'), Buffer.from(bytes), Buffer.from('"}')]);

    it.each<[string, unknown, number, string, string?]>([
      ['malformed JSON', '{"id":"kept","content":', 400, 'request:malformed_json'],
      ['a trailing comma', '{"id":"kept","content":"x",}', 400, 'request:malformed_json'],
      ['two documents', '{"content":"x"}{"content":"y"}', 400, 'request:malformed_json'],
      ['an empty body', '', 400, 'request:malformed_json'],
      ['white space only', ' \n ', 400, 'request:malformed_json'],
      ['NaN', '{"id":"kept","content":"x","metadata":{"n":NaN}}', 400, 'request:malformed_json'],
      ['a byte order mark of UTF-16', Buffer.from('\ufeff{"content":"x"}', 'utf16le'), 400, 'request:malformed_utf8'],
      ['bytes that are not UTF-8', utf8([0xff, 0xfe]), 400, 'request:malformed_utf8'],
      ['an overlong encoding', utf8([0xc0, 0xaf]), 400, 'request:malformed_utf8'],
      ['a surrogate in UTF-8', utf8([0xed, 0xa0, 0x80]), 400, 'request:malformed_utf8'],
      ['a cut character', utf8([0xe2, 0x82]), 400, 'request:malformed_utf8'],
      ['half of a surrogate pair', '{"id":"kept","content":"\\ud800"}', 400, 'request:malformed_utf8'],
      ['such a half in a key', '{"id":"kept","content":"x","metadata":{"\\udc00":1}}', 400, 'request:malformed_utf8'],
      ['an array', [], 400, 'request:invalid', ''],
      ['null', null, 400, 'request:invalid', ''],
      ['a string', '"kept"', 400, 'request:invalid', ''],
      ['no content', { id: 'kept' }, 400, 'request:invalid', 'content'],
      ['empty content', { id: 'kept', content: '' }, 400, 'request:invalid', 'content'],
      ['blank content', { id: 'kept', content: ' \n\t\u00a0 ' }, 400, 'request:invalid', 'content'],
      ['content of another type', { id: 'kept', content: 5 }, 400, 'request:invalid', 'content'],
      ['a title of another type', { id: 'kept', content: 'x', title: ['x'] }, 400, 'request:invalid', 'title'],
      [
        'a title of 1 001 characters',
        { id: 'kept', content: 'x', title: 'x'.repeat(1001) },
        400,
        'request:invalid',
        'title',
      ],
      ['metadata that is a list', { id: 'kept', content: 'x', metadata: [1] }, 400, 'request:invalid', 'metadata'],
      ['a language that is none', { id: 'kept', content: 'x', language: 'EN-us' }, 400, 'request:invalid', 'language'],
      ['an unknown field', { id: 'kept', content: 'x', contents: 'y' }, 400, 'request:invalid', 'contents'],
      ['a field that is ours', { id: 'kept', content: 'x', revision: 7 }, 400, 'request:invalid', 'revision'],
      ['1e999', '{"id":"kept","content":"x","metadata":{"n":1e999}}', 400, 'request:invalid', 'metadata.n'],
      [
        'a whole number beyond 2^53',
        '{"id":"kept","content":"x","metadata":{"n":[9007199254740993]}}',
        400,
        'request:invalid',
        'metadata.n.0',
      ],
      ['1e300', { id: 'kept', content: 'x', metadata: { n: 1e300 } }, 400, 'request:invalid', 'metadata.n'],
      ['an empty metadata key', { id: 'kept', content: 'x', metadata: { '': 1 } }, 400, 'request:invalid'],
      [
        'a metadata key of 129 characters',
        { id: 'kept', content: 'x', metadata: { ['k'.repeat(129)]: 1 } },
        400,
        'request:invalid',
      ],
      ['100 levels', `{"id":"kept","content":"x","metadata":${deep(100)}}`, 400, 'request:invalid'],
      ['100 000 levels', `{"id":"kept","content":"x","metadata":${deep(100_000)}}`, 400, 'request:invalid'],
      [
        '9 levels of metadata',
        `{"id":"kept","content":"x","metadata":${deep(9)}}`,
        400,
        'knowledge:metadata_too_large',
      ],
      [
        '17 KB of metadata',
        { id: 'kept', content: 'x', metadata: { big: 'é'.repeat(8500) } },
        400,
        'knowledge:metadata_too_large',
      ],
      ['content of 3 MB', { id: 'kept', content: 'x'.repeat(3_000_000) }, 413, 'knowledge:content_too_large'],
      ['a body of 25 MB', { id: 'kept', content: 'x'.repeat(25_000_000) }, 413, 'request:too_large'],
      [
        'a passage with a word of 10 001 characters',
        { id: 'kept', passages: [{ text: 'fine' }, { text: `so: ${'y'.repeat(10_001)}.` }] },
        400,
        'knowledge:word_too_long',
        'passages.1.text',
      ],
      ['513 passages', { id: 'kept', passages: Array(513).fill({ text: 'p' }) }, 400, 'knowledge:too_many_passages'],
      [
        '200 000 passages of nothing',
        `{"id":"kept","passages":[${Array(200_000).fill('{}')}]}`,
        400,
        'request:invalid',
      ],
      [
        'a passage of 65 537 characters',
        { id: 'kept', passages: [{ text: `${'p '.repeat(32_768)}p` }] },
        400,
        'request:invalid',
        'passages.0.text',
      ],
      [
        'passages of 3 MB',
        { id: 'kept', content: 'x', passages: Array(50).fill({ text: 'p'.repeat(60_000) }) },
        413,
        'knowledge:content_too_large',
      ],
      ['no passage', { id: 'kept', passages: [] }, 400, 'request:invalid', 'passages'],
      ['an empty passage', { id: 'kept', passages: [{ text: '' }] }, 400, 'request:invalid', 'passages.0.text'],
      [
        'a vector of wrong dimensions',
        { id: 'kept', content: 'x', vector: [1, 2, 3] },
        400,
        'vector:wrong_dimensions',
        'vector',
      ],
      ['a vector of zeros', { id: 'kept', content: 'x', vector: Array(512).fill(0) }, 400, 'vector:zero', 'vector'],
      [
        '__proto__',
        '{"id":"kept","content":"x","metadata":{"__proto__":{"admin":true}}}',
        400,
        'request:forbidden_key',
      ],
      [
        'constructor',
        { id: 'kept', content: 'x', metadata: { a: [{ constructor: 1 }] } },
        400,
        'request:forbidden_key',
      ],
      ['prototype at the top', { id: 'kept', content: 'x', prototype: 1 }, 400, 'request:forbidden_key'],
    ])('%s', async (_, body, status, code, path) => {
      const sent = typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body);
      const problem = expectProblem(await api.post(sent), status, code);
      if (path !== undefined) expect(problem.errors.map((fault) => fault.path)).toContain(path);
    });

    it.each<[string, string, string]>([
      ['malformed JSON', '{"metadata":', 'request:malformed_json'],
      ['a list', '[]', 'request:invalid'],
      ['an id', '{"id":"x"}', 'request:invalid'],
      ['an agent', '{"agent_id":"x"}', 'request:invalid'],
      ['null for content', '{"content":null}', 'request:invalid'],
      ['blank content', '{"content":"  "}', 'request:invalid'],
      ['null for language', '{"language":null}', 'request:invalid'],
      ['__proto__', '{"metadata":{"__proto__":{"a":1}}}', 'request:forbidden_key'],
      ['too much, merged', `{"metadata":{"b":"${'x'.repeat(16_380)}"}}`, 'knowledge:metadata_too_large'],
      ['a whole number beyond 2^53', '{"metadata":{"n":-9007199254740992}}', 'request:invalid'],
    ])('a patch with %s', async (_, body, code) => {
      expectProblem(await api.patch('kept', body), 400, code);
    });

    it.each([
      'a b',
      'a/b',
      'é',
      'e\u0301',
      'ｋept',
      'kept\u0000',
      'kept\n',
      ' kept',
      'kept\u200b',
      'KEPT\u212a',
      'x'.repeat(129),
      '.',
      '..',
    ])('the id %j, wherever it stands', async (id) => {
      const read = await rawCall(product, 'GET', `/v1/knowledge/${encodeURIComponent(id)}`);
      expect([400, 404]).toContain(read.status);
      for (const input of [{ id }, { id: 'kept', agent_id: id }, { id: 'kept', artifact_id: id }]) {
        const problem = expectProblem(await api.post({ content: 'x', ...input }), 400, 'request:invalid');
        expect(problem.errors[0]!.path).toBe(Object.keys(input).at(-1));
      }
      if (!/^\.+$/.test(id)) {
        expectProblem(await api.get(id), 400, 'request:invalid');
        expectProblem(await api.patch(id, { metadata: {} }), 400, 'request:invalid');
        expectProblem(await api.remove(id), 400, 'request:invalid');
      }
    });

    it('other content types and encodings', async () => {
      for (const type of [
        'text/plain',
        'application/x-www-form-urlencoded',
        'multipart/form-data; boundary=x',
        'application/json; charset=utf-16',
        'application/jsonp',
        '',
      ]) {
        expectProblem(
          await api.post('{"id":"kept","content":"x"}', { 'content-type': type }),
          415,
          'request:unsupported_media_type',
        );
      }
      expectProblem(
        await api.post('{"id":"kept","content":"x"}', { 'content-encoding': 'gzip' }),
        415,
        'request:unsupported_media_type',
      );
    });

    it('unknown and repeated query parameters, and wrong values', async () => {
      for (const [query, path] of [
        ['limits=5', 'query.limits'],
        ['limit=0', 'query.limit'],
        ['limit=101', 'query.limit'],
        ['limit=1.5', 'query.limit'],
        ['limit=1%20OR%201', 'query.limit'],
        ['limit=1&limit=2', 'query.limit'],
        ['order=up', 'query.order'],
        ['order=DESC;%20DELETE', 'query.order'],
      ] as const) {
        const problem = expectProblem(await product.call('GET', `/v1/knowledge?${query}`), 400, 'request:invalid');
        expect(problem.errors.map((fault) => fault.path)).toEqual([path]);
      }
      expectProblem(await product.call('GET', '/v1/knowledge?__proto__=1'), 400, 'request:forbidden_key');
      expectProblem(await product.call('GET', '/v1/knowledge/kept?x=1'), 400, 'request:invalid');
      expectProblem(await product.call('DELETE', '/v1/knowledge/kept?force=true'), 400, 'request:invalid');
      expectProblem(await product.call('GET', '/v1/knowledge?filter=%7B'), 400, 'filter:invalid');
      expectProblem(await product.call('GET', '/v1/knowledge?filter=%ff'), 400, 'request:malformed_utf8');
    });

    it('paths that lead elsewhere', async () => {
      for (const path of [
        '/v1/knowledge/..%2f..%2fetc%2fpasswd',
        '/v1/knowledge/%2e%2e%2f%2e%2e',
        '//v1//knowledge',
        '/v1/knowledge/kept/',
        '/docs/assets/..%2f..%2fpackage.json',
        '/docs/assets/%2e%2e/package.json',
      ]) {
        const { status, text } = await rawCall(product, 'GET', path);
        expect([400, 404], path).toContain(status);
        expect(JSON.parse(text).code, path).toMatch(/^request:(not_found|invalid)$/);
      }
      expect((await rawCall(product, 'GET', '/v1/knowledge/%ff')).text).toContain('request:malformed_utf8');
      expect((await rawCall(product, 'GET', '/v1/knowledge/%zz')).status).toBe(400);
    });

    it('headers that are too large or not ours', async () => {
      expectProblem(await api.get('kept', { 'x-filler': 'x'.repeat(20_000) }), 400, 'request:invalid');
      expectProblem(await api.post({ id: 'kept', content: 'x' }, { 'idempotency-key': 'a b' }), 400, 'request:invalid');
      expectProblem(
        await api.post({ id: 'kept', content: 'x' }, { 'idempotency-key': 'x'.repeat(256) }),
        400,
        'request:invalid',
      );
      expectProblem(
        await product.call('GET', '/v1/knowledge/kept', undefined, { key: `'; DELETE api_keys; --` }),
        401,
        'auth:invalid',
      );
      expectProblem(
        await product.call('GET', '/v1/knowledge/kept', undefined, { headers: { authorization: 'Basic YTpi' } }),
        401,
        'auth:missing',
      );
    });

    it.each<[string, unknown, string]>([
      ['an unknown path', { secret: 1 }, 'filter:unknown_path'],
      ['a path into the row', { content_digest: 'x' }, 'filter:unknown_path'],
      ['a path with nothing', { 'metadata.': 1 }, 'filter:unknown_path'],
      ['a path of 9 levels', { 'metadata.a.b.c.d.e.f.g.h.i': 1 }, 'filter:unknown_path'],
      ['an unknown operator', { title: { $regex: '.*' } }, 'filter:unknown_operator'],
      ['an unknown group', { $nor: [{ title: 'x' }] }, 'filter:unknown_operator'],
      ['a wrong operand', { revision: { $gt: 'x' } }, 'filter:invalid'],
      ['an empty list', { id: { $in: [] } }, 'filter:invalid'],
      ['no operator', { title: {} }, 'filter:invalid'],
      ['a group that is no list', { $and: {} }, 'filter:invalid'],
      ['101 conditions', { $or: Array(101).fill({ title: 'x' }) }, 'filter:invalid'],
      [
        '9 levels',
        Array(9)
          .fill(0)
          .reduce((of) => ({ $not: of }), { title: 'x' }),
        'filter:invalid',
      ],
    ])('a filter with %s', async (_, filter, code) => {
      expectProblem(await api.search({ query: 'kestrels', filter }), 400, code);
      expectProblem(await api.list({ filter: JSON.stringify(filter) }), 400, code);
    });

    it.each<[string, Record<string, unknown>]>([
      ['limit', { limit: 0 }],
      ['limit', { limit: 101 }],
      ['limit', { limit: '10' }],
      ['limit', { limit: 2.5 }],
      ['query', { query: '' }],
      ['query', { query: 'x'.repeat(10_001) }],
      ['mode', { mode: 'hybrid; DELETE' }],
      ['fusion', { fusion: 'rrf`' }],
      ['weights.vector', { weights: { vector: -1, text: 1 } }],
      ['candidates', { candidates: 1001 }],
      ['min_score', { min_score: 2 }],
      ['require.0', { require: ['all'] }],
      ['filter', { filter: 'title = 1' }],
      ['offset', { offset: 5 }],
    ])('a search with a wrong %s', async (path, input) => {
      const problem = expectProblem(await api.search({ query: 'kestrels', ...input }), 400, 'request:invalid');
      expect(problem.errors.map((fault) => fault.path)).toContain(path);
    });
  });

  describe('SurrealQL and other syntax is text', () => {
    it.each(NAMES)('%j in every string is stored and comes back as it was', async (text) => {
      const metadata = {
        s: text,
        list: [text],
        ...(text === '' ? {} : { [text]: text }),
        nested: { [`k${text}`]: { [text]: 1 } },
      };
      const input = { id: 'hostile', title: text, content: `hostile ${text}`, metadata };
      const stored = await api.post(input);
      expect(stored.status, stored.text).toBeLessThan(202);
      expect((await api.get('hostile')).body).toMatchObject({ title: text, content: `hostile ${text}`, metadata });
      expect(await withWords(product, `hostile ${text}`)).toContain('hostile');
      for (const mode of ['text', 'vector', 'hybrid'])
        expect((await api.search({ query: `x${text}`, mode, highlight: true, explain: true })).status).toBe(200);
      const filter = {
        title: text,
        'metadata.s': { $in: [text, 'x'] },
        'metadata.list': { $contains: text },
        $not: { id: text },
      };
      expect((await api.search({ query: 'hostile', mode: 'text', filter })).body.hits.map(({ id }) => id)).toEqual([
        'hostile',
      ]);
      expect((await api.list({ filter: JSON.stringify(filter) })).body.documents.map(({ id }) => id)).toEqual([
        'hostile',
      ]);
      expect((await api.patch('hostile', { metadata: { s: `${text}2` } })).body.status).toBe('updated');
      expect((await api.remove('hostile', { 'idempotency-key': `k${encodeURIComponent(text)}` })).status).toBe(204);
      expect((await api.get('kept')).body).toMatchObject({ content: 'Kestrels hover.', revision: 1 });
    });

    it.each(NAMES.filter(([text]) => text !== '' && !PLAIN.test(text)))('%j as a name is refused', async (text) => {
      before = await seen(product, 'kestrels');
      expectProblem(await api.post({ id: text, content: 'x' }), 400, 'request:invalid');
      expectProblem(await api.post({ id: 'kept', content: 'x', agent_id: text }), 400, 'request:invalid');
      const read = await rawCall(product, 'GET', `/v1/knowledge/${encodeURIComponent(text)}`);
      expect([400, 404]).toContain(read.status);
      for (const key of [text.startsWith('$') ? `metadata.${text}` : text, `metadata.${text}`, `metadata.a b.${text}`])
        expectProblem(await api.search({ query: 'x', filter: { [key]: 1 } }), 400, 'filter:unknown_path');
      expectProblem(
        await api.search({ query: 'x', filter: { title: { [`$${text}`]: 1 } } }),
        400,
        'filter:unknown_operator',
      );
      expectProblem(await api.list({ cursor: text }), 400, 'cursor:invalid');
      expectProblem(await api.search({ query: 'x', cursor: text }), 400, 'cursor:invalid');
      expect(await seen(product, 'kestrels')).toEqual(before);
    });

    it.each([
      'NONE',
      'null',
      'true',
      '1h30m',
      '123',
      '007',
      '1e5',
      '-',
      '_',
      '...',
      '.x',
      'rand',
      'ulid',
      '018f0000-0000-7000-8000-000000000000',
    ])('the id %j is a name like any other', async (id) => {
      expect((await api.post({ id, content: 'plainname', metadata: { id } })).body).toMatchObject({
        id,
        status: 'created',
      });
      expect((await api.get(id)).body).toMatchObject({ id, metadata: { id } });
      expect(await withWords(product, 'plainname')).toEqual([id]);
      expect((await api.list({ filter: JSON.stringify({ id }) })).body.documents.map((row) => row.id)).toEqual([id]);
      expect((await api.patch(id, { metadata: { id: null } })).body.revision).toBe(2);
      expect((await api.remove(id)).status).toBe(204);
      expect(await withWords(product, 'plainname')).toEqual([]);
    });

    it('U+0000 comes back as it was, or is refused, in every place', async () => {
      const zero = `nul\u0000byte`;
      for (const input of [
        { content: `${zero} x` },
        { title: zero },
        { metadata: { s: zero } },
        { metadata: { [zero]: 1 } },
        { passages: [{ text: zero }] },
      ]) {
        const answer = await api.post({ id: 'nul', content: 'x', ...input });
        if (answer.status >= 400) {
          expectProblem(answer, 400, 'request:invalid');
          expect((await api.get('nul')).status).toBe(404);
        } else {
          expect((await api.get('nul')).body).toMatchObject('passages' in input ? { passage_count: 1 } : input);
          await api.remove('nul');
        }
      }
      expect((await api.search({ query: zero })).status).toBe(200);
      expect((await api.search({ query: 'x', filter: { title: zero } })).status).toBe(200);
    });
  });

  describe('cursors', () => {
    let listCursor: string;
    let searchCursor: string;
    const question = { query: 'cursor', mode: 'text', limit: 2 };

    beforeAll(async () => {
      await product.bulk(Array.from({ length: 6 }, (_, n) => ({ id: `cursor-${n}`, content: `cursor ${wordOf(n)}` })));
      listCursor = (await api.list({ limit: '2' })).body.cursor!;
      searchCursor = (await api.search(question)).body.cursor!;
      expect((await api.list({ limit: '2', cursor: listCursor })).status).toBe(200);
      expect((await api.search({ ...question, cursor: searchCursor })).status).toBe(200);
    });

    it('open only what they were made for', async () => {
      const changed = (text: string, at: number) =>
        `${text.slice(0, at)}${text[at] === 'A' ? 'B' : 'A'}${text.slice(at + 1)}`;
      const forged = Buffer.concat([
        Buffer.alloc(32),
        Buffer.from(JSON.stringify([9e15, { after: `x' OR true --`, offset: -5 }])),
      ]).toString('base64url');
      const bad = (own: string, foreign: string) => [
        foreign,
        forged,
        own.slice(0, -1),
        own.slice(0, 10),
        `${own}A`,
        `${own}=`,
        ` ${own}`,
        `${own} `,
        changed(own, 3),
        changed(own, 50),
        own.toLowerCase(),
      ];
      for (const cursor of bad(listCursor, searchCursor))
        expectProblem(await api.list({ limit: '2', cursor }), 400, 'cursor:invalid');
      for (const cursor of bad(searchCursor, listCursor))
        expectProblem(await api.search({ ...question, cursor }), 400, 'cursor:invalid');
      expectProblem(await api.list({ cursor: listCursor, order: 'desc' }), 400, 'cursor:invalid');
      expectProblem(await api.list({ cursor: listCursor, filter: '{"title":"x"}' }), 400, 'cursor:invalid');
      expectProblem(await api.search({ ...question, cursor: searchCursor, query: 'cursors' }), 400, 'cursor:invalid');
      expectProblem(
        await api.search({ ...question, cursor: searchCursor, filter: { title: 'x' } }),
        400,
        'cursor:invalid',
      );
      expectProblem(await api.list({ cursor: 'x'.repeat(2001) }), 400, 'request:invalid');
      expectProblem(await api.search({ ...question, cursor: 5 }), 400, 'request:invalid');
    });

    it('do not open for another key', async () => {
      const made = await product.call<{ token: string }>('POST', '/v1/keys', {
        name: 'other',
        scopes: ['knowledge:read', 'search:read'],
      });
      expect(made.status, made.text).toBe(201);
      const { token } = made.body;
      expectProblem(
        await product.call('GET', `/v1/knowledge?limit=2&cursor=${listCursor}`, undefined, { key: token }),
        400,
        'cursor:invalid',
      );
      expectProblem(
        await product.call('POST', '/v1/search', { ...question, cursor: searchCursor }, { key: token }),
        400,
        'cursor:invalid',
      );
      expect((await product.call('GET', '/v1/knowledge?limit=2', undefined, { key: token })).status).toBe(200);
    });
  });

  describe('whatever comes', () => {
    const strings = fc.oneof(
      { weight: 30, arbitrary: fc.constantFrom(...HOSTILE, 'fuzz', 'a\u0000b', '\uffff', '😀') },
      { weight: 30, arbitrary: fc.string({ unit: 'binary', maxLength: 20 }) },
      { weight: 1, arbitrary: fc.constantFrom('\ud800', '__proto__', 'constructor') },
    );
    const json = fc.oneof(
      strings,
      fc.double(),
      fc.jsonValue({ maxDepth: 3 }),
      fc.dictionary(strings, fc.jsonValue({ maxDepth: 2 }), { maxKeys: 4 }),
    );
    const often = <T>(likely: fc.Arbitrary<T>) =>
      fc.oneof({ weight: 12, arbitrary: likely as fc.Arbitrary<unknown> }, { weight: 1, arbitrary: json });
    const fields = {
      title: often(strings),
      content: often(fc.tuple(strings, strings).map((parts) => `fuzz ${parts.join(' ')}`)),
      metadata: often(fc.dictionary(strings, json, { maxKeys: 4 })),
      language: often(fc.constantFrom('english', 'german')),
      artifact_id: often(fc.constantFrom('f-1', 'f-2')),
    };
    const shaped = (shape: Record<string, fc.Arbitrary<unknown>>) =>
      fc.oneof({ weight: 6, arbitrary: fc.record(shape, { requiredKeys: [] }) }, { weight: 1, arbitrary: json });
    const documents = shaped({
      ...fields,
      content: often(fc.constant('fuzz').chain((word) => strings.map((rest) => `${word} ${rest}`))),
      passages: often(fc.array(fc.record({ text: strings }), { maxLength: 3 })),
      agent_id: often(fc.constant('fuzzer')),
    });
    const conditions = fc.dictionary(
      fc.oneof(
        fc.constantFrom('title', 'id', 'revision', 'created_at', 'metadata.a', 'metadata.s.t', '$and', '$or', '$not'),
        strings,
      ),
      fc.oneof(
        json,
        fc.dictionary(
          fc.constantFrom('$eq', '$ne', '$gt', '$lte', '$in', '$nin', '$exists', '$contains', '$x'),
          fc.oneof(json, fc.array(json, { maxLength: 3 })),
          { maxKeys: 2 },
        ),
      ),
      { maxKeys: 3 },
    );
    const searches = shaped({
      query: often(strings),
      filter: often(conditions),
      mode: often(fc.constantFrom('text', 'vector', 'hybrid')),
      limit: often(fc.integer({ min: 1, max: 100 })),
      match: often(fc.constantFrom('any', 'all')),
      highlight: often(fc.boolean()),
      explain: often(fc.boolean()),
      min_score: often(fc.double({ min: -1, max: 1, noNaN: true })),
    });
    /** JSON as text, since values such as -0 or a lone surrogate are read back otherwise. */
    const sent = (value: unknown) => JSON.stringify(value) ?? 'null';
    const runs = { numRuns: 150 };

    it('a stored document is what was sent, and nothing makes a 5xx', async () => {
      let stored = 0;
      await fc.assert(
        fc.asyncProperty(documents, async (value) => {
          const body = sent(
            typeof value === 'object' && value !== null && !Array.isArray(value)
              ? { ...value, id: 'fuzz-post' }
              : value,
          );
          const answer = await api.post(body);
          expect(answer.status, answer.text).toBeLessThan(500);
          if (answer.status >= 400) return;
          stored += 1;
          const { passages, ...input } = JSON.parse(body);
          const { body: read } = await api.get('fuzz-post');
          expect(read).toMatchObject({ metadata: {}, ...input });
          expect(read.metadata).toEqual(input.metadata ?? {});
          if (input.content === undefined) expect(read.passage_count).toBe(passages.length);
        }),
        runs,
      );
      expect(stored).toBeGreaterThan(10);
    });

    it('a patch is applied or refused, and nothing makes a 5xx', async () => {
      await api.post({ id: 'fuzz-patch', content: 'fuzz', metadata: {} });
      await fc.assert(
        fc.asyncProperty(shaped(fields), async (value) => {
          const { body: old } = await api.get('fuzz-patch');
          const answer = await api.patch('fuzz-patch', sent(value));
          expect(answer.status, answer.text).toBeLessThan(500);
          const { body: read } = await api.get('fuzz-patch');
          if (answer.status >= 400) expect(read).toEqual(old);
          else expect(read.content).toBe((JSON.parse(sent(value)) as { content?: string }).content ?? old.content);
        }),
        runs,
      );
    });

    it('a search is answered or refused, and nothing makes a 5xx', async () => {
      await fc.assert(
        fc.asyncProperty(searches, async (value) => {
          const answer = await api.search(sent(value));
          expect(answer.status, answer.text).toBeLessThan(500);
          if (answer.status === 200) expect(Array.isArray(answer.body.hits)).toBe(true);
          else expect(answer.body).toHaveProperty('code', expect.stringMatching(/^[a-z]+:[a-z0-9_]+$/));
        }),
        runs,
      );
      expect((await api.get('kept')).body).toMatchObject({ content: 'Kestrels hover.', revision: 1 });
    });

    it('bytes that are no JSON are refused', async () => {
      await fc.assert(
        fc.asyncProperty(fc.uint8Array({ maxLength: 64 }), async (bytes) => {
          const answer = await api.post(bytes);
          expect(answer.status, answer.text).toBe(400);
        }),
        { numRuns: 60 },
      );
    });
  });
});
