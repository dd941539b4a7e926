import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { bytesReply, contentLength, declaredSha256 } from '../../../src/http/bytes.js';
import { resolveRange } from '../../../src/objects/disk/ranges.js';

const ETAG = '"abc"';

async function answered(content: Buffer, headers: Record<string, string>, method = 'GET') {
  let opened = 0;
  const reply = await bytesReply(new Request('http://x/', { method, headers }), {
    etag: ETAG,
    size_bytes: content.length,
    headers: { 'content-type': 'a/b' },
    open: async (range) => {
      opened += 1;
      const content_range = range === undefined ? null : resolveRange(range, content.length);
      const part = content_range === null ? content : content.subarray(content_range.first, content_range.last + 1);
      return { body: Readable.from([part], { objectMode: false }), content_range };
    },
  });
  const body =
    reply.body === undefined ? undefined : Buffer.from(await new Response(reply.body as ReadableStream).arrayBuffer());
  return { status: reply.status, headers: reply.headers ?? {}, body, opened };
}

describe('bytes', () => {
  test('are given as the range says, whatever it is', async () => {
    const numbers = fc.oneof(fc.integer({ min: 0, max: 40 }), fc.constant(''), fc.constant(10 ** 14));
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 32 }), numbers, numbers, async (size, first, last) => {
        const content = Buffer.from(Array.from({ length: size }, (_, n) => n));
        const range = `bytes=${first}-${last}`;
        const bounds =
          first === ''
            ? [Math.max(0, size - Number(last)), size - 1]
            : [first, Math.min(last === '' ? size : Number(last), size - 1)];
        const whole = (first === '' && last === '') || (first !== '' && last !== '' && Number(last) < Number(first));
        const none = !whole && (Number(bounds[0]) >= size || (first === '' && Number(last) === 0));
        if (none) {
          await expect(answered(content, { range })).rejects.toMatchObject({ code: 'artifact:range_not_satisfiable' });
          return;
        }
        const { status, headers, body } = await answered(content, { range });
        const [from, to] = [Number(bounds[0]), Number(bounds[1])];
        expect(status).toBe(whole ? 200 : 206);
        expect(body).toEqual(whole ? content : content.subarray(from, to + 1));
        expect(headers['content-length']).toBe(String(body!.length));
        expect(headers['content-range']).toBe(whole ? undefined : `bytes ${from}-${to}/${size}`);
      }),
      { numRuns: 500 },
    );
  });

  test('are whole for what is no range, and never more than they are', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary-ascii' }), async (text) => {
        const range = text.replaceAll(/[^\x21-\x7e]/g, '');
        const content = Buffer.from('0123456789');
        const result = await answered(content, { range }).catch((error) => error);
        if ('code' in result) expect(result.code).toBe('artifact:range_not_satisfiable');
        else expect(content.includes(result.body)).toBe(true);
      }),
    );
  });

  test('are not opened for HEAD, nor for whom knows them', async () => {
    const content = Buffer.from('abc');
    expect(await answered(content, {}, 'HEAD')).toMatchObject({
      ...{ status: 200, opened: 0, body: undefined },
      headers: { 'content-length': '3', etag: ETAG },
    });
    for (const tag of [ETAG, `W/${ETAG}`, `"x", ${ETAG}`, '*'])
      expect(await answered(content, { 'if-none-match': tag })).toMatchObject({ status: 304, opened: 0 });
    expect(await answered(content, { 'if-none-match': '"x"' })).toMatchObject({ status: 200, opened: 1 });
  });

  test('are sent so that no browser runs them, unless the reply says less', async () => {
    const { headers } = await answered(Buffer.from('<script>'), {});
    expect(headers).toMatchObject({
      'content-security-policy': "sandbox; default-src 'none'",
      'x-content-type-options': 'nosniff',
      'content-type': 'a/b',
    });
  });
});

describe('what a request says of its bytes', () => {
  const digest = createHash('sha256').update('x').digest();
  const base64 = digest.toString('base64');

  test.each([
    [`sha-256=:${base64}:`],
    [`sha-512=:AAAA:, sha-256=:${base64}:`],
    [`sha-256=:${base64}:, md5=:AAAA:`],
    [`sha-256=:${base64}:  `],
  ])('%s names a digest', (field) => {
    expect(declaredSha256(new Headers({ 'content-digest': field }))).toBe(digest.toString('hex'));
    expect(declaredSha256(new Headers({ 'repr-digest': field }))).toBe(digest.toString('hex'));
  });

  test.each([
    'sha-256=',
    'sha-256=::',
    'sha-256=:AAAA:',
    'sha-256=:*:',
    `sha-256=${base64}`,
    `sha-256="${base64}"`,
    `sha-256=:${base64}`,
    `sha-256=:${base64}:;x`,
    `sha-256=${digest.toString('hex')}`,
    `sha-256=:${base64.slice(0, 40)}:`,
  ])('%s is refused', (field) => {
    expect(() => declaredSha256(new Headers({ 'content-digest': field }))).toThrow(
      expect.objectContaining({ code: 'request:invalid' }),
    );
  });

  test('other algorithms are passed over', () => {
    expect(declaredSha256(new Headers({ 'content-digest': 'sha-512=:AAAA:' }))).toBeUndefined();
    expect(declaredSha256(new Headers())).toBeUndefined();
  });

  test('a length is a number, or nothing', () => {
    expect(contentLength(new Headers({ 'content-length': '12' }))).toBe(12);
    expect(contentLength(new Headers())).toBeUndefined();
  });
});
