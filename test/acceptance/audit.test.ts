import { randomUUID } from 'node:crypto';
import { parse } from 'csv-parse/sync';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { artifactsOf, bytesOf } from '../support/artifacts.js';
import { expectProblem, knowledgeOf } from '../support/knowledge.js';
import { type Answer, type Product, startProduct, unavailable } from '../support/product.js';
import { waitFor } from '../support/stack-servers.js';

interface Row {
  id: string;
  timestamp: string;
  action: string;
  status: string;
  resource: string;
  revision?: number;
  agent_id?: string;
  key_id?: string;
  request_id?: string;
  address?: string;
  user_agent?: string;
  code?: string;
  old?: Record<string, unknown>;
  new?: Record<string, unknown>;
}

interface Page {
  rows: Row[];
  cursor?: string;
}

function auditOf(product: Product, key: string = product.key) {
  const get = <Body>(path: string): Promise<Answer<Body>> =>
    product.call('GET', `/v1/audit${path}`, undefined, { key });
  return {
    get,
    list: async (query: Record<string, string> = {}) => {
      const answer = await get<Page>(`?${new URLSearchParams(query)}`);
      expect(answer.status, answer.text).toBe(200);
      return answer.body;
    },
  };
}

async function makeKey(product: Product, scopes: string[], agent_id?: string): Promise<{ id: string; token: string }> {
  const answer = await product.call<{ id: string; token: string }>('POST', '/v1/keys', {
    name: 'of a test',
    scopes,
    ...(agent_id && { agent_id }),
  });
  expect(answer.status, answer.text).toBe(201);
  return answer.body;
}

const resources = ({ rows }: Page) => rows.map(({ resource }) => resource);

describe.skipIf(unavailable)('the audit log over HTTP', () => {
  let product: Product;
  let audit: ReturnType<typeof auditOf>;

  beforeAll(async () => {
    product = await startProduct();
    audit = auditOf(product);
  });
  afterAll(() => product.stop());

  it('tells who wrote what from where, newest first, and shows the row that the write named', async () => {
    const api = knowledgeOf(product);
    const made = await api.post({ id: 'told', content: 'One.', agent_id: 'teller' }, { 'x-request-id': 'told-1' });
    await api.post({ id: 'told', content: 'Two.', agent_id: 'teller' }, { 'x-request-id': 'told-2' });
    const page = await audit.list({ resource: 'knowledge:told' });
    expect(page.rows.map(({ action, revision, request_id }) => [action, revision, request_id])).toEqual([
      ['UPDATE', 2, 'told-2'],
      ['CREATE', 1, 'told-1'],
    ]);
    expect(page.rows[1]).toMatchObject({
      id: made.body.audit_id,
      status: 'SUCCESS',
      agent_id: 'teller',
      key_id: 'admin',
      address: expect.stringMatching(/127\.0\.0\.1|::1/),
      user_agent: expect.any(String),
    });
    const one = await audit.get<Row>(`/${page.rows[1]!.id}`);
    expect([one.status, one.body.resource, one.body.request_id]).toEqual([200, 'knowledge:told', 'told-1']);
    expectProblem(await audit.get(`/2026-01-01T00:00:00Z_${randomUUID()}`), 404, 'audit:not_found');
    for (const id of ['x', `2026-99-99T00:00:00Z_${randomUUID()}`])
      expectProblem(await audit.get(`/${id}`), 400, 'request:invalid');
  });

  it('keeps old and new values, until they are erased', async () => {
    const files = artifactsOf(product);
    const { id } = await files.stored(bytesOf(10), { user: 'ana', metadata: { draft: 1 } });
    await product.call('PATCH', `/v1/artifacts/${id}`, { metadata: { draft: 2 } });
    const [newest] = (await audit.list({ resource: `artifact:${id}`, limit: '1' })).rows;
    const read = async () => (await audit.get<Row>(`/${newest!.id}`)).body;
    expect(await read()).toMatchObject({
      old: { metadata: { draft: 1 }, size_bytes: 10, user: 'ana' },
      new: { metadata: { draft: 2 }, size_bytes: 10, user: 'ana' },
    });
    expect(await read()).toMatchObject({
      address: expect.stringContaining('127.0.0.1'),
      user_agent: expect.any(String),
    });
    const ofAna = await audit.list({ user: 'ana', limit: '500' });
    expect(ofAna.rows.length).toBeGreaterThanOrEqual(3);
    expect(new Set(resources(ofAna))).toEqual(new Set([`artifact:${id}`]));

    const reader = await makeKey(product, ['audit:read']);
    const body = { resource: `artifact:${id}` };
    const refused = await product.call('POST', '/v1/audit/erase', body, { key: reader.token });
    expectProblem(refused, 403, 'auth:scope_missing');
    expectProblem(await product.call('POST', '/v1/audit/erase', { resource: 'artifact' }), 400, 'request:invalid');
    const erased = await product.call('POST', '/v1/audit/erase', body);
    expect(erased.body).toEqual({ erased: ofAna.rows.length, complete: true });
    const after = await read();
    for (const personal of ['old', 'new', 'address', 'user_agent']) expect(after).not.toHaveProperty(personal);
    expect(after).toMatchObject({ old_digest: expect.any(String), new_digest: expect.any(String) });
    expect((await audit.list({ user: 'ana' })).rows).toEqual([]);
    const itself = (await audit.get<Row>(`/${erased.headers.get('acervo-audit-id')}`)).body;
    expect(itself).toMatchObject({ action: 'DELETE', status: 'SUCCESS', resource: `audit:artifact:${id}` });
  });

  it('records writes that failed, with what they were about, and leaves the operation unused', async () => {
    const api = knowledgeOf(product);
    const { id: key_id, token: key } = await makeKey(
      product,
      ['knowledge:write', 'artifacts:write', 'search:read'],
      'clumsy',
    );
    const before = new Date().toISOString();
    const send = (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) =>
      product.call(method, path, body, { key, headers });
    await api.post({ id: 'foreign', content: 'Of somebody else.' });
    const idempotent = { 'idempotency-key': `k-${randomUUID()}` };
    expectProblem(await send('PATCH', '/v1/knowledge/absent', { title: 'x' }), 404, 'knowledge:not_found');
    expectProblem(await send('POST', '/v1/knowledge', { no: 1 }, idempotent), 400, 'request:invalid');
    expectProblem(await send('DELETE', '/v1/knowledge/foreign'), 404, 'knowledge:not_found');
    expect((await send('PUT', '/v1/artifacts/absent/content', 'bytes')).status).toBe(404);
    expectProblem(await send('POST', '/v1/search', { no: 1 }), 400, 'request:invalid');
    expectProblem(await send('GET', '/v1/knowledge/absent'), 403, 'auth:scope_missing');
    // A scope beside that of the route.
    expectProblem(await send('POST', '/v1/search', { query: 'x', lineage: {} }), 403, 'auth:scope_missing');
    const { rows } = await audit.list({ key_id, order: 'asc', from: before });
    expect(
      rows.map(({ action, status, resource, code, agent_id }) => [action, status, resource, code, agent_id]),
    ).toEqual([
      ['UPDATE', 'FAILURE', 'knowledge:absent', 'knowledge:not_found', 'clumsy'],
      ['CREATE', 'FAILURE', 'knowledge', 'request:invalid', 'clumsy'],
      ['DELETE', 'FAILURE', 'knowledge:foreign', 'knowledge:not_found', 'clumsy'],
      ['UPDATE', 'FAILURE', 'artifact:absent', 'artifact:not_found', 'clumsy'],
      ['READ', 'DENIED', 'route:GET /v1/knowledge/{id}', 'auth:scope_missing', 'clumsy'],
      ['READ', 'DENIED', 'route:POST /v1/search', 'auth:scope_missing', 'clumsy'],
    ]);
    expect((await audit.list({ key_id, status: 'FAILURE', action: 'DELETE' })).rows).toHaveLength(1);
    expect((await send('POST', '/v1/knowledge', { content: 'Good now.' }, idempotent)).status).toBe(201);
  });

  it('records no unknown key, and of a storm only its begin', async () => {
    const { id: key_id, token: key } = await makeKey(product, ['knowledge:write']);
    await product.call('DELETE', '/v1/knowledge/absent', undefined, { key: `${key}x` });
    for (let n = 0; n < 70; n += 1)
      expect((await product.call('DELETE', `/v1/knowledge/absent-${n}`, undefined, { key })).status).toBe(404);
    const { rows } = await audit.list({ key_id, limit: '500', order: 'asc' });
    expect(rows.map(({ resource }) => resource)).toEqual(Array.from({ length: 60 }, (_, n) => `knowledge:absent-${n}`));
    const metrics = await product.call('GET', '/metrics');
    expect(metrics.text).toContain('acervo_audit_rows_dropped_total{kind="failure"} 10');
    expect((await audit.list({ resource: 'knowledge:absent' })).rows.filter((row) => row.key_id === undefined)).toEqual(
      [],
    );
  });

  it('shows a bound key the rows of its agent alone, in pages, exports and series', async () => {
    const api = knowledgeOf(product);
    for (let n = 0; n < 7; n += 1) await api.post({ id: `own-${n}`, content: 'Own.', agent_id: 'owner' });
    await api.post({ id: 'not-own', content: 'Not own.', agent_id: 'neighbour' });
    const bound = auditOf(product, (await makeKey(product, ['audit:read'], 'owner')).token);
    const found: Row[] = [];
    let cursor: string | undefined;
    do {
      const page: Page = await bound.list({ limit: '3', ...(cursor && { cursor }) });
      found.push(...page.rows);
      cursor = page.cursor;
    } while (cursor !== undefined);
    expect(found.map(({ resource }) => resource)).toEqual([6, 5, 4, 3, 2, 1, 0].map((n) => `knowledge:own-${n}`));
    expect((await bound.list({ agent_id: 'neighbour' })).rows).toEqual([]);
    expect((await bound.get('?format=ndjson')).text.trim().split('\n')).toHaveLength(7);
    const [foreign] = (await audit.list({ agent_id: 'neighbour' })).rows;
    expectProblem(await bound.get(`/${foreign!.id}`), 404, 'audit:not_found');
    const from = new Date(Date.now() - 3_600_000).toISOString();
    const series = await bound.get<{ points: { key: string; count: number }[] }>(`/series?by=agent&from=${from}`);
    expect(new Set(series.body.points.map(({ key }) => key))).toEqual(new Set(['owner']));
    expect(series.body.points.reduce((sum, { count }) => sum + count, 0)).toBe(7);
  });

  it('comes as CSV and NDJSON by Accept or by format, and says when paging makes no sense', async () => {
    const pages = (await audit.list({ limit: '500', order: 'asc' })).rows;
    const csv = await product.fetch('/v1/audit?order=asc', { headers: { accept: 'text/csv' } });
    expect(csv.headers.get('content-type')).toBe('text/csv; charset=utf-8; header=present');
    expect(csv.headers.get('content-disposition')).toBe('attachment; filename="audit.csv"');
    const records: Row[] = parse(await csv.text(), { columns: true, record_delimiter: '\r\n' });
    const ids = (rows: Row[]) => rows.map(({ id }) => id).slice(0, pages.length);
    expect(ids(records)).toEqual(ids(pages));
    const ndjson = await product.fetch('/v1/audit?order=asc', { headers: { accept: 'application/x-ndjson' } });
    expect(ndjson.headers.get('content-type')).toBe('application/x-ndjson');
    const lines: Row[] = (await ndjson.text())
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.slice(0, pages.length)).toEqual(pages);
    const json = await product.fetch('/v1/audit?format=json', { headers: { accept: 'text/csv' } });
    expect(json.headers.get('content-type')).toMatch(/^application\/json/);
    expectProblem(await audit.get('?format=csv&limit=3'), 400, 'request:invalid');
    expectProblem(await audit.get('?from=yesterday'), 400, 'request:invalid');
  });

  it('gives series that count what the log has, with sums of sizes', async () => {
    const files = artifactsOf(product);
    const reserved: number[] = [];
    for (const size of [100, 200, 600]) {
      await files.stored(bytesOf(size), { agent_id: 'sizer' });
      reserved.push(size);
    }
    const from = new Date(Date.now() - 3_600_000).toISOString();
    const { rows } = await audit.list({ agent_id: 'sizer', limit: '500' });
    interface Series {
      source: string;
      points: { bucket_start: string; key?: string; count: number; sum?: number; average?: number }[];
    }
    const query = `/series?bucket=1d&by=resource_kind&field=size_bytes&agent_id=sizer&from=${from}`;
    const { body } = await audit.get<Series>(query);
    const total = (of: 'count' | 'sum') => body.points.reduce((sum, point) => sum + (point[of] ?? 0), 0);
    expect([...new Set(body.points.map(({ key }) => key))]).toEqual(['artifact']);
    expect(total('count')).toBe(rows.length);
    const values = await Promise.all(rows.map(async ({ id }) => (await audit.get<Row>(`/${id}`)).body.new));
    expect(total('sum')).toBe(values.reduce((sum, value) => sum + Number(value?.size_bytes ?? 0), 0));
    expect(total('sum')).toBeGreaterThanOrEqual(900);
    expectProblem(await audit.get(`/series?bucket=1m&from=2020-01-01T00:00:00Z`), 400, 'request:invalid');
  });

  it('records no reads unless told to', async () => {
    await knowledgeOf(product).get('told');
    expect((await audit.list({ action: 'READ', status: 'SUCCESS' })).rows).toEqual([]);
  });
});

describe.skipIf(unavailable)('reads, recorded', () => {
  it('are rows of the log soon after: single resources, contents, searches; no lists, no refusals', async () => {
    const product = await startProduct({ ACERVO_AUDIT_READS: 'on' });
    const audit = auditOf(product);
    const api = knowledgeOf(product);
    await api.post({ id: 'read-me', content: 'To be read.', agent_id: 'reader' });
    const { id } = await artifactsOf(product).stored(bytesOf(5));
    const { id: key_id, token: key } = await makeKey(
      product,
      ['knowledge:read', 'search:read', 'artifacts:read', 'audit:read'],
      'reader',
    );
    const asReader = (method: string, path: string, body?: unknown) => product.call(method, path, body, { key });
    expect((await asReader('GET', '/v1/knowledge/read-me')).status).toBe(200);
    expect((await asReader('GET', '/v1/knowledge')).status).toBe(200);
    expect((await asReader('GET', '/v1/knowledge/absent')).status).toBe(404);
    expect((await asReader('GET', `/v1/artifacts/${id}/content`)).status).toBe(404);
    expect((await asReader('POST', '/v1/search', { query: 'read', mode: 'text' })).status).toBe(200);
    expect((await product.fetch(`/v1/artifacts/${id}/content`)).status).toBe(200);
    const reads = async (of: string) => (await audit.list({ key_id: of, action: 'READ', order: 'asc' })).rows;
    await waitFor('the reads', async () => (await reads(key_id)).length === 2 && (await reads('admin')).length === 1);
    expect((await reads(key_id)).map(({ resource, status, agent_id }) => [resource, status, agent_id])).toEqual([
      ['knowledge:read-me', 'SUCCESS', 'reader'],
      ['search', 'SUCCESS', 'reader'],
    ]);
    expect((await reads('admin')).map(({ resource }) => resource)).toEqual([`artifact:${id}`]);
    await product.stop();
  });
});
