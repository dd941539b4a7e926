import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Product, startProduct, unavailable } from '../support/product.js';

interface Stored {
  id: string;
  status: string;
}
interface Hit {
  id: string;
  artifact?: { id: string; status: string; download?: { url: string; expires_at: string } };
  minio_ref?: { name: string; size_bytes: number; content_type: string; version_id: string };
  passages: { text: string }[];
}

describe.skipIf(unavailable)('knowledge from files', () => {
  let product: Product;
  beforeAll(async () => {
    product = await startProduct();
  });
  afterAll(() => product?.stop());

  /** An artifact with its bytes; its id. */
  async function file(name: string, content_type: string, text: string, more: object = {}, key?: string) {
    const bytes = Buffer.from(text);
    const options = key === undefined ? {} : { key };
    const about = { name, content_type, size_bytes: bytes.length, ...more };
    const reserved = await product.call<Stored>('POST', '/v1/artifacts', about, options);
    expect(reserved.status).toBe(201);
    const { id } = reserved.body;
    const put = await product.call('PUT', `/v1/artifacts/${id}/content`, bytes, {
      ...options,
      headers: { 'content-type': content_type },
    });
    expect(put.body).toMatchObject({ status: 'stored', size_bytes: bytes.length });
    return id;
  }

  const learn = (document: object, options = {}) =>
    product.call<Stored & { code: string; revision: number }>('POST', '/v1/knowledge', document, options);
  const read = async (id: string) => (await product.call('GET', `/v1/knowledge/${id}`)).body;
  const search = async (body: object) => {
    const { status, body: answer } = await product.call<{ hits: Hit[] }>('POST', '/v1/search', body);
    expect(status).toBe(200);
    return answer.hits;
  };

  /** Requests that the server has sent to its object store, all together. */
  async function objectRequests(): Promise<number> {
    const { text } = await product.call('GET', '/metrics');
    const counts = [...text.matchAll(/^acervo_object_store_requests_total\{.*\} (\d+)$/gm)];
    return counts.reduce((sum, match) => sum + Number(match[1]), 0);
  }

  test('takes the text, the title and what is known of the file', async () => {
    const html =
      '<html><head><title>Reef report</title><script>var hidden = 1</script></head>' +
      '<body><h1>Corals</h1><p>Bleaching was seen on the northern slope.</p></body></html>';
    const artifact = await file('reef.html', 'text/html', html, { metadata: { year: 2024 } });
    const made = await learn({ id: 'reef', artifact_id: artifact });
    expect(made).toMatchObject({ status: 201, body: { id: 'reef', status: 'created', embedding_status: 'ready' } });
    const document = await read('reef');
    expect(document).toMatchObject({
      title: 'Reef report',
      artifact_id: artifact,
      metadata: { year: 2024, file_name: 'reef.html', file_size: html.length, content_type: 'text/html' },
      minio_ref: { name: 'reef.html', size_bytes: html.length, content_type: 'text/html', bucket: 'agents-artifacts' },
    });
    expect(document.content).toContain('Bleaching was seen on the northern slope.');
    expect(document.content).not.toContain('hidden');
    const [hit] = await search({ query: 'bleaching slope', mode: 'text' });
    expect(hit).toMatchObject({ id: 'reef', minio_ref: { name: 'reef.html' } });
    expect((await learn({ id: 'reef', artifact_id: artifact })).body.status).toBe('unchanged');
  });

  test('a new version of the file is learned when it is named again', async () => {
    const artifact = await file('notes.md', 'text/markdown', '# Notes\n\nThe first draft speaks of otters.');
    await learn({ id: 'notes', artifact_id: artifact });
    const before = (await read('notes')).minio_ref as Hit['minio_ref'];
    const second = Buffer.from('# Notes\n\nThe second draft speaks of badgers instead.');
    await product.call('PUT', `/v1/artifacts/${artifact}/content`, second, {
      headers: { 'content-type': 'text/markdown' },
    });
    expect((await learn({ id: 'notes', artifact_id: artifact })).body).toMatchObject({ status: 'updated' });
    const after = await read('notes');
    expect(after.content).toContain('badgers');
    expect(after.minio_ref).toMatchObject({ size_bytes: second.length });
    expect((after.minio_ref as Hit['minio_ref'])?.version_id).not.toBe(before?.version_id);
    expect(await search({ query: 'otters', mode: 'text' })).toEqual([]);
  });

  test('large reports of one year are found without asking the object store', async () => {
    const filler = 'Quarterly figures of the treasury follow in this annex. '.repeat(40);
    const reports: [string, number, number][] = [
      ['small-2024', 2024, 0],
      ['large-2024', 2024, 20],
      ['large-2023', 2023, 20],
    ];
    for (const [id, year, times] of reports) {
      const text = `Financial report of ${year}.\n\n${filler.repeat(times)}`;
      const artifact = await file(`${id}.txt`, 'text/plain', text, { metadata: { year, kind: 'financial report' } });
      expect((await learn({ id, artifact_id: artifact })).status).toBe(201);
    }
    const before = await objectRequests();
    const filter = {
      'metadata.year': 2024,
      'minio_ref.size_bytes': { $gt: 10_000 },
      'minio_ref.content_type': 'text/plain',
    };
    const hits = await search({ query: 'financial report', filter });
    expect(hits.map(({ id }) => id)).toEqual(['large-2024']);
    expect(hits[0]?.minio_ref?.size_bytes).toBeGreaterThan(10_000);
    const listed = await product.call<{ artifacts: { name: string }[] }>(
      'GET',
      `/v1/artifacts?filter=${encodeURIComponent(JSON.stringify({ 'metadata.year': 2024, size_bytes: { $gt: 10_000 } }))}`,
    );
    expect(listed.body.artifacts.map(({ name }) => name)).toEqual(['large-2024.txt']);
    expect(await objectRequests()).toBe(before);
    expect(before).toBeGreaterThan(0);
  });

  test('a search brings the files of its hits, with URLs that download them', async () => {
    const artifact = await file('heron.txt', 'text/plain', 'The heron stands still.');
    await learn({ id: 'heron', artifact_id: artifact });
    await learn({ id: 'heron-label', artifact_id: 'kept-elsewhere', content: 'A heron of elsewhere.' });
    const hits = await search({ query: 'heron', mode: 'text', artifacts: {} });
    const found = new Map(hits.map((hit) => [hit.id, hit.artifact]));
    expect([...found.keys()].sort()).toEqual(['heron', 'heron-label']);
    expect(found.get('heron-label')).toBeUndefined();
    expect(found.get('heron')).toMatchObject({ id: artifact, status: 'stored', name: 'heron.txt', size_bytes: 23 });
    const { url, expires_at } = found.get('heron')!.download!;
    expect(await (await fetch(url)).text()).toBe('The heron stands still.');
    expect(Date.parse(expires_at)).toBeGreaterThan(Date.now());
    const before = await objectRequests();
    const plain = await search({ query: 'heron stands', mode: 'text', match: 'all', artifacts: { presign: false } });
    expect(plain[0]!.artifact).not.toHaveProperty('download');
    expect((await search({ query: 'heron', mode: 'text' }))[0]).not.toHaveProperty('artifact');
    expect(await objectRequests()).toBe(before);

    const make = async (body: object) => (await product.call<{ token: string }>('POST', '/v1/keys', body)).body.token;
    const blind = await make({ name: 'blind', scopes: ['search:read'] });
    const refused = await product.call('POST', '/v1/search', { query: 'heron', artifacts: {} }, { key: blind });
    expect([refused.status, refused.body.code]).toEqual([403, 'auth:scope_missing']);
    const scopes = ['search:read', 'artifacts:read', 'knowledge:write'];
    const bound = await make({ name: 'bound', scopes, agent_id: 'fisher' });
    await learn({ id: 'heron-own', artifact_id: artifact, content: 'My own heron.' }, { key: bound });
    const seen = await product.call<{ hits: Hit[] }>(
      'POST',
      '/v1/search',
      { query: 'heron', artifacts: {} },
      { key: bound },
    );
    expect(seen.body.hits.map(({ id, artifact }) => [id, artifact])).toEqual([['heron-own', undefined]]);
  });

  test('a document that brings its text is linked to the file, and an unknown file is a label', async () => {
    const artifact = await file('scan.bin', 'application/octet-stream', 'not text at all');
    await learn({ id: 'scan', artifact_id: artifact, content: 'What the scan shows: a bridge.' });
    expect(await read('scan')).toMatchObject({
      content: 'What the scan shows: a bridge.',
      minio_ref: { name: 'scan.bin' },
    });
    await learn({ id: 'label', artifact_id: 'kept-elsewhere', content: 'Text of a file that is kept elsewhere.' });
    expect(await read('label')).not.toHaveProperty('minio_ref');
    const patched = await product.call('PATCH', '/v1/knowledge/label', { artifact_id: artifact });
    expect(patched.status).toBe(200);
    expect(await read('label')).toMatchObject({ artifact_id: artifact, minio_ref: { name: 'scan.bin' } });
    await product.call('PATCH', '/v1/knowledge/label', { artifact_id: null });
    expect(await read('label')).not.toHaveProperty('minio_ref');
  });

  test('lines of a bulk body may name files', async () => {
    const good = await file('rows.csv', 'text/csv', 'animal,legs\nheron,2\ntarantula,8\n');
    const bad = await file('broken.pdf', 'application/pdf', 'this is no PDF');
    const results = await product.bulk([
      { id: 'rows', artifact_id: good },
      { id: 'broken', artifact_id: bad },
      { id: 'absent', artifact_id: 'no-such-file' },
      { id: 'plain', content: 'Plain text beside files.' },
    ]);
    expect(results).toMatchObject([
      { line: 1, id: 'rows', status: 'stored' },
      { line: 2, id: 'broken', status: 'failed', error: { code: 'extraction:failed' } },
      { line: 3, id: 'absent', status: 'failed', error: { code: 'artifact:not_found' } },
      { line: 4, id: 'plain', status: 'stored' },
    ]);
    expect((await search({ query: 'tarantula', mode: 'text' }))[0]?.id).toBe('rows');
  });

  test.each([
    ['a file of no text', 'application/octet-stream', 'abc', 415, 'extraction:unsupported'],
    ['a damaged file', 'application/pdf', '%PDF-1.7 and nothing more', 422, 'extraction:failed'],
    ['a file without text', 'text/plain', '   \n', 422, 'extraction:empty'],
  ])('%s is refused, and nothing is stored', async (_name, type, text, status, code) => {
    const artifact = await file('x', type, text);
    const answer = await learn({ id: 'refused', artifact_id: artifact });
    expect([answer.status, answer.body.code]).toEqual([status, code]);
    expect((await product.call('GET', '/v1/knowledge/refused')).status).toBe(404);
  });

  test('before its bytes have come a file has no text', async () => {
    const { body } = await product.call<Stored>('POST', '/v1/artifacts', { name: 'later.txt', size_bytes: 5 });
    expect((await learn({ artifact_id: body.id })).body.code).toBe('artifact:not_stored');
  });

  test('a key that may not read files learns nothing of them', async () => {
    const scopes = ['knowledge:read', 'knowledge:write'];
    const { token: key } = (await product.call<{ token: string }>('POST', '/v1/keys', { name: 'writer', scopes })).body;
    const artifact = await file('plans.txt', 'text/plain', 'Where the treasure lies.');
    for (const artifact_id of [artifact, 'none-such']) {
      const answer = await learn({ id: 'stolen', artifact_id }, { key });
      expect([answer.status, answer.body.code]).toEqual([403, 'auth:scope_missing']);
    }
    expect((await product.call('GET', '/v1/knowledge/stolen')).status).toBe(404);
    expect((await learn({ id: 'linked', artifact_id: artifact, content: 'My own words.' }, { key })).status).toBe(201);
    expect(await read('linked')).not.toHaveProperty('minio_ref');
    await product.call('PATCH', '/v1/knowledge/linked', { artifact_id: null });
    await product.call('PATCH', '/v1/knowledge/linked', { artifact_id: artifact }, { key });
    expect(await read('linked')).not.toHaveProperty('minio_ref');
  });

  test('what was learned from a file that is gone meanwhile is answered again to who repeats the request', async () => {
    const artifact = await file('gone.txt', 'text/plain', 'Soon to be gone.');
    const headers = { 'idempotency-key': 'learn-gone' };
    const first = await learn({ artifact_id: artifact }, { headers });
    expect(first.status).toBe(201);
    expect((await product.call('DELETE', `/v1/artifacts/${artifact}`)).status).toBe(204);
    const again = await learn({ artifact_id: artifact }, { headers });
    expect([again.status, again.body.id, again.body.revision]).toEqual([first.status, first.body.id, 1]);
    expect((await learn({ artifact_id: 'another' }, { headers })).body.code).toBe('idempotency:key_reused');
  });

  test('a bound key learns from its own files only, and cannot tell a foreign one from none', async () => {
    const scopes = ['artifacts:read', 'artifacts:write', 'knowledge:read', 'knowledge:write'];
    const keyOf = async (agent_id: string) =>
      (await product.call<{ token: string }>('POST', '/v1/keys', { name: agent_id, scopes, agent_id })).body.token;
    const [one, two] = [await keyOf('one'), await keyOf('two')];
    const own = await file('own.txt', 'text/plain', 'Only agent one knows of the lighthouse.', {}, one);
    const foreign = await learn({ artifact_id: own }, { key: two });
    const absent = await learn({ artifact_id: 'none-such' }, { key: two });
    expect([foreign.status, foreign.body.code]).toEqual([404, 'artifact:not_found']);
    expect([absent.status, absent.body.code]).toEqual([foreign.status, foreign.body.code]);
    await learn({ id: 'spy', artifact_id: own, content: 'My own words.' }, { key: two });
    expect(await read('spy')).not.toHaveProperty('minio_ref');
    expect((await learn({ id: 'mine', artifact_id: own }, { key: one })).status).toBe(201);
    expect(await read('mine')).toMatchObject({ agent_id: 'one', content: 'Only agent one knows of the lighthouse.' });
  });
});
