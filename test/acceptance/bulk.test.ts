import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type BulkResult, everyDocument, knowledgeOf, startBulk, withWords, wordOf } from '../support/knowledge.js';
import { type Product, startProduct, unavailable } from '../support/product.js';
import { waitFor } from '../support/stack-servers.js';

const NDJSON = { headers: { 'content-type': 'application/x-ndjson' } };

describe.skipIf(unavailable)('bulk', () => {
  let product: Product;
  let api: ReturnType<typeof knowledgeOf>;

  async function send(body: string | Uint8Array): Promise<BulkResult[]> {
    const answer = await product.call('POST', '/v1/knowledge/bulk', body, NDJSON);
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'application/x-ndjson']);
    const lines = answer.text.split('\n');
    expect(lines.pop()).toBe('');
    return lines.map((line) => JSON.parse(line));
  }
  const idsWith = async (prefix: string) =>
    (await everyDocument(product)).map(({ id }) => id).filter((id) => id.startsWith(prefix));

  beforeAll(async () => {
    product = await startProduct();
    api = knowledgeOf(product);
  });
  afterAll(() => product.stop());

  it('stores 2 000 lines in order, and the same file again changes nothing', async () => {
    const documents = Array.from({ length: 2000 }, (_, n) => ({
      id: `all-${String(n).padStart(4, '0')}`,
      content: `${wordOf(n)} is told in document ${n}.`,
      metadata: { n },
    }));
    const results = await product.bulk(documents);
    expect(results).toEqual(documents.map(({ id }, n) => ({ line: n + 1, id, status: 'stored' })));
    const rows = (await everyDocument(product)).filter(({ id }) => id.startsWith('all-'));
    expect(rows.map(({ id, metadata, revision }) => ({ id, metadata, revision }))).toEqual(
      documents.map(({ id, metadata }) => ({ id, metadata, revision: 1 })),
    );
    for (const n of [0, 63, 64, 999, 1999]) expect(await withWords(product, wordOf(n))).toEqual([documents[n]!.id]);
    const again = await product.bulk(documents);
    expect(again).toEqual(documents.map(({ id }, n) => ({ line: n + 1, id, status: 'unchanged' })));
    expect((await everyDocument(product)).filter(({ id }) => id.startsWith('all-'))).toEqual(rows);
  });

  it('says of each bad line what is wrong with it, and stores the rest', async () => {
    const good = (id: string, more = {}) => JSON.stringify({ id, content: `${id} is good`, ...more });
    const invalidUtf8 = Buffer.concat([
      Buffer.from('{"id":"mix-9","content":"'),
      Buffer.from([0xff, 0xfe]),
      Buffer.from('"}'),
    ]);
    const lines: [string | Buffer, string | undefined, string | undefined][] = [
      [good('mix-1'), undefined, 'mix-1'],
      ['{"id":"mix-2","content":', 'request:malformed_json', undefined],
      ['not json at all', 'request:malformed_json', undefined],
      ['[1,2]', 'request:invalid', undefined],
      ['null', 'request:invalid', undefined],
      [good('mix/5'), 'request:invalid', undefined],
      [good('mix-6', { content: 'x'.repeat(2_000_001) }), 'knowledge:content_too_large', 'mix-6'],
      [good('mix-7', { pad: 'x'.repeat(24_000_000) }), 'bulk:line_too_large', undefined],
      [good('mix-8', { metadata: { big: 'x'.repeat(20_000) } }), 'knowledge:metadata_too_large', 'mix-8'],
      [invalidUtf8, 'request:malformed_utf8', undefined],
      ['{"id":"mix-10","content":"x","__proto__":{"a":1}}', 'request:forbidden_key', undefined],
      [good('mix-11', { unknown: 1 }), 'request:invalid', 'mix-11'],
      [good('mix-12', { vector: [1, 2] }), 'vector:wrong_dimensions', 'mix-12'],
      [good('mix-13', { passages: Array(513).fill({ text: 'p' }) }), 'knowledge:too_many_passages', 'mix-13'],
      [good('mix-14', { passages: [{ text: 'y'.repeat(60_000) }] }), 'knowledge:word_too_long', 'mix-14'],
      [good('mix-15'), undefined, 'mix-15'],
    ];
    const body = Buffer.concat(lines.flatMap(([line]) => [Buffer.from(line as string), Buffer.from('\n')]));
    const results = await send(body);
    expect(results.map(({ line, id, status, error }) => [line, id, status, error?.code, error?.retryable])).toEqual(
      lines.map(([, code, id], n) => [n + 1, id, code ? 'failed' : 'stored', code, code ? false : undefined]),
    );
    expect(results[5]!.error!.errors).toMatchObject([{ path: 'id' }]);
    expect(results[11]!.error!.errors).toEqual([{ path: 'unknown', message: 'is not known here' }]);
    expect(await idsWith('mix')).toEqual(['mix-1', 'mix-15']);
    expect(await withWords(product, 'good')).toEqual(['mix-1', 'mix-15']);
  }, 120_000);

  it('applies lines of one id in their order: the last wins', async () => {
    const versions = Array.from({ length: 70 }, (_, n) => ({
      id: 'twice',
      content: `${wordOf(3000 + n)} version`,
      metadata: { n },
    }));
    const results = await product.bulk(
      versions.flatMap((version, n) => [version, { id: `between-${n}`, content: 'between' }]),
    );
    expect(new Set(results.map(({ status }) => status))).toEqual(new Set(['stored']));
    expect((await api.get('twice')).body).toMatchObject({
      content: versions[69]!.content,
      revision: 70,
      metadata: { n: 69 },
    });
    expect([await withWords(product, wordOf(3069)), await withWords(product, wordOf(3068))]).toEqual([['twice'], []]);
    const same = await product.bulk([versions[69], versions[0], versions[0], versions[69]]);
    expect(same.map(({ status }) => status)).toEqual(['unchanged', 'stored', 'unchanged', 'stored']);
    expect((await api.get('twice')).body).toMatchObject({ content: versions[69]!.content, revision: 72 });
  });

  it('takes blank lines, CRLF, white space and a last line without a newline', async () => {
    const line = (id: string) => JSON.stringify({ id, content: `${id} spaced` });
    const results = await send(`\n\r\n${line('sp-1')}\r\n \t \n\n  ${line('sp-2')}  \r\n\n${line('sp-3')}`);
    expect(results).toEqual([
      { line: 3, id: 'sp-1', status: 'stored' },
      { line: 6, id: 'sp-2', status: 'stored' },
      { line: 8, id: 'sp-3', status: 'stored' },
    ]);
    expect(await send('')).toEqual([]);
    expect(await send('\n\n  \n')).toEqual([]);
    expect(await send(`${line('sp-1')}\n`)).toEqual([{ line: 1, id: 'sp-1', status: 'unchanged' }]);
  });

  it('cuts lines wherever the bytes are cut, inside a character too', async () => {
    const { request, results } = startBulk(product);
    const bytes = Buffer.from(
      `${JSON.stringify({ id: 'cut-1', content: 'naïve 😀 façade' })}\r\n{"id":"cut-2","content":"ß"}`,
    );
    for (const byte of bytes) request.write(Buffer.from([byte]));
    request.end();
    expect(await everyResult(results)).toEqual([
      { line: 1, id: 'cut-1', status: 'stored' },
      { line: 2, id: 'cut-2', status: 'stored' },
    ]);
    expect((await api.get('cut-1')).body.content).toBe('naïve 😀 façade');
    expect((await api.get('cut-2')).body.content).toBe('ß');
  });

  it('answers while the body is still being sent', async () => {
    const { request, results, write } = startBulk(product);
    for (const half of [0, 1, 2]) {
      const documents = Array.from({ length: 70 }, (_, n) => ({ id: `half-${half}-${n}`, content: `half ${half}` }));
      write(documents);
      for (const [n, { id }] of documents.entries())
        expect((await results.next()).value).toEqual({ line: half * 70 + n + 1, id, status: 'stored' });
      expect((await api.get(`half-${half}-69`)).status).toBe(200);
    }
    write([{ id: 'half-last', content: 'alone' }]);
    expect((await results.next()).value).toEqual({ line: 211, id: 'half-last', status: 'stored' });
    request.end();
    expect((await results.next()).done).toBe(true);
  });

  it('does not wait for ever for a client that reads only after it has sent 60 000 lines', async () => {
    const { request, response, results } = withResponse(startBulk(product));
    for (let n = 1; n <= 60_000; n += 1) {
      const line =
        n % 3000 === 0 ? JSON.stringify({ id: `deaf-${n}`, content: `deaf ${n}` }) : `{"malformed ${'x'.repeat(300)}`;
      if (!request.write(`${line}\n`)) await once(request, 'drain');
    }
    await new Promise<void>((resolve) => request.end(resolve));
    await response;
    let last = 0;
    let stored = 0;
    for await (const result of results) {
      expect(result.line).toBe(++last);
      expect(result.status).toBe(result.line % 3000 === 0 ? 'stored' : 'failed');
      if (result.status === 'stored') stored += 1;
    }
    expect([last, stored]).toEqual([60_000, 20]);
    expect(await idsWith('deaf-')).toHaveLength(20);
  });

  it('keeps what was stored when the client leaves in the middle, and lives on', async () => {
    const ended = endedBulks(product);
    const { request, results, write } = startBulk(product);
    write(Array.from({ length: 100 }, (_, n) => ({ id: `left-${n}`, content: 'left' })));
    request.write('{"id":"left-cut","content":"never wh');
    const stored: string[] = [];
    for (let n = 0; n < 100; n += 1) stored.push((await results.next()).value!.id!);
    request.destroy();
    expect((await idsWith('left-')).sort()).toEqual(stored.sort());
    const again = await product.bulk(stored.map((id) => ({ id, content: 'left' })));
    expect(new Set(again.map(({ status }) => status))).toEqual(new Set(['unchanged']));
    expect((await api.get('left-cut')).status).toBe(404);
    await waitFor('both requests to end', async () => endedBulks(product) === ended + 2);
  });

  it('refuses other content types and needs the scope', async () => {
    for (const type of ['application/json', 'text/plain', 'application/x-ndjson; charset=latin1']) {
      const answer = await product.call('POST', '/v1/knowledge/bulk', '{"id":"typed","content":"x"}', {
        headers: { 'content-type': type },
      });
      expect([answer.status, answer.body.code]).toEqual([415, 'request:unsupported_media_type']);
    }
    const answer = await product.call('POST', '/v1/knowledge/bulk', '{"id":"typed","content":"x"}', {
      ...NDJSON,
      key: null,
    });
    expect([answer.status, answer.body.code]).toEqual([401, 'auth:missing']);
    expect((await api.get('typed')).status).toBe(404);
  });
});

async function everyResult(results: AsyncIterable<BulkResult>): Promise<BulkResult[]> {
  const all: BulkResult[] = [];
  for await (const result of results) all.push(result);
  return all;
}

/** Reading starts only when the test reads: the response is paused until then. */
function withResponse(bulk: ReturnType<typeof startBulk>) {
  const response = new Promise<void>((resolve) => bulk.request.once('response', () => resolve()));
  return { ...bulk, response };
}

/** How many bulk requests have ended, by the log. */
function endedBulks(product: Product): number {
  return product
    .output()
    .split('\n')
    .filter((line) => line.includes('"route":"/v1/knowledge/bulk"') && line.includes('"msg":"request"')).length;
}

describe.skipIf(unavailable)('bulk with ACERVO_BULK_MAX_LINES', () => {
  let product: Product;
  beforeAll(async () => {
    product = await startProduct({ ACERVO_BULK_MAX_LINES: '10' });
  });
  afterAll(() => product.stop());

  it('stores that many lines, and says that the rest was not read', async () => {
    const documents = Array.from({ length: 12 }, (_, n) => ({ id: `max-${n}`, content: 'bounded' }));
    const results = await product.bulk(documents);
    expect(results.slice(0, 10)).toEqual(
      documents.slice(0, 10).map(({ id }, n) => ({ line: n + 1, id, status: 'stored' })),
    );
    expect(results.slice(10)).toMatchObject([
      { line: 11, status: 'failed', error: { code: 'bulk:too_many_lines', retryable: false } },
    ]);
    expect((await everyDocument(product)).map(({ id }) => id)).toEqual(
      documents
        .slice(0, 10)
        .map(({ id }) => id)
        .sort(),
    );
    expect((await product.bulk(documents.slice(0, 10))).map(({ status }) => status)).toEqual(
      Array(10).fill('unchanged'),
    );
  });
});
