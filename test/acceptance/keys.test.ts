import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { onStack, type Product, startProduct, unavailable } from '../support/product.js';
import { waitFor } from '../support/stack-servers.js';

interface NewKey {
  id: string;
  token: string;
  scopes: string[];
}

interface Operation {
  method: string;
  path: string;
  scope: string;
}

/** Others are open to everybody, or check a credential of their own. */
const needsKey = (scope: string) => scope !== 'public' && scope !== 'own';

/** The table of routes as the server publishes it. */
async function operations(product: Product): Promise<Operation[]> {
  const { body } = await product.call<{ paths: Record<string, Record<string, Record<string, unknown>>> }>(
    'GET',
    '/openapi.json',
    undefined,
    { key: null },
  );
  return Object.entries(body.paths).flatMap(([path, methods]) =>
    Object.entries(methods)
      .filter(([method]) => ['get', 'post', 'put', 'patch', 'delete'].includes(method))
      .map(([method, operation]) => ({
        method: method.toUpperCase(),
        path,
        scope: String(operation['x-acervo-scope']),
      })),
  );
}

/** A request that fails only later than at the gate: what it names does not exist, what it sends is no body. */
function knock(product: Product, { method, path }: Operation, key: string | null) {
  const at = path.replace('{file}', 'swagger-ui.css').replaceAll(/\{\w+\}/g, 'no-such-thing');
  return product.call(method, at, ['POST', 'PATCH', 'PUT'].includes(method) ? '{' : undefined, { key });
}

describe.skipIf(unavailable)('keys', () => {
  let product: Product;
  const make = async (fields: Record<string, unknown>, key?: string) => {
    const answer = await product.call<NewKey>('POST', '/v1/keys', { name: 'test', ...fields }, key ? { key } : {});
    expect(answer.status, answer.text).toBe(201);
    return answer.body;
  };
  beforeAll(async () => {
    product = await startProduct();
  });
  afterAll(() => product.stop());

  it('opens each route to the keys that have its scope, and to no others', async () => {
    const table = await operations(product);
    const scopes = [...new Set(table.map((operation) => operation.scope))].filter(needsKey);
    expect(scopes.sort()).toEqual([
      'artifacts:hold',
      'artifacts:read',
      'artifacts:write',
      'audit:erase',
      'audit:read',
      'changes:read',
      'decisions:read',
      'decisions:write',
      'health:read',
      'hooks:read',
      'hooks:write',
      'keys:manage',
      'knowledge:read',
      'knowledge:write',
      'lineage:read',
      'objects:manage',
      'search:read',
      'sessions:read',
      'sessions:write',
    ]);
    const tokens = new Map<string, string>();
    for (const scope of scopes) tokens.set(scope, (await make({ scopes: [scope] })).token);
    const revoked = await make({ scopes });
    await product.call('DELETE', `/v1/keys/${revoked.id}`);
    const strangers = { none: null, unknown: `acv_${'x'.repeat(50)}`, revoked: revoked.token };
    for (const operation of table) {
      const name = `${operation.method} ${operation.path}`;
      for (const [kind, key] of Object.entries(strangers)) {
        const { status, body } = await knock(product, operation, key);
        if (operation.scope === 'own') expect([401, 403], `${name} ${kind}`).toContain(status);
        else if (operation.scope === 'public') expect(status, `${name} ${kind}`).toBeLessThan(400);
        else
          expect([status, body.code], `${name} ${kind}`).toEqual([401, key === null ? 'auth:missing' : 'auth:invalid']);
      }
      for (const [scope, key] of tokens) {
        if (!needsKey(operation.scope)) continue;
        const { status, body } = await knock(product, operation, key);
        if (scope === operation.scope) expect([401, 403], `${name} with ${scope}`).not.toContain(status);
        else expect([status, body.code], `${name} with ${scope}`).toEqual([403, 'auth:scope_missing']);
      }
    }
  });

  it('shows a token once, and never a hash', async () => {
    const key = await make({ scopes: ['search:read'], name: 'shown once' });
    const shown = await product.call('GET', `/v1/keys/${key.id}`);
    expect(shown.body).toMatchObject({ id: key.id, name: 'shown once', scopes: ['search:read'] });
    const list = await product.call('GET', '/v1/keys?limit=100');
    for (const text of [shown.text, list.text, product.output()]) {
      expect(text).not.toContain(key.token);
      expect(text).not.toMatch(/"hash"/);
    }
    expect(list.text).toContain(key.id);
  });

  it('grants no more than its maker has', async () => {
    const manager = await make({ scopes: ['keys:manage', 'search:read'] });
    const more = await product.call(
      'POST',
      '/v1/keys',
      { name: 'x', scopes: ['knowledge:write'] },
      { key: manager.token },
    );
    expect(more.status).toBe(403);
    const bound = await make({ scopes: ['keys:manage', 'search:read'], agent_id: 'a1' });
    const other = await product.call(
      'POST',
      '/v1/keys',
      { name: 'x', scopes: ['search:read'], agent_id: 'a2' },
      { key: bound.token },
    );
    expect([other.status, other.body.code]).toEqual([403, 'auth:agent_mismatch']);
    const unseen = await product.call('GET', `/v1/keys/${manager.id}`, undefined, { key: bound.token });
    expect([unseen.status, unseen.body.code]).toEqual([404, 'key:not_found']);
  });

  it('takes the configured text for the admin key again, though it was rotated while it was not configured', async () => {
    const configured = await startProduct();
    const key = configured.key;
    await configured.stop();
    const without = await configured.restart({ ACERVO_ADMIN_KEY: '' });
    const rotated = await without.call<NewKey>('POST', '/v1/keys/admin/rotate', { grace_seconds: 1 }, { key });
    expect(rotated.status, rotated.text).toBe(201);
    await without.stop();
    const again = await without.restart({ ACERVO_ADMIN_KEY: key });
    try {
      const { body } = await again.call<{ keys: { id: string }[] }>('GET', '/v1/keys', undefined, { key });
      const admin = body.keys.find(({ id }) => id === 'admin');
      expect(admin).not.toHaveProperty('expires_at');
      expect(admin).not.toHaveProperty('rotated_to');
    } finally {
      await again.stop();
    }
  });

  it('ends a revoked key at once, and a rotated one after its grace', async () => {
    const key = await make({ scopes: ['search:read'] });
    const search = (token: string) => product.call('POST', '/v1/search', { query: 'x' }, { key: token });
    expect((await search(key.token)).status).toBe(200);
    const rotated = await product.call<NewKey>('POST', `/v1/keys/${key.id}/rotate`, { grace_seconds: 600 });
    expect(rotated.body.token).not.toBe(key.token);
    expect((await search(key.token)).status).toBe(200);
    expect((await search(rotated.body.token)).status).toBe(200);
    const atOnce = await product.call<NewKey>('POST', `/v1/keys/${rotated.body.id}/rotate`, {});
    expect((await search(rotated.body.token)).status).toBe(401);
    expect((await search(atOnce.body.token)).status).toBe(200);
    expect((await product.call('DELETE', `/v1/keys/${atOnce.body.id}`)).status).toBe(204);
    expect((await product.call('DELETE', `/v1/keys/${atOnce.body.id}`)).status).toBe(204);
    expect((await search(atOnce.body.token)).status).toBe(401);
    expect((await product.call('DELETE', '/v1/keys/no-such-key')).status).toBe(404);
  });

  it('shows a bound key only what belongs to its agent', async () => {
    const scopes = ['knowledge:read', 'knowledge:write', 'search:read'];
    const [one, two] = [await make({ scopes, agent_id: 'one' }), await make({ scopes, agent_id: 'two' })];
    const own = { id: 'of-one', content: 'a private zeppelin' };
    expect((await product.call('POST', '/v1/knowledge', own, { key: one.token })).status).toBe(201);
    const seen = async (key: string) => ({
      get: (await product.call('GET', '/v1/knowledge/of-one', undefined, { key })).status,
      list: (await product.call('GET', '/v1/knowledge', undefined, { key })).text.includes('of-one'),
      search: (await product.call('POST', '/v1/search', { query: 'zeppelin' }, { key })).text.includes('of-one'),
      filter: (
        await product.call('POST', '/v1/search', { query: 'zeppelin', filter: { $not: { agent_id: 'two' } } }, { key })
      ).text.includes('of-one'),
    });
    expect(await seen(one.token)).toEqual({ get: 200, list: true, search: true, filter: true });
    expect(await seen(two.token)).toEqual({ get: 404, list: false, search: false, filter: false });
    const writes = [
      ['PATCH', '/v1/knowledge/of-one', { metadata: { stolen: true } }, 404],
      ['DELETE', '/v1/knowledge/of-one', undefined, 404],
      ['POST', '/v1/knowledge', { ...own, content: 'overwritten' }, 409],
      ['POST', '/v1/knowledge', { content: 'x', agent_id: 'one' }, 403],
    ] as const;
    for (const [method, path, body, status] of writes)
      expect((await product.call(method, path, body, { key: two.token })).status, `${method} ${path}`).toBe(status);
    const { body } = await product.call('GET', '/v1/knowledge/of-one');
    expect(body).toMatchObject({ content: own.content, agent_id: 'one', revision: 1, metadata: {} });
  });

  it.skipIf(!onStack)('ends a revoked key on another node within 5 s', async () => {
    const other = await product.restart({ ACERVO_PORT: '0' });
    const key = await make({ scopes: ['search:read'] });
    const status = async () => (await other.call('POST', '/v1/search', { query: 'x' }, { key: key.token })).status;
    expect(await status()).toBe(200);
    await product.call('DELETE', `/v1/keys/${key.id}`);
    await waitFor('the other node to refuse the key', async () => (await status()) === 401, 5_000);
    await other.stop();
  });
});
