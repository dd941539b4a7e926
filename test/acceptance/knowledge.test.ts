import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { everyDocument, expectProblem, found, knowledgeOf, seen, withWords, wordOf } from '../support/knowledge.js';
import { type Product, startProduct, unavailable } from '../support/product.js';

const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/;
const SENTENCE = 'The heron waits by the quiet river until the water moves. ';

describe.skipIf(unavailable)('knowledge', () => {
  let product: Product;
  let api: ReturnType<typeof knowledgeOf>;

  beforeAll(async () => {
    product = await startProduct();
    api = knowledgeOf(product);
  });
  afterAll(() => product.stop());

  describe('storing', () => {
    it('answers 201 with Location, ETag and all that is known of the document', async () => {
      const input = {
        id: 'reef-2026.A_1',
        title: 'Corals',
        content: 'Anemones shelter clownfish.',
        metadata: {
          n: 0.1,
          deep: { list: [1, null, 'two', { yes: true }] },
          nothing: null,
          empty: {},
          when: '2026-01-01T00:00:00Z',
        },
        language: 'portuguese',
        agent_id: 'diver',
        artifact_id: 'scan-7',
      };
      const stored = await api.post(input);
      expect(stored.status, stored.text).toBe(201);
      expect(stored.headers.get('location')).toBe('/v1/knowledge/reef-2026.A_1');
      expect(stored.headers.get('etag')).toBe('"1"');
      expect(stored.body).toEqual({
        id: input.id,
        revision: 1,
        status: 'created',
        embedding_status: 'ready',
        passage_count: 1,
        created_at: expect.stringMatching(INSTANT),
        updated_at: stored.body.created_at,
        audit_id: expect.stringMatching(/^\S+$/),
      });
      const read = await api.get(input.id);
      const { status: _, audit_id: __, ...facts } = stored.body;
      expect(read.body).toEqual({ ...input, ...facts, size_bytes: 27 });
      expect(read.headers.get('etag')).toBe('"1"');
      expect(await withWords(product, 'clownfish')).toEqual([input.id]);
      expect(await withWords(product, 'corals')).toEqual([input.id]);
    });

    it('makes UUIDv7 ids that rise, and defaults', async () => {
      const first = await api.post({ content: 'first without an id' });
      const second = await api.post({ content: 'second without an id' });
      expect(first.body.id).toMatch(UUID_V7);
      expect(second.body.id > first.body.id).toBe(true);
      expect((await api.get(first.body.id)).body).toMatchObject({ metadata: {}, language: 'english', revision: 1 });
      expect(Object.keys((await api.get(first.body.id)).body)).not.toContain('title');
    });

    it('changes nothing when the same comes again', async () => {
      const input = { id: 'same', title: 'Same', content: 'Nightjars hum.', metadata: { b: 1, a: 2 } };
      const first = await api.post(input);
      const before = await seen(product, 'nightjars');
      const again = await api.post({ ...input, metadata: { a: 2, b: 1 } });
      expect(again.status).toBe(200);
      expect(again.headers.get('etag')).toBe('"1"');
      const { audit_id: _, ...facts } = first.body;
      expect(again.body).toEqual({ ...facts, status: 'unchanged' });
      expect(await seen(product, 'nightjars')).toEqual(before);
    });

    it('keeps the passages when only metadata is new', async () => {
      const input = { id: 'meta', title: 'Meta', content: 'Bitterns boom at dusk.', metadata: { shelf: 1, old: true } };
      const first = await api.post(input);
      const before = (await seen(product, 'bitterns')).text;
      const changed = await api.post({ ...input, metadata: { shelf: 2 } });
      expect(changed.body).toMatchObject({
        status: 'updated',
        revision: 2,
        passage_count: 1,
        embedding_status: 'ready',
      });
      expect(changed.body.audit_id).not.toBe(first.body.audit_id);
      expect(changed.body.created_at).toBe(first.body.created_at);
      expect((await api.get('meta')).body).toMatchObject({
        metadata: { shelf: 2 },
        content: input.content,
        title: 'Meta',
      });
      expect((await api.get('meta')).body.metadata).not.toHaveProperty('old');
      expect((await seen(product, 'bitterns')).text).toEqual(before.map((hit) => ({ ...hit, revision: 2 })));
      expect(await found(product, { query: 'bitterns', mode: 'vector', filter: { 'metadata.shelf': 2 } })).toEqual([
        'meta',
      ]);
    });

    it('replaces content whole: title, words and size', async () => {
      await api.post({ id: 'swap', title: 'Oldtitleword', content: 'Avocets sweep the mud.', metadata: { gone: 1 } });
      const swapped = await api.post({ id: 'swap', content: 'Curlews probe the sand.' });
      expect(swapped.body).toMatchObject({ status: 'updated', revision: 2, passage_count: 1 });
      expect(await Promise.all(['avocets', 'oldtitleword', 'curlews'].map((word) => withWords(product, word)))).toEqual(
        [[], [], ['swap']],
      );
      const { body } = await api.get('swap');
      expect(body).toMatchObject({ content: 'Curlews probe the sand.', metadata: {}, size_bytes: 23 });
      expect(body).not.toHaveProperty('title');
    });

    it('takes exactly 2 000 000 bytes, in at most 512 passages, all of it searchable', async () => {
      // Each passage has some 200 different words, as prose has: what a text index costs goes by these.
      const words = Array.from({ length: 250_000 }, (_, index) => wordOf(index % 201) + (index % 12 === 11 ? '.' : ''));
      const start = `zanthoxylum ${words.join(' ').slice(0, 999_000)} quincunxial ${words.join(' ')}`;
      const content = `${start.slice(0, 2_000_000 - 20)} ultimaratiozephyrus`;
      expect(Buffer.byteLength(content)).toBe(2_000_000);
      const stored = await api.post({ id: 'huge', content });
      expect(stored.status, stored.text.slice(0, 300)).toBe(201);
      expect(stored.body.passage_count).toBeGreaterThan(400);
      expect(stored.body.passage_count).toBeLessThanOrEqual(512);
      expect(stored.body.embedding_status).toBe('ready');
      for (const word of ['zanthoxylum', 'quincunxial', 'ultimaratiozephyrus']) {
        const { hits } = (await api.search({ query: word, mode: 'text' })).body;
        expect(hits.map(({ id }) => id)).toEqual(['huge']);
        expect(hits[0]!.passages[0]!.text).toContain(word);
      }
      expect((await api.get('huge')).body.content).toBe(content);
      expectProblem(await api.patch('huge', { content: `${content}.` }), 413, 'knowledge:content_too_large');
      expectProblem(await api.post({ id: 'wide', content: 'é'.repeat(1_000_001) }), 413, 'knowledge:content_too_large');
      expect((await api.get('wide')).status).toBe(404);
      expect((await api.get('huge')).body.revision).toBe(1);
      expect((await api.remove('huge')).status).toBe(204);
      expect(await withWords(product, 'zanthoxylum')).toEqual([]);
    });

    it('leads with its title, unless the text does: not for the first letters of a longer word', async () => {
      await api.post({ id: 'begins', title: 'Murre', content: 'Murrelets plunge.' });
      expect(await withWords(product, 'murre')).toEqual(['begins']);
      const { hits } = (await api.search({ query: 'murre', mode: 'text' })).body;
      expect(hits[0]!.passages).toEqual([{ ordinal: 0, text: 'Murre\n\nMurrelets plunge.' }]);
      await api.post({ id: 'begins', title: 'Murrelets', content: 'Murrelets plunge.' });
      expect((await api.search({ query: 'murrelets', mode: 'text' })).body.hits[0]!.passages).toEqual([
        { ordinal: 0, text: 'Murrelets plunge.' },
      ]);
    });

    it('takes passages of the caller as they are', async () => {
      const passages = [{ text: 'Godwits fly far.' }, { text: 'Knots gather.' }, { text: 'Plovers run.' }];
      const stored = await api.post({ id: 'sliced', passages });
      expect(stored.body).toMatchObject({ status: 'created', passage_count: 3, embedding_status: 'ready' });
      const { hits } = (await api.search({ query: 'knots', mode: 'text' })).body;
      expect(hits).toMatchObject([{ id: 'sliced', passages: [{ ordinal: 1, text: 'Knots gather.' }] }]);
      expect((await api.get('sliced')).body.content).toBe('Godwits fly far.\n\nKnots gather.\n\nPlovers run.');
      expectProblem(await api.patch('sliced', { title: 'T' }), 409, 'knowledge:caller_passages');
      expectProblem(await api.patch('sliced', { content: 'other' }), 409, 'knowledge:caller_passages');
      expect((await api.patch('sliced', { metadata: { ok: true } })).body).toMatchObject({
        revision: 2,
        passage_count: 3,
      });
      expect(await withWords(product, 'plovers')).toEqual(['sliced']);
      expect((await api.post({ id: 'sliced', passages: passages.slice(0, 1) })).body).toMatchObject({
        revision: 3,
        passage_count: 1,
      });
      expect(await withWords(product, 'plovers')).toEqual([]);
    });
  });

  describe('changing', () => {
    it('merges a patch into metadata and removes by null', async () => {
      await api.post({
        id: 'patch',
        title: 'Terns',
        content: 'Terns dive.',
        metadata: { a: 1, b: { c: 1, d: [1, 2] }, e: 5 },
      });
      const patched = await api.patch('patch', {
        metadata: { a: null, b: { c: 2, d: [3], f: { g: null, h: 1 } }, i: { j: null } },
      });
      expect(patched.status, patched.text).toBe(200);
      expect(patched.headers.get('etag')).toBe('"2"');
      expect(patched.body).toMatchObject({ id: 'patch', status: 'updated', revision: 2, passage_count: 1 });
      expect((await api.get('patch')).body).toMatchObject({ title: 'Terns', content: 'Terns dive.' });
      expect((await api.get('patch')).body.metadata).toEqual({ b: { c: 2, d: [3], f: { h: 1 } }, e: 5, i: {} });
      expect((await api.patch('patch', {})).body).toMatchObject({ status: 'unchanged', revision: 2 });
      expect((await api.patch('patch', { metadata: null })).body.revision).toBe(3);
      expect((await api.get('patch')).body.metadata).toEqual({});
      await api.patch('patch', { artifact_id: 'file-1', language: 'french' });
      expect((await api.get('patch')).body).toMatchObject({ artifact_id: 'file-1', language: 'french', revision: 4 });
      await api.patch('patch', { artifact_id: null });
      expect((await api.get('patch')).body).not.toHaveProperty('artifact_id');
      expect(await withWords(product, 'dive')).toEqual(['patch']);
    });

    it('takes texts without spaces: a word is as long as a passage, or as 10 000 characters in one of the caller', async () => {
      const letters = 'y'.repeat(300_000);
      const content = `${letters} ${Buffer.from(letters).toString('base64')} https://example.com/?q=${letters} vaquita`;
      expect((await api.post({ id: 'run-on', content })).status).toBe(201);
      const blob = Buffer.from(Array.from({ length: 49_000 }, (_, n) => (n * 31 + (n >> 8)) & 255)).toString('base64');
      const passages = [{ text: `${'y'.repeat(10_000)} vaquita` }, { text: blob }];
      expect((await api.post({ id: 'run-on-passages', passages })).status).toBe(201);
      expect(await withWords(product, 'vaquita')).toEqual(['run-on', 'run-on-passages']);
      const patched = await api.patch('run-on', { content: `vaquita ${letters}` });
      expect([patched.status, patched.body.revision], patched.text).toEqual([200, 2]);
      for (const id of ['run-on', 'run-on-passages']) expect((await api.remove(id)).status).toBe(204);
    });

    it('cuts anew for a new title or content, and finds it by them only', async () => {
      const content = SENTENCE.repeat(60);
      const { passage_count } = (await api.post({ id: 'titled', title: 'Sandpiper', content })).body;
      expect(passage_count).toBeGreaterThan(2);
      expect((await api.patch('titled', { title: 'Turnstone' })).body).toMatchObject({ revision: 2, passage_count });
      expect([await withWords(product, 'sandpiper'), await withWords(product, 'turnstone')]).toEqual([[], ['titled']]);
      expect((await api.patch('titled', { title: null })).body.revision).toBe(3);
      expect(await withWords(product, 'turnstone')).toEqual([]);
      expect((await api.get('titled')).body).not.toHaveProperty('title');
      expect((await api.patch('titled', { content: 'Whimbrels whistle.' })).body).toMatchObject({
        revision: 4,
        passage_count: 1,
      });
      expect([await withWords(product, 'heron river'), await withWords(product, 'whimbrels')]).toEqual([
        [],
        ['titled'],
      ]);
      expect((await api.get('titled')).body).toMatchObject({ content: 'Whimbrels whistle.', size_bytes: 18 });
    });

    it('keeps If-Match: only the current revision is changed', async () => {
      const input = { id: 'match', content: 'Dunlins flock.' };
      for (const tag of ['"1"', '"0"'])
        expectProblem(await api.post(input, { 'if-match': tag }), 412, 'revision:mismatch');
      expect((await api.get('match')).status).toBe(404);
      await api.post(input);
      expect((await api.patch('match', { metadata: { v: 2 } }, { 'if-match': '"1"' })).body.revision).toBe(2);
      const before = await seen(product, 'dunlins');
      for (const tag of ['"1"', '"3"', 'W/"2"', '2', '"two"']) {
        const headers = { 'if-match': tag };
        expectProblem(await api.patch('match', { metadata: { v: 3 } }, headers), 412, 'revision:mismatch');
        expectProblem(await api.post({ ...input, content: 'Gone.' }, headers), 412, 'revision:mismatch');
        expectProblem(await api.remove('match', headers), 412, 'revision:mismatch');
      }
      expect(await seen(product, 'dunlins')).toEqual(before);
      expect((await api.patch('match', { metadata: { v: 4 } }, { 'if-match': '*' })).body.revision).toBe(3);
      expect((await api.remove('match', { 'if-match': '"3"' })).status).toBe(204);
    });

    it('stores nothing new with If-Match: *, which only what is there can keep', async () => {
      const any = { 'if-match': '*' };
      expectProblem(await api.post({ id: 'any', content: 'Dotterels rest.' }, any), 412, 'revision:mismatch');
      expectProblem(await api.post({ content: 'Dotterels rest.' }, any), 412, 'revision:mismatch');
      expect(await withWords(product, 'dotterels')).toEqual([]);
      expectProblem(await api.patch('any', { metadata: {} }, any), 404, 'knowledge:not_found');
      await api.post({ id: 'any', content: 'Dotterels rest.' });
      expect((await api.post({ id: 'any', content: 'Dotterels rest.' }, any)).body.status).toBe('unchanged');
      expect((await api.post({ id: 'any', content: 'Dotterels run.' }, any)).body).toMatchObject({ revision: 2 });
      await api.remove('any');
      expectProblem(await api.post({ id: 'any', content: 'Dotterels rest.' }, any), 412, 'revision:mismatch');
      expect((await api.get('any')).status).toBe(404);
    });

    it('replaces nothing with If-None-Match: *, of many at once one makes it', async () => {
      const none = { 'if-none-match': '*' };
      const answers = await Promise.all(
        Array.from({ length: 8 }, (_, n) => api.post({ id: 'none', content: `Sanderlings run, ${wordOf(n)}.` }, none)),
      );
      expect(answers.map(({ status }) => status).sort()).toEqual([201, ...Array(7).fill(412)]);
      const refused = answers.find(({ status }) => status === 412)!;
      expectProblem(refused, 412, 'revision:mismatch');
      expect((await api.get('none')).body.revision).toBe(1);
      expect(await withWords(product, 'sanderlings')).toEqual(['none']);
      // Also for what would change nothing.
      const { content } = (await api.get('none')).body;
      expectProblem(await api.post({ id: 'none', content }, none), 412, 'revision:mismatch');
      await api.remove('none');
      expect((await api.post({ id: 'none', content: 'Sanderlings come back.' }, none)).status).toBe(201);
    });

    it('answers 304 to If-None-Match while nothing changed', async () => {
      await api.post({ id: 'cached', content: 'Ruffs dance.' });
      for (const tags of ['"1"', 'W/"1"', '*', '"0", W/"1"', '"1","2"']) {
        const unchanged = await api.get('cached', { 'if-none-match': tags });
        expect([unchanged.status, unchanged.text, unchanged.headers.get('etag')], tags).toEqual([304, '', '"1"']);
      }
      for (const tags of ['"2"', 'W/"2"', '1', '"11"', '"0", "2"'])
        expect((await api.get('cached', { 'if-none-match': tags })).status, tags).toBe(200);
      await api.patch('cached', { metadata: { x: 1 } });
      const changed = await api.get('cached', { 'if-none-match': '"1"' });
      expect([changed.status, changed.body.revision]).toEqual([200, 2]);
    });

    it('deletes all of a document, and goes on counting when it comes back', async () => {
      await api.post({ id: 'gone', title: 'Phalarope', content: 'Phalaropes spin.', metadata: { kind: 'gone' } });
      const deleted = await api.remove('gone');
      expect([deleted.status, deleted.text]).toEqual([204, '']);
      expect(deleted.headers.get('acervo-audit-id')).toMatch(/^\S+$/);
      for (const answer of [await api.get('gone'), await api.patch('gone', { metadata: {} }), await api.remove('gone')])
        expectProblem(answer, 404, 'knowledge:not_found');
      expect(await withWords(product, 'phalaropes')).toEqual([]);
      expect(
        await found(product, { query: 'phalaropes', mode: 'vector', filter: { 'metadata.kind': 'gone' } }),
      ).toEqual([]);
      expect((await everyDocument(product)).map(({ id }) => id)).not.toContain('gone');
      const back = await api.post({ id: 'gone', content: 'Jacanas walk on leaves.' });
      expect([back.status, back.body.status, back.body.revision]).toEqual([201, 'created', 3]);
      expect([await withWords(product, 'phalaropes'), await withWords(product, 'jacanas')]).toEqual([[], ['gone']]);
      expect((await api.remove('gone', { 'if-match': '"1"' })).status).toBe(412);
    });
  });

  describe('listing', () => {
    const ids = Array.from({ length: 45 }, (_, index) => `list-${String(index).padStart(3, '0')}`);
    const filter = JSON.stringify({ 'metadata.series': 'list' });

    async function pages(query: Record<string, string>): Promise<string[][]> {
      const all: string[][] = [];
      for (let cursor: string | undefined = ''; cursor !== undefined; ) {
        const page = await api.list({ ...query, ...(cursor === '' ? {} : { cursor }) });
        expect(page.status, page.text).toBe(200);
        all.push(page.body.documents.map(({ id }) => id));
        cursor = page.body.cursor;
      }
      return all;
    }

    beforeAll(async () => {
      const shuffled = [...ids].sort((a, b) => (a.slice(-1) + a < b.slice(-1) + b ? -1 : 1));
      const results = await product.bulk(
        shuffled.map((id, n) => ({ id, content: `${wordOf(n)} listed`, metadata: { series: 'list', n } })),
      );
      expect(results.map(({ status }) => status)).toEqual(ids.map(() => 'stored'));
    });

    it('pages through 45 documents without gap or repeat, both ways', async () => {
      const ascending = await pages({ filter, limit: '10' });
      expect(ascending.map((page) => page.length)).toEqual([10, 10, 10, 10, 5]);
      expect(ascending.flat()).toEqual(ids);
      expect((await pages({ filter, limit: '7', order: 'desc' })).flat()).toEqual([...ids].reverse());
      expect(await pages({ filter, limit: '45' })).toEqual([ids]);
      expect((await pages({ filter }))[0]).toHaveLength(20);
    });

    it('does not repeat or skip what stays while others come and go', async () => {
      const first = await api.list({ filter, limit: '20' });
      await api.remove('list-005');
      await api.post({ id: 'list-0195', content: 'inserted behind the cursor', metadata: { series: 'list' } });
      const second = await api.list({ filter, limit: '100', cursor: first.body.cursor! });
      expect(second.body.documents.map(({ id }) => id)).toEqual(['list-0195', ...ids.slice(20)]);
      await api.remove('list-0195');
      await api.post({ id: 'list-005', content: 'back', metadata: { series: 'list', n: 5 } });
    });

    it('filters, and shows rows without their content', async () => {
      const query = JSON.stringify({ 'metadata.series': 'list', id: { $in: ['list-001', 'list-002', 'swap'] } });
      for (const text of ['{', '', 'x']) expectProblem(await api.list({ filter: text }), 400, 'filter:invalid');
      const { documents } = (await api.list({ filter: query })).body;
      expect(documents.map(({ id }) => id)).toEqual(['list-001', 'list-002']);
      const { content: _, ...row } = (await api.get('list-001')).body;
      expect(documents[0]).toEqual(row);
      expect((await api.list({ filter: JSON.stringify({ 'metadata.series': 'none' }) })).body).toEqual({
        documents: [],
      });
    });
  });

  describe('two writers of one document', () => {
    const eight = Array.from({ length: 8 }, (_, index) => index);

    it('loses none of 8 patches of different keys', async () => {
      await api.post({ id: 'many', content: 'Patched by many.', metadata: {} });
      const answers = await Promise.all(eight.map((n) => api.patch('many', { metadata: { [`key-${n}`]: n } })));
      expect(answers.map(({ status }) => status)).toEqual(eight.map(() => 200));
      expect(answers.map(({ body }) => body.revision).sort((a, b) => a - b)).toEqual(eight.map((n) => n + 2));
      const expected = Object.fromEntries(eight.map((n) => [`key-${n}`, n]));
      expect((await api.get('many')).body).toMatchObject({ metadata: expected, revision: 9 });
    });

    it('ends with one of 8 replacements, whole', async () => {
      const contentOf = (n: number) => `${SENTENCE.replaceAll('heron', wordOf(800 + n))} `.repeat(25 + n);
      for (const round of [1, 2, 3]) {
        const answers = await Promise.all(
          eight.map((n) => api.post({ id: 'contested', content: contentOf(n), metadata: { n, round } })),
        );
        expect(answers.map(({ status }) => (status === 201 ? 200 : status))).toEqual(eight.map(() => 200));
        const { body } = await api.get('contested');
        const winner = body.metadata.n as number;
        expect(body.content).toBe(contentOf(winner));
        const finds = await Promise.all(eight.map((n) => withWords(product, wordOf(800 + n))));
        expect(finds).toEqual(eight.map((n) => (n === winner ? ['contested'] : [])));
        const own = answers[winner]!.body;
        expect([body.passage_count, body.revision]).toEqual([own.passage_count, own.revision]);
      }
    });

    it('leaves no half of a document when PATCH and DELETE meet', async () => {
      for (const n of eight) {
        await api.post({ id: 'beside', title: wordOf(900), content: `${wordOf(901)} before` });
        const [patched, deleted] = await Promise.all([
          api.patch('beside', { content: `${wordOf(902)} after ${n}` }),
          api.remove('beside'),
        ]);
        expect(deleted.status).toBe(204);
        expect([200, 404]).toContain(patched.status);
        expect((await api.get('beside')).status).toBe(404);
        expect(await Promise.all([900, 901, 902].map((word) => withWords(product, wordOf(word))))).toEqual([
          [],
          [],
          [],
        ]);
      }
    });

    it('leaves a whole document or none when POST and DELETE meet', async () => {
      for (const n of eight) {
        await api.post({ id: 'beside', content: `${wordOf(911)} before` });
        await Promise.all([api.post({ id: 'beside', content: `${wordOf(912)} after ${n}` }), api.remove('beside')]);
        const left = await api.get('beside');
        const finds = await Promise.all([911, 912].map((word) => withWords(product, wordOf(word))));
        expect(finds).toEqual([[], left.status === 404 ? [] : ['beside']]);
        if (left.status === 200) expect(left.body.content).toBe(`${wordOf(912)} after ${n}`);
      }
    });
  });

  describe('idempotency', () => {
    it('gives the same answer to the same request, and changes once', async () => {
      const headers = { 'idempotency-key': 'k-1' };
      const first = await api.post({ content: 'Stored once only.' }, headers);
      const again = await api.post({ content: 'Stored once only.' }, headers);
      expect(first.status).toBe(201);
      expect([again.status, again.body]).toEqual([201, first.body]);
      expect(again.headers.get('location')).toBe(first.headers.get('location'));
      expect(await withWords(product, 'stored once')).toEqual([first.body.id]);
      for (const other of [{ content: 'Stored once only!' }, { content: 'Stored once only.', title: 't' }])
        expectProblem(await api.post(other, headers), 422, 'idempotency:key_reused');
      expectProblem(await api.patch(first.body.id, { metadata: { a: 1 } }, headers), 422, 'idempotency:key_reused');
      expectProblem(await api.remove(first.body.id, headers), 422, 'idempotency:key_reused');
      expect((await api.get(first.body.id)).body).toMatchObject({
        content: 'Stored once only.',
        revision: 1,
        metadata: {},
      });
    });

    it('has one effect when the same request comes 8 times at once', async () => {
      const headers = { 'idempotency-key': 'k-2' };
      const answers = await Promise.all(
        Array.from({ length: 8 }, () => api.post({ content: 'Parallelogram.' }, headers)),
      );
      const done = answers.filter(({ status }) => status === 201);
      for (const answer of answers) if (answer.status !== 201) expectProblem(answer, 409, 'idempotency:in_flight');
      expect(done.length).toBeGreaterThan(0);
      for (const { body } of done) expect(body).toEqual(done[0]!.body);
      expect(await withWords(product, 'parallelogram')).toEqual([done[0]!.body.id]);
    });

    it('answers a retry as before, though its If-Match is stale by its own doing', async () => {
      await api.post({ id: 'retry', content: 'Retried.', metadata: {} });
      const headers = { 'idempotency-key': 'k-3', 'if-match': '"1"' };
      const first = await api.patch('retry', { metadata: { a: 1 } }, headers);
      const again = await api.patch('retry', { metadata: { a: 1 } }, headers);
      expect([first.status, first.body.revision]).toEqual([200, 2]);
      expect([again.status, again.body]).toEqual([200, first.body]);
      const replace = { 'idempotency-key': 'k-4', 'if-match': '"2"' };
      const replaced = await api.post({ id: 'retry', content: 'Replaced.' }, replace);
      expect(replaced.body.revision).toBe(3);
      expect((await api.post({ id: 'retry', content: 'Replaced.' }, replace)).body).toEqual(replaced.body);
      const remove = { 'idempotency-key': 'k-5', 'if-match': '"3"' };
      const [deleted, repeated] = [await api.remove('retry', remove), await api.remove('retry', remove)];
      expect([deleted.status, repeated.status]).toEqual([204, 204]);
      expect(repeated.headers.get('acervo-audit-id')).toBe(deleted.headers.get('acervo-audit-id'));
    });

    it('answers the retry of a patch whose document is gone by now', async () => {
      await api.post({ id: 'fleeting', content: 'Fleeting.' });
      const headers = { 'idempotency-key': 'k-6' };
      const first = await api.patch('fleeting', { metadata: { a: 1 } }, headers);
      await api.remove('fleeting');
      const again = await api.patch('fleeting', { metadata: { a: 1 } }, headers);
      expect([again.status, again.body]).toEqual([200, first.body]);
    });

    it('does not keep a refusal: the same key works once its cause is gone', async () => {
      const headers = { 'idempotency-key': 'k-7' };
      expectProblem(await api.patch('late', { metadata: { a: 1 } }, headers), 404, 'knowledge:not_found');
      await api.post({ id: 'late', content: 'Late.' });
      expect((await api.patch('late', { metadata: { a: 1 } }, headers)).body.revision).toBe(2);
    });
  });
});

describe.skipIf(unavailable)('knowledge with vectors of the caller', () => {
  const axis = (index: number) => Array.from({ length: 8 }, (_, at) => (at === index ? 2 : 0));
  let product: Product;
  let api: ReturnType<typeof knowledgeOf>;
  const near = (index: number) => found(product, { vector: axis(index), mode: 'vector', min_score: 0.9 });

  beforeAll(async () => {
    product = await startProduct({ ACERVO_EMBEDDER: 'caller', ACERVO_EMBEDDING_DIMENSIONS: '8' });
    api = knowledgeOf(product);
  });
  afterAll(() => product.stop());

  it('finds a document by the vector that stands for it, until it is replaced or deleted', async () => {
    const stored = await api.post({ id: 'whole', content: 'Whole.', vector: axis(0) });
    expect(stored.body).toMatchObject({ embedding_status: 'ready', passage_count: 1 });
    const { hits } = (await api.search({ vector: axis(0), mode: 'vector' })).body;
    expect(hits).toMatchObject([{ id: 'whole', passages: [{ ordinal: 0, text: 'Whole.' }] }]);
    expect(hits[0]!.scores.vector).toBeCloseTo(1, 3.5);
    await api.patch('whole', { metadata: { kept: true } });
    expect(await near(0)).toEqual(['whole']);
    await api.post({ id: 'whole', content: 'Whole.', vector: axis(1) });
    expect([await near(0), await near(1)]).toEqual([[], ['whole']]);
    await api.remove('whole');
    expect([await near(0), await near(1)]).toEqual([[], []]);
  });

  it('finds it by the vectors of its passages, and forgets those of passages that are gone', async () => {
    const passages = [2, 3, 4].map((n) => ({ text: `passage ${n}`, vector: axis(n) }));
    await api.post({ id: 'parts', passages, vector: axis(5) });
    expect(await Promise.all([2, 3, 4, 5].map(near))).toEqual(Array(4).fill(['parts']));
    const { hits } = (await api.search({ vector: axis(3), mode: 'vector' })).body;
    expect(hits[0]).toMatchObject({ id: 'parts' });
    expect(hits[0]!.passages[0]).toEqual({ ordinal: 1, text: 'passage 3' });
    await api.post({ id: 'parts', passages: passages.slice(0, 1) });
    expect(await Promise.all([2, 3, 4, 5].map(near))).toEqual([['parts'], [], [], []]);
    await api.post({ id: 'parts', content: 'without any vector' });
    expect((await api.get('parts')).body.embedding_status).toBe('none');
    expect((await api.patch('parts', { title: 'Still without' })).body).toMatchObject({ status: 'updated' });
    expect((await api.get('parts')).body).toMatchObject({ title: 'Still without', embedding_status: 'none' });
    expect(await near(2)).toEqual([]);
    expect(await withWords(product, 'without vector')).toEqual(['parts']);
  });

  it.each([
    ['too short', { vector: [1, 2, 3] }, 'vector:wrong_dimensions', 'vector'],
    ['too long', { vector: Array(9).fill(1) }, 'vector:wrong_dimensions', 'vector'],
    ['all zeros', { vector: Array(8).fill(0) }, 'vector:zero', 'vector'],
    [
      'of a passage too short',
      {
        passages: [
          { text: 'a', vector: axis(0) },
          { text: 'b', vector: [1] },
        ],
      },
      'vector:wrong_dimensions',
      'passages.1.vector',
    ],
    ['of a passage zero', { passages: [{ text: 'a', vector: Array(8).fill(-0) }] }, 'vector:zero', 'passages.0.vector'],
    ['not numbers', { vector: Array(8).fill('1') }, 'request:invalid', 'vector.0'],
    ['null inside', { vector: [null, 1, 1, 1, 1, 1, 1, 1] }, 'request:invalid', 'vector.0'],
    ['empty', { vector: [] }, 'request:invalid', 'vector'],
    ['of 4 097 numbers', { vector: Array(4097).fill(1) }, 'request:invalid', 'vector'],
  ])('refuses a vector %s', async (_, input, code, path) => {
    const problem = expectProblem(await api.post({ id: 'refused', content: 'refused', ...input }), 400, code);
    expect(problem.errors[0]!.path).toBe(path);
    expect((await api.get('refused')).status).toBe(404);
    expect(await withWords(product, 'refused')).toEqual([]);
  });

  it('keeps the direction of vectors at the edges of what a double can hold', async () => {
    for (const scale of [1e300, 1e-300]) {
      const id = `scale-${scale > 1 ? 'big' : 'small'}`;
      expect((await api.post({ id, content: id, vector: [0, 0, 0, 0, 0, 0, scale, scale] })).status).toBe(201);
      expect(await found(product, { vector: [0, 0, 0, 0, 0, 0, 1, 1], mode: 'vector', min_score: 0.999 })).toContain(
        id,
      );
    }
  });

  it('asks for a vector where one is needed', async () => {
    expectProblem(await api.search({ query: 'whole', mode: 'vector' }), 400, 'embedding:vector_required');
    expectProblem(await api.search({ vector: axis(0), mode: 'text' }), 400, 'search:nothing_to_search');
    expectProblem(await api.search({ vector: [1, 2], mode: 'vector' }), 400, 'vector:wrong_dimensions');
    expectProblem(await api.search({}), 400, 'search:nothing_to_search');
  });
});
