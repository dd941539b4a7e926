import { setImmediate } from 'node:timers/promises';
import { afterAll, describe, expect, test } from 'vitest';
// The built one: it starts a process of its own, from the file beside it.
import { createExtractor } from '../../../dist/extraction/extractor.js';
import { documentXml, docxOf, linesOfPage, pdfOf, repetitivePdf } from './files.js';

const MAX_BYTES = 60_000_000;
const extractor = createExtractor({ timeoutMs: 40_000, maxBytes: MAX_BYTES, maxTextBytes: 2_000_000 });
const hurried = createExtractor({ timeoutMs: 5_000, maxBytes: MAX_BYTES, maxTextBytes: 2_000_000 });

afterAll(() => {
  extractor.close();
  hurried.close();
});

const file = (bytes: Uint8Array, content_type: string, name: string) => ({
  ...{ size_bytes: bytes.byteLength, content_type, name },
  read: async () => bytes,
});
const plain = (text: string) => file(Buffer.from(text), 'text/plain', 'a.txt');
const html = (text: string) => file(Buffer.from(text), 'text/html', 'a.html');
const json = (text: string) => file(Buffer.from(text), 'application/json', 'a.json');
const pdf = (bytes: Uint8Array) => file(bytes, 'application/pdf', 'a.pdf');
const docx = (bytes: Uint8Array) => file(bytes, 'application/octet-stream', 'a.docx');

/** Its parser takes the square of the depth: minutes for this. */
const ENDLESS = html('<div>'.repeat(1_500_000));

const processes = () => process.getActiveResourcesInfo().filter((name) => name === 'ProcessWrap').length;

describe('the extractor', () => {
  test('reads in a process that ends with the file', async () => {
    expect(await extractor.extract(plain('Olá'))).toEqual({ text: 'Olá' });
    expect(await extractor.extract(html('<title>T</title><p>a<p>b'))).toEqual({ title: 'T', text: 'a\n\nb' });
    expect(await extractor.extract(pdf(pdfOf([linesOfPage(['Página'])], { title: 'P' })))).toEqual({
      title: 'P',
      text: 'Página',
    });
    const word = docxOf({ 'word/document.xml': documentXml('<w:p><w:r><w:t>Acta</w:t></w:r></w:p>') });
    expect(await extractor.extract(docx(word))).toEqual({ text: 'Acta' });
    await expect.poll(processes).toBe(0);
  });

  test('leaves the bytes to the caller', async () => {
    const bytes = new Uint8Array(pdfOf([linesOfPage(['x'])]));
    await extractor.extract(pdf(bytes));
    expect(Buffer.from(bytes).subarray(0, 8).toString()).toBe('%PDF-1.4');
  });

  test('refuses what it does not know, or is too large, before it starts anything', async () => {
    await expect.poll(processes).toBe(0);
    const unread = { ...plain('x'), read: () => Promise.reject(new Error('was read')) };
    const refusals = Promise.all([
      expect(extractor.extract({ ...unread, content_type: 'image/png' })).rejects.toMatchObject({
        code: 'extraction:unsupported',
      }),
      expect(extractor.extract({ ...unread, size_bytes: MAX_BYTES + 1 })).rejects.toMatchObject({
        code: 'extraction:too_costly',
        detail: 'more than 60000000 bytes',
      }),
    ]);
    expect(processes()).toBe(0);
    await refusals;
  });

  test('passes refusals on, and keeps what libraries say out of them', async () => {
    await expect(extractor.extract(plain('  '))).rejects.toMatchObject({ code: 'extraction:empty', status: 422 });
    await expect(extractor.extract(plain('x'.repeat(2_000_001)))).rejects.toMatchObject({
      code: 'extraction:too_costly',
      detail: 'more than 2000000 bytes of text',
    });
    await expect(extractor.extract(pdf(Buffer.from('%PDF-1.7\nnothing')))).rejects.toMatchObject({
      code: 'extraction:failed',
      message: 'it is not a PDF',
      cause: expect.stringContaining('InvalidPDFException'),
    });
  });
});

describe('a file that costs too much is given up, and the next one is read:', () => {
  test('one that takes for ever', async () => {
    await expect(hurried.extract(ENDLESS)).rejects.toMatchObject({
      code: 'extraction:too_costly',
      detail: 'more than 5000 ms',
    });
    expect(await hurried.extract(plain('next'))).toEqual({ text: 'next' });
  });

  test.each([
    ['lists in lists that fill the heap', () => json('['.repeat(MAX_BYTES / 2) + ']'.repeat(MAX_BYTES / 2))],
    ['a page that unpacks to 4 GB', () => pdf(repetitivePdf(Buffer.alloc(16_777_216, ' '), 256))],
  ])('%s', async (_what, file) => {
    await expect(extractor.extract(file())).rejects.toMatchObject({
      code: 'extraction:too_costly',
      detail: 'more memory than is allowed',
    });
    expect(await extractor.extract(plain('next'))).toEqual({ text: 'next' });
  });

  test('one that nobody waits for any more', async () => {
    const abort = new AbortController();
    const endless = extractor.extract(ENDLESS, abort.signal);
    const reason = new Error('the client has gone');
    setTimeout(() => abort.abort(reason), 0);
    await expect(endless).rejects.toBe(reason);
    await expect(extractor.extract(plain('x'), abort.signal)).rejects.toBe(reason);
    const brought = new AbortController();
    const read = async () => {
      brought.abort(reason);
      throw new Error('the connection was ended');
    };
    await expect(extractor.extract({ ...plain('x'), read }, brought.signal)).rejects.toBe(reason);
    await expect.poll(processes).toBe(0);
  });
});

describe('many files at once', () => {
  test('are read two at a time', async () => {
    let most = 0;
    const watch = setInterval(() => {
      most = Math.max(most, processes());
    }, 1);
    const texts = Array.from({ length: 10 }, (_, number) => `file ${number}`);
    const read = await Promise.all(texts.map((text) => extractor.extract(plain(text))));
    clearInterval(watch);
    expect(read.map(({ text }) => text)).toEqual(texts);
    expect(most).toBe(2);
  });

  test('beyond what may wait are refused; none is in memory before its turn', async () => {
    let held = 0;
    let most = 0;
    const outcomes = await Promise.allSettled(
      Array.from({ length: 40 }, async () => {
        let isRead = false;
        const read = async () => {
          // Who had the turn before has been told by then.
          await setImmediate();
          isRead = true;
          held += 1;
          most = Math.max(most, held);
          return Buffer.from('x');
        };
        await extractor.extract({ ...plain('x'), size_bytes: MAX_BYTES, read }).finally(() => {
          if (isRead) held -= 1;
        });
      }),
    );
    const refused = outcomes.filter((outcome) => outcome.status === 'rejected');
    expect(refused).toHaveLength(6);
    for (const { reason } of refused)
      expect(reason).toMatchObject({ code: 'request:overloaded', retryAfterSeconds: 5 });
    expect([most, held]).toEqual([2, 0]);
  });

  test('one that cannot be brought gives its turn to the next', async () => {
    const away = new Error('the object store is away');
    const broken = Array.from({ length: 3 }, () =>
      extractor.extract({ ...plain('x'), read: () => Promise.reject(away) }),
    );
    for (const outcome of await Promise.allSettled(broken))
      expect(outcome).toMatchObject({ status: 'rejected', reason: away });
    expect(await extractor.extract(plain('next'))).toEqual({ text: 'next' });
  });

  test('are refused when it closes, those that run and those that wait', async () => {
    const closing = createExtractor({ timeoutMs: 40_000, maxBytes: MAX_BYTES, maxTextBytes: 100 });
    const running = Promise.allSettled([ENDLESS, ENDLESS, plain('waits')].map((file) => closing.extract(file)));
    setTimeout(() => closing.close(), 0);
    for (const outcome of await running)
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'request:overloaded' } });
    await expect(closing.extract(plain('late'))).rejects.toMatchObject({ code: 'request:overloaded' });
  });
});
