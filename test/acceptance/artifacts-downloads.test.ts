import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { artifactsOf, bytesOf, keyFor, sendWell, sha256 } from '../support/artifacts.js';
import { expectProblem } from '../support/knowledge.js';
import { objectsUnavailable, type ProductWithObjects, startProductWithObjects } from '../support/objects.js';
import { onStack } from '../support/product.js';
import { waitFor } from '../support/stack-servers.js';

const TEN = Buffer.from('0123456789');

describe.skipIf(objectsUnavailable)('downloads', () => {
  let all: ProductWithObjects;
  let api: ReturnType<typeof artifactsOf>;

  beforeAll(async () => {
    all = await startProductWithObjects();
    api = artifactsOf(all.product);
    await api.stored(TEN, { id: 'ten', name: 'ten.txt', content_type: 'text/html' });
  });
  afterAll(() => all?.stop());

  const tag = `"${sha256(TEN)}"`;

  describe('content', () => {
    it('is an attachment that nothing runs in', async () => {
      const answer = await api.content('ten');
      expect(Object.fromEntries(answer.headers)).toMatchObject({
        'content-type': 'text/html',
        'content-length': '10',
        'content-disposition': `attachment; filename="ten.txt"; filename*=UTF-8''ten.txt`,
        'x-content-type-options': 'nosniff',
        'content-security-policy': "sandbox; default-src 'none'",
        'cache-control': 'private, no-cache',
        'accept-ranges': 'bytes',
        'repr-digest': `sha-256=:${Buffer.from(sha256(TEN), 'hex').toString('base64')}:`,
        etag: tag,
      });
      expect(await answer.text()).toBe('0123456789');
    });

    it.each([
      ['bytes=0-0', '0', '0-0'],
      ['bytes=2-4', '234', '2-4'],
      ['bytes=7-', '789', '7-9'],
      ['bytes=-3', '789', '7-9'],
      ['bytes=-99', '0123456789', '0-9'],
      ['bytes=8-99', '89', '8-9'],
      ['bytes=0-9', '0123456789', '0-9'],
    ])('gives the range %s', async (range, text, sent) => {
      const answer = await api.content('ten', { range });
      expect([answer.status, await answer.text()]).toEqual([206, text]);
      expect(answer.headers.get('content-range')).toBe(`bytes ${sent}/10`);
      expect(answer.headers.get('content-length')).toBe(String(text.length));
      expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
    });

    it.each(['bytes=10-', 'bytes=10-12', 'bytes=-0', 'bytes=999999999999999-'])('has no range %s', async (range) => {
      const answer = await api.content('ten', { range });
      const problem = (await answer.json()) as { code: string };
      expect([answer.status, problem.code]).toEqual([416, 'artifact:range_not_satisfiable']);
    });

    it.each([
      'bytes=0-1,4-5',
      'bytes=5-2',
      'lines=1-2',
      'bytes=',
      'bytes=-',
      'bytes=a-b',
      'bytes=--1',
      'bytes=1--2',
      `bytes=0-${'9'.repeat(400)}`,
    ])('sends the whole for %s', async (range) => {
      const answer = await api.content('ten', { range });
      expect([answer.status, await answer.text()]).toEqual([200, '0123456789']);
      expect(answer.headers.has('content-range')).toBe(false);
    });

    it('minds If-Range and If-None-Match', async () => {
      const range = 'bytes=1-2';
      const same = await api.content('ten', { range, 'if-range': tag });
      expect([same.status, await same.text()]).toEqual([206, '12']);
      for (const other of ['"other"', `W/${tag}`, 'Wed, 21 Oct 2015 07:28:00 GMT']) {
        const answer = await api.content('ten', { range, 'if-range': other });
        expect([other, answer.status, await answer.text()]).toEqual([other, 200, '0123456789']);
      }
      for (const known of [tag, `W/${tag}`, `"a", ${tag}`, '*']) {
        const answer = await api.content('ten', { 'if-none-match': known });
        expect([known, answer.status, await answer.text()]).toEqual([known, 304, '']);
        expect(answer.headers.get('etag')).toBe(tag);
      }
      expect((await api.content('ten', { 'if-none-match': '"other"' })).status).toBe(200);
    });

    it('answers HEAD as GET without the bytes', async () => {
      const answer = await api.head('ten');
      expect([answer.status, await answer.text(), answer.headers.get('content-length')]).toEqual([200, '', '10']);
      expect(answer.headers.get('etag')).toBe(tag);
      expect((await api.head('ten', { 'if-none-match': tag })).status).toBe(304);
      expect((await api.head('nobody')).status).toBe(404);
    });

    it('has nothing of an artifact without bytes, or of a version that is not its own', async () => {
      const { body } = await api.reserve({ size_bytes: 1 });
      expectProblem(await all.product.call('GET', `/v1/artifacts/${body.id}/content`), 409, 'artifact:not_stored');
      expectProblem(await api.url(body.id), 409, 'artifact:not_stored');
      const other = await api.stored(Buffer.from('x'));
      for (const version of [other.version_id!, 'nonsense', '../ten', 'null', '\u{1F40B}'])
        expect([version, (await api.content('ten', {}, `?version_id=${encodeURIComponent(version)}`)).status]).toEqual([
          version,
          404,
        ]);
    });

    it.each([
      ['quotes', `a"b\\c'd.txt`, `attachment; filename="a_b_c'd.txt"; filename*=UTF-8''a%22b%5Cc%27d.txt`],
      ['right to left', '\u202Egpj.exe', `attachment; filename="_gpj.exe"; filename*=UTF-8''%E2%80%AEgpj.exe`],
      ['emoji', '\u{1F40B}.png', `attachment; filename="__.png"; filename*=UTF-8''%F0%9F%90%8B.png`],
      [
        'a path',
        '../../etc/passwd',
        `attachment; filename=".._.._etc_passwd"; filename*=UTF-8''..%2F..%2Fetc%2Fpasswd`,
      ],
      [
        'a parameter',
        'x; filename=y.exe',
        `attachment; filename="x; filename=y.exe"; filename*=UTF-8''x%3B%20filename%3Dy.exe`,
      ],
      ['percent', '%41%00.txt', `attachment; filename="_41_00.txt"; filename*=UTF-8''%2541%2500.txt`],
    ])('names a file harmlessly: %s', async (_, name, disposition) => {
      const { id } = await api.stored(TEN, { name, content_type: 'text/plain; a="b; c"' });
      expect((await api.get(id)).body.name).toBe(name);
      const answer = await api.content(id);
      expect(answer.headers.get('content-disposition')).toBe(disposition);
      expect(answer.headers.get('content-type')).toBe('text/plain; a="b; c"');
      const signed = await fetch((await api.url(id)).body.url);
      expect([signed.status, await signed.text()]).toEqual([200, '0123456789']);
      expect(signed.headers.get('content-disposition')).toBe(disposition);
    });

    it.each([
      'a\r\nset-cookie: x=1',
      'a\nb',
      'a\u0000b',
      '\u007F',
      '\u0085',
      '',
      'x'.repeat(201),
      '\u{1F40B}'.repeat(51),
    ])('refuses the name %j', async (name) => {
      expectProblem(await api.reserve({ name, size_bytes: 1 }), 400, 'request:invalid');
      expectProblem(await api.reserve({ name: 'x', entity: name, size_bytes: 1 }), 400, 'request:invalid');
    });

    it.each([
      'text',
      'text/',
      '/plain',
      'text/plain\r\nx: y',
      'text/plain; a="\u65e5"',
      'text/plain; a="\r\n"',
      'a/b;c',
      '',
    ])('refuses the type %j', async (content_type) => {
      expectProblem(await api.reserve({ content_type, size_bytes: 1 }), 400, 'request:invalid');
      const { id } = await api.stored(TEN);
      expectProblem(await api.upload(id, { content_type, size_bytes: 1 }), 400, 'request:invalid');
    });
  });

  describe('by URL', () => {
    it('needs no key, and is the same until the object is another', async () => {
      const { id } = await api.stored(TEN);
      const first = (await api.url(id)).body;
      expect(first.cached).toBe(false);
      const second = (await api.url(id)).body;
      expect(second).toEqual({ ...first, cached: true });
      expect(Date.parse(first.expires_at) - Date.now()).toBeGreaterThan(3_000_000);
      expect(await (await fetch(first.url)).text()).toBe('0123456789');
      const ranged = await fetch(first.url, { headers: { range: 'bytes=2-3' } });
      expect([ranged.status, await ranged.text()]).toEqual([206, '23']);
      await api.put(id, Buffer.from('another'));
      const third = (await api.url(id)).body;
      expect(third).toMatchObject({ cached: false });
      expect(await (await fetch(third.url)).text()).toBe('another');
      // A URL is for the version that it was made for.
      expect(await (await fetch(first.url)).text()).toBe('0123456789');
      await api.remove(id);
      expectProblem(await api.url(id), 404, 'artifact:not_found');
    });

    it('opens nothing when it is changed, expired, or used with another method', async () => {
      await all.product.stop();
      const short = await all.restart({ ACERVO_DOWNLOAD_URL_TTL_SECONDS: '10', ACERVO_UPLOAD_URL_TTL_SECONDS: '1' });
      const { body } = await api.reserve({ size_bytes: 10, upload_method: 'PUT' });
      const put = body.upload.url!;
      await waitFor('the URL to expire', async () => new Date() > new Date(body.upload.expires_at));
      await waitFor('its end', async () => {
        const late = await fetch(put, { method: 'PUT', body: TEN });
        const text = await late.text();
        return late.status === 403 && /artifact:url_expired|has expired/.test(text);
      });
      const { id } = await api.stored(TEN);
      const { url } = (await api.url(id)).body;
      const method = await fetch(url, { method: 'PUT', body: 'overwritten' });
      expect([403, 405], await method.text()).toContain(method.status);
      const at = url.length - 20;
      const changed = url.slice(0, at) + (url[at] === 'a' ? 'b' : 'a') + url.slice(at + 1);
      const forged = [changed, `${url}A`, url.slice(0, -1)];
      for (const one of forged) {
        const answer = await fetch(one);
        expect([403], `${one} ${await answer.text()}`).toContain(answer.status);
      }
      if (!onStack) {
        const codes = await Promise.all(
          forged.map(async (one) => ((await (await fetch(one)).json()) as { code: string }).code),
        );
        expect(new Set(codes)).toEqual(new Set(['artifact:url_invalid']));
        const token = put.split('/').at(-1)!;
        for (const path of [`/objects/${token}`, '/objects/AAAA', `/objects/${'A'.repeat(3999)}`])
          expect((await fetch(`${short.url}${path}`)).status).toBe(403);
        for (const path of ['/objects/..%2f..%2fetc', '/objects/', `/objects/${'A'.repeat(5000)}`])
          expect([400, 404]).toContain((await fetch(`${short.url}${path}`)).status);
      }
      expect(await api.bytes(id)).toEqual(TEN);
      expect((await api.get(body.id)).body.version_count).toBe(0);
      await all.product.stop();
      await all.restart({ ACERVO_DOWNLOAD_URL_TTL_SECONDS: '', ACERVO_UPLOAD_URL_TTL_SECONDS: '' });
    });

    it('gives 100 artifacts at once, in their order, with what is unknown or of others told apart', async () => {
      const agent = await keyFor(all.product, { agent_id: 'batcher' });
      const own = artifactsOf(all.product, agent);
      const mine = await Promise.all(Array.from({ length: 20 }, () => own.stored(TEN)));
      const foreign = await api.stored(TEN, { agent_id: 'somebody' });
      const { body: waiting } = await own.reserve({ size_bytes: 1 });
      const unknown = Array.from({ length: 77 }, (_, n) => `unknown-${n}`);
      const ids = [...mine.map(({ id }) => id), foreign.id, waiting.id, ...unknown, mine[0]!.id];
      const answer = await own.batch({ ids });
      expect(answer.status, answer.text).toBe(200);
      expect(answer.body.artifacts.map(({ id }) => id)).toEqual(ids);
      const errors = answer.body.artifacts.filter(({ error }) => error !== undefined);
      expect(errors).toEqual([foreign.id, ...unknown].map((id) => ({ id, error: 'artifact:not_found' })));
      expect(answer.body.artifacts.at(-1)).toEqual(answer.body.artifacts[0]);
      expect(answer.body.artifacts[21]).toMatchObject({ artifact: { status: 'reserved' } });
      expect(answer.body.artifacts[21]).not.toHaveProperty('url');
      const { url } = answer.body.artifacts[7]!;
      expect(await (await fetch(url!)).text()).toBe('0123456789');
      expect((await own.url(mine[7]!.id)).body).toMatchObject({ url, cached: true });
      const bare = await own.batch({ ids: [mine[0]!.id], presign: false });
      expect(bare.body.artifacts[0]).not.toHaveProperty('url');
      for (const wrong of [[], Array(101).fill('x'), ['../x'], ['a b'], 'x'])
        expectProblem(await own.batch({ ids: wrong }), 400, 'request:invalid');
    });
  });

  describe('lists', () => {
    it('pages by filter, by status and in both directions', async () => {
      const large = { metadata: { shelf: 'list', year: 2024 }, content_type: 'application/pdf' };
      const made: string[] = [];
      for (let n = 0; n < 7; n += 1) made.push((await api.stored(bytesOf(100 + n), large)).id);
      const { body: waiting } = await api.reserve({ size_bytes: 999, ...large });
      const filter = JSON.stringify({ 'metadata.shelf': 'list', size_bytes: { $gt: 101 } });
      const walk = async (query: Record<string, string>) => {
        const ids: string[] = [];
        let cursor: string | undefined;
        do {
          const page = await api.list({ filter, limit: '2', ...query, ...(cursor === undefined ? {} : { cursor }) });
          expect(page.status, page.text).toBe(200);
          ids.push(...page.body.artifacts.map(({ id }) => id));
          cursor = page.body.cursor;
        } while (cursor !== undefined);
        return ids;
      };
      expect(await walk({})).toEqual(made.slice(2));
      expect(await walk({ order: 'desc' })).toEqual(made.slice(2).reverse());
      expect(await walk({ status: 'reserved' })).toEqual([waiting.id]);
      expect(await walk({ status: 'all' })).toEqual([...made.slice(2), waiting.id]);
      await api.remove(made[3]!);
      expect(await walk({ status: 'deleted' })).toEqual([made[3]]);
      expect(await walk({})).toEqual([...made.slice(2, 3), ...made.slice(4)]);
      const { cursor } = (await api.list({ filter, limit: '2' })).body;
      expectProblem(await api.list({ filter, limit: '2', order: 'desc', cursor: cursor! }), 400, 'cursor:invalid');
      expectProblem(await api.list({ limit: '2', cursor: cursor! }), 400, 'cursor:invalid');
      expectProblem(await api.list({ filter: '{"key; DELETE minio_references":1}' }), 400, 'filter:unknown_path');
      expectProblem(await api.list({ filter: '{' }), 400, 'filter:invalid');
    });

    it('finds nothing more by a value that would be SurrealQL', async () => {
      for (const value of ["x' OR true OR '", '`; REMOVE TABLE minio_references; --', '$parent', 'type::record("x")']) {
        const { id } = await api.stored(TEN, { metadata: { value }, name: value, entity: value, user: value });
        const found = await api.list({ filter: JSON.stringify({ 'metadata.value': value }) });
        expect(found.body.artifacts.map((one) => one.id)).toEqual([id]);
        const named = await api.list({ filter: JSON.stringify({ name: value }) });
        expect(named.body.artifacts.map((one) => one.id)).toEqual([id]);
      }
      expect(await api.bytes('ten')).toEqual(TEN);
    });

    it('uploads past the server are listed by what was declared', async () => {
      const { body } = await api.reserve({ size_bytes: 10, metadata: { shelf: 'past' } });
      await sendWell(body.upload, TEN);
      await api.complete(body.id);
      const page = await api.list({ filter: JSON.stringify({ 'metadata.shelf': 'past', size_bytes: 10 }) });
      expect(page.body.artifacts).toMatchObject([{ id: body.id, sha256: sha256(TEN) }]);
    });
  });
});
