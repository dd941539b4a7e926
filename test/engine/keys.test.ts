import { createHash } from 'node:crypto';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { AcervoError } from '../../src/errors/error.js';
import { ensureAdminKey } from '../../src/keys/admin-key.js';
import { MAX_RECORDED } from '../../src/keys/denials.js';
import { ALL_SCOPES } from '../../src/keys/scopes.js';
import type { Params } from '../../src/surreal/database.js';
import { sharedSecret } from '../../src/surreal/secrets.js';
import { unavailable } from './support/engine.js';
import {
  type Answer,
  type Installation,
  type Node,
  openInstallation,
  startedInstallation,
} from './support/installation.js';

const TOKEN = /^acv_[0-9a-f]{8}_[A-Za-z0-9_-]{43}$/;
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
const NO_KEY = { adminKey: undefined };

interface Made {
  id: string;
  token: string;
}

async function make(node: Node, token: string, input: Record<string, unknown>): Promise<Made> {
  const answer = await node.call(token, 'POST', '/v1/keys', { name: 'test', ...input });
  expect([answer.status, answer.text]).toEqual([201, expect.any(String)]);
  return answer.body as unknown as Made;
}

/** Puts `instead` between a node and its control database, until the test ends. */
function intercept(node: Node, instead: (name: string, params: Params, send: () => Promise<unknown>) => unknown) {
  const query = node.control.query.bind(node.control);
  return vi
    .spyOn(node.control, 'query')
    .mockImplementation(async (name, params = {}) => (await instead(name, params, () => query(name, params))) as never);
}
afterEach(() => void vi.restoreAllMocks());

const outcome = ({ status, body }: Answer) => (body.code === undefined ? status : [status, body.code]);
const idsIn = ({ body }: Answer) => (body.keys as { id: string }[]).map(({ id }) => id);

describe.skipIf(unavailable)('the first key', () => {
  let installation: Installation;
  beforeAll(async () => {
    installation = await openInstallation();
  });

  it('is one, however many nodes start together, and is stored as a hash', async () => {
    const nodes = await Promise.all(Array.from({ length: 4 }, () => installation.node()));
    for (let round = 0; round < 5; round += 1) {
      await installation.engine.control.run({ text: 'DELETE api_keys', params: {} });
      const tokens = await Promise.all(nodes.map(({ control }) => ensureAdminKey(control, NO_KEY, installation.clock)));
      const [token = '', ...others] = tokens.filter((made) => made !== undefined);
      expect(others).toEqual([]);
      expect(token).toMatch(TOKEN);
      const rows = await installation.rows();
      expect(rows).toMatchObject([{ id: 'first', hash: sha256(token), prefix: token.slice(0, 12) }]);
      expect(JSON.stringify(rows)).not.toContain(token.slice(13));
      expect(await nodes[0]!.authenticator.authenticate(token)).toMatchObject({ key_id: 'first', scopes: ALL_SCOPES });
      expect(await ensureAdminKey(nodes[1]!.control, NO_KEY, installation.clock)).toBeUndefined();
    }
  });

  it('shares one secret among nodes that ask together', async () => {
    const nodes = await Promise.all(Array.from({ length: 4 }, () => installation.node()));
    const secrets = await Promise.all(nodes.map(({ control }) => sharedSecret(control, 'test')));
    expect(secrets[0]).toHaveLength(32);
    expect(new Set(secrets.map((secret) => secret.toString('hex'))).size).toBe(1);
    expect(await sharedSecret(nodes[0]!.control, 'other')).not.toEqual(secrets[0]);
  });
});

describe.skipIf(unavailable)('ACERVO_ADMIN_KEY', () => {
  const before = 'an-admin-key-of-forty-characters-0000001';
  const after = 'an-admin-key-of-forty-characters-0000002';

  it('is the key `admin`; another text takes its place, and the API does not end it', async () => {
    const installation = await openInstallation();
    const node = await installation.node(before);
    const start = (adminKey: string | undefined) => ensureAdminKey(node.control, { adminKey }, installation.clock);
    expect(await start(before)).toBeUndefined();
    expect(await start(before)).toBeUndefined();
    expect(idsIn(await node.call(before, 'GET', '/v1/keys'))).toEqual(['admin']);
    expect(outcome(await node.call(before, 'DELETE', '/v1/keys/admin'))).toEqual([409, 'key:configured']);
    expect(outcome(await node.call(before, 'POST', '/v1/keys/admin/rotate', {}))).toEqual([409, 'key:configured']);

    // With it, every other admin key may go.
    const other = await make(node, before, { scopes: ['keys:manage'] });
    expect(outcome(await node.call(before, 'DELETE', `/v1/keys/${other.id}`))).toBe(204);

    expect(await start(after)).toBeUndefined();
    installation.clock.advance(3_000);
    expect(outcome(await node.call(before, 'GET', '/v1/keys'))).toEqual([401, 'auth:invalid']);
    expect((await node.call(after, 'GET', '/v1/keys/admin')).body).toMatchObject({
      prefix: 'configured',
      scopes: ALL_SCOPES,
    });
    expect(JSON.stringify(await installation.rows())).not.toContain('an-admin-key');

    // Without the variable it is a key like others: there is one, so none is made, and it cannot go as the last.
    expect(await start(undefined)).toBeUndefined();
    const plain = await installation.node();
    expect(outcome(await plain.call(after, 'DELETE', '/v1/keys/admin'))).toEqual([409, 'key:last_admin']);
    await make(plain, after, { scopes: ['keys:manage'] });
    expect(outcome(await plain.call(after, 'DELETE', '/v1/keys/admin'))).toBe(204);
    expect(outcome(await plain.call(after, 'GET', '/v1/keys'))).toEqual([401, 'auth:invalid']);

    // Set again, it works again.
    expect(await start(after)).toBeUndefined();
    expect(outcome(await plain.call(after, 'GET', '/v1/keys'))).toBe(200);
  });

  it('may be the token of a key that exists', async () => {
    const { one, admin, clock, rows } = await startedInstallation();
    expect(await ensureAdminKey(one.control, { adminKey: admin }, clock)).toBeUndefined();
    expect(await rows()).toMatchObject([{ id: 'admin', hash: sha256(admin) }]);
    expect(await one.authenticator.authenticate(admin)).toMatchObject({ key_id: 'admin' });
  });
});

describe.skipIf(unavailable)('keys', () => {
  let installation: Installation;
  let one: Node;
  let two: Node;
  let admin: string;
  beforeAll(async () => {
    const started = await startedInstallation();
    installation = started;
    one = started.one;
    admin = started.admin;
    two = await installation.node();
  });
  const opens = async (node: Node, token: string) => (await node.authenticator.authenticate(token)) !== undefined;

  it('are made with the token shown once, and described without it', async () => {
    const answer = await one.call(admin, 'POST', '/v1/keys', {
      name: '  reader ',
      scopes: ['search:read', 'knowledge:read'],
      expires_in_seconds: 3600,
    });
    const { token, ...key } = answer.body as unknown as Made;
    expect(answer.status).toBe(201);
    expect(answer.headers.get('location')).toBe(`/v1/keys/${key.id}`);
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(token).toMatch(TOKEN);
    expect(key).toEqual({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      name: 'reader',
      prefix: token.slice(0, 12),
      scopes: ['search:read', 'knowledge:read'],
      created_at: '2026-03-01T12:00:00.000Z',
      expires_at: '2026-03-01T13:00:00.000Z',
    });
    const described = await one.call(admin, 'GET', `/v1/keys/${key.id}`);
    expect(described.status).toBe(200);
    expect(Object.keys(described.body).sort()).toEqual(
      ['created_at', 'expires_at', 'id', 'name', 'prefix', 'scopes'].sort(),
    );
    expect(await one.authenticator.authenticate(token)).toEqual({
      key_id: key.id,
      scopes: ['knowledge:read', 'search:read'],
      agent_id: undefined,
    });
    expect(outcome(await one.call(token, 'GET', '/v1/knowledge'))).toBe(200);
    expect(outcome(await one.call(token, 'GET', '/v1/keys'))).toEqual([403, 'auth:scope_missing']);
    expect(outcome(await one.call(`${token}x`, 'GET', '/v1/knowledge'))).toEqual([401, 'auth:invalid']);
  });

  it.each([
    [{ scopes: [] }, 'scopes'],
    [{ scopes: ['everything'] }, 'scopes.0'],
    [{ scopes: ['*'] }, 'scopes.0'],
    [{ scopes: ['search:read', 'search:read'] }, 'scopes'],
    [{ scopes: ['search:read'], name: ' ' }, 'name'],
    [{ scopes: ['search:read'], expires_at: '2026-03-01T11:59:59Z' }, 'expires_at'],
    [{ scopes: ['search:read'], expires_at: '2027-01-01T00:00:00Z', expires_in_seconds: 9 }, 'expires_in_seconds'],
    [{ scopes: ['search:read'], expires_in_seconds: 0 }, 'expires_in_seconds'],
    [{ scopes: ['search:read'], hash: 'x' }, 'hash'],
  ])('are refused when they make no sense: %j', async (input, path) => {
    const answer = await one.call(admin, 'POST', '/v1/keys', { name: 'test', ...input });
    expect([outcome(answer), answer.body.errors]).toEqual([
      [400, 'request:invalid'],
      [expect.objectContaining({ path })],
    ]);
  });

  it('that are unknown look like any unknown thing', async () => {
    for (const [method, path, body] of [
      ['GET', '/v1/keys/nobody', undefined],
      ['DELETE', '/v1/keys/nobody', undefined],
      ['POST', '/v1/keys/nobody/rotate', {}],
    ] as const)
      expect(outcome(await one.call(admin, method, path, body))).toEqual([404, 'key:not_found']);
  });

  it('expire by the clock, cached or not', async () => {
    const { token } = await make(one, admin, { scopes: ['search:read'], expires_in_seconds: 2 });
    expect(await opens(one, token)).toBe(true);
    installation.clock.advance(1_999);
    expect(await opens(one, token)).toBe(true);
    installation.clock.advance(1);
    expect([await opens(one, token), await opens(two, token)]).toEqual([false, false]);
  });

  it('are revoked at once here and within 5 s on another node; again is harmless', async () => {
    const { id, token } = await make(one, admin, { scopes: ['search:read'] });
    expect([await opens(one, token), await opens(two, token)]).toEqual([true, true]);
    expect(outcome(await one.call(admin, 'DELETE', `/v1/keys/${id}`))).toBe(204);
    // The other node still has it in mind: else this test would say nothing about how long.
    expect([await opens(one, token), await opens(two, token)]).toEqual([false, true]);
    installation.clock.advance(4_999);
    expect(await opens(two, token)).toBe(false);

    const [row] = (await installation.rows()).filter((key) => key.id === id);
    expect(outcome(await one.call(admin, 'DELETE', `/v1/keys/${id}`))).toBe(204);
    expect((await installation.rows()).filter((key) => key.id === id)).toEqual([row]);
  });

  it('are not kept in mind by a lookup that a revocation overtakes', async () => {
    const { id, token } = await make(one, admin, { scopes: ['search:read'] });
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    intercept(one, async (name, params, send) => {
      const result = await send();
      // The answer is there, and delivered only after the revocation.
      if (name === 'keys/find' && params.hash === sha256(token)) await held;
      return result;
    });
    const overtaken = opens(one, token);
    expect(outcome(await one.call(admin, 'DELETE', `/v1/keys/${id}`))).toBe(204);
    release();
    expect(await overtaken).toBe(true);
    vi.restoreAllMocks();
    expect(await opens(one, token)).toBe(false);
  });

  it('are told from a database that is away', async () => {
    const { token } = await make(one, admin, { scopes: ['search:read'] });
    expect(await opens(one, token)).toBe(true);
    intercept(one, () => Promise.reject(new AcervoError('database:unavailable')));
    installation.clock.advance(2_999);
    expect(await opens(one, token)).toBe(true);
    installation.clock.advance(1);
    await expect(opens(one, token)).rejects.toMatchObject({ code: 'database:unavailable' });
    vi.restoreAllMocks();
    expect(await opens(one, token)).toBe(true);
  });

  it('are noted as used, once a minute', async () => {
    const { id, token } = await make(one, admin, { scopes: ['search:read'] });
    let touches = 0;
    intercept(one, (name, params, send) => {
      if (name === 'keys/touch' && params.id === id) touches += 1;
      return send();
    });
    const lastUse = async () => (await one.call(admin, 'GET', `/v1/keys/${id}`)).body.last_used_at;
    const usedAt = installation.clock().toISOString();
    expect(await opens(one, token)).toBe(true);
    await vi.waitFor(async () => expect(await lastUse()).toBe(usedAt));
    for (let i = 0; i < 10; i += 1) {
      installation.clock.advance(5_900);
      expect(await opens(one, token)).toBe(true);
    }
    expect(touches).toBe(1);
    installation.clock.advance(1_000);
    expect(await opens(two, token)).toBe(true);
    await vi.waitFor(async () => expect(await lastUse()).toBe(installation.clock().toISOString()));
  });

  it('open though their last use cannot be noted', async () => {
    const { token } = await make(one, admin, { scopes: ['search:read'] });
    intercept(one, (name, _params, send) => (name === 'keys/touch' ? Promise.reject(new Error('no')) : send()));
    expect(await opens(one, token)).toBe(true);
    await vi.waitFor(() =>
      expect(installation.lines).toContainEqual(
        expect.objectContaining({ msg: 'the last use of a key was not noted' }),
      ),
    );
  });

  it('rotate: the new one is the same but for its token, the old one ends at once', async () => {
    const old = await make(one, admin, { scopes: ['search:read'], agent_id: 'a1', expires_in_seconds: 9_000 });
    expect(await opens(one, old.token)).toBe(true);
    const answer = await one.call(admin, 'POST', `/v1/keys/${old.id}/rotate`, {});
    const { id, token, ...fresh } = answer.body as unknown as Made & Record<string, unknown>;
    expect(answer.status).toBe(201);
    expect(id).not.toBe(old.id);
    const { name, scopes, agent_id, expires_at } = old as unknown as Record<string, unknown>;
    expect(fresh).toMatchObject({ name, scopes, agent_id, expires_at, prefix: token.slice(0, 12) });
    expect([await opens(one, old.token), await opens(one, token)]).toEqual([false, true]);
    expect((await one.call(admin, 'GET', `/v1/keys/${old.id}`)).body).toMatchObject({
      rotated_to: id,
      revoked_at: installation.clock().toISOString(),
    });
    expect(outcome(await one.call(admin, 'POST', `/v1/keys/${old.id}/rotate`, {}))).toEqual([409, 'key:ended']);
  });

  it('rotate with a grace: both work until it ends; an earlier expiry stays', async () => {
    const old = await make(one, admin, { scopes: ['search:read'] });
    const rotated = await one.call(admin, 'POST', `/v1/keys/${old.id}/rotate`, { grace_seconds: 60 });
    const { token } = rotated.body as unknown as Made;
    expect(rotated.body.expires_at).toBeUndefined();
    expect([await opens(two, old.token), await opens(two, token)]).toEqual([true, true]);
    expect(outcome(await one.call(admin, 'POST', `/v1/keys/${old.id}/rotate`, {}))).toEqual([409, 'key:ended']);
    installation.clock.advance(59_999);
    expect([await opens(two, old.token), await opens(two, token)]).toEqual([true, true]);
    installation.clock.advance(1);
    expect([await opens(two, old.token), await opens(two, token)]).toEqual([false, true]);

    const short = await make(one, admin, { scopes: ['search:read'], expires_in_seconds: 30 });
    expect(outcome(await one.call(admin, 'POST', `/v1/keys/${short.id}/rotate`, { grace_seconds: 60 }))).toBe(201);
    installation.clock.advance(30_000);
    expect(await opens(two, short.token)).toBe(false);
  });

  it('that ended cannot be rotated', async () => {
    const { id } = await make(one, admin, { scopes: ['search:read'], expires_in_seconds: 1 });
    installation.clock.advance(1_000);
    expect(outcome(await one.call(admin, 'POST', `/v1/keys/${id}/rotate`, {}))).toEqual([409, 'key:ended']);
  });

  it('rotated from two nodes at once: one new key', async () => {
    for (let round = 0; round < 3; round += 1) {
      const old = await make(one, admin, { scopes: ['search:read'] });
      const answers = await Promise.all(
        [one, two, one, two].map((node) => node.call(admin, 'POST', `/v1/keys/${old.id}/rotate`, {})),
      );
      expect(answers.map(({ status }) => status).sort()).toEqual([201, 409, 409, 409]);
      const made = answers.find(({ status }) => status === 201)!.body;
      expect(await opens(two, made.token as string)).toBe(true);
      expect((await one.call(admin, 'GET', `/v1/keys/${old.id}`)).body.rotated_to).toBe(made.id);
    }
  });

  it('made under an Idempotency-Key are made once', async () => {
    const headers = { 'idempotency-key': 'once' };
    const input = { name: 'once', scopes: ['search:read'] };
    const first = await one.call(admin, 'POST', '/v1/keys', input, headers);
    expect(first.status).toBe(201);
    const again = await two.call(admin, 'POST', '/v1/keys', input, headers);
    expect(outcome(again)).toEqual([409, 'key:exists']);
    expect(again.body.detail).toContain(first.body.id);
    expect(again.text).not.toContain(first.body.token);
    const other = await one.call(admin, 'POST', '/v1/keys', { ...input, name: 'other' }, headers);
    expect(outcome(other)).toEqual([422, 'idempotency:key_reused']);
    expect((await installation.rows()).filter(({ name }) => name === 'once')).toHaveLength(1);

    const path = `/v1/keys/${first.body.id}/rotate`;
    const rotation = { 'idempotency-key': 'rotate-once' };
    expect((await one.call(admin, 'POST', path, {}, rotation)).status).toBe(201);
    expect(outcome(await two.call(admin, 'POST', path, {}, rotation))).toEqual([409, 'key:exists']);
    expect((await installation.rows()).filter(({ name }) => name === 'once')).toHaveLength(2);
  });

  it('sent again by the SDK after a reconnect are the same keys', async () => {
    intercept(one, async (name, _params, send) => {
      if (name === 'keys/create' || name === 'keys/rotate') await send();
      return send();
    });
    const made = await make(one, admin, { name: 'twice', scopes: ['search:read'] });
    const rotated = await one.call(admin, 'POST', `/v1/keys/${made.id}/rotate`, {});
    expect([rotated.status, await opens(one, rotated.body.token as string)]).toEqual([201, true]);
    expect((await installation.rows()).filter(({ name }) => name === 'twice')).toHaveLength(2);
  });

  it('grant only what they have, also by rotating', async () => {
    const manager = await make(one, admin, { scopes: ['keys:manage', 'search:read'] });
    const wider = await one.call(manager.token, 'POST', '/v1/keys', {
      name: 'w',
      scopes: ['search:read', 'health:read'],
    });
    expect([outcome(wider), wider.body.detail]).toEqual([
      [403, 'auth:scope_missing'],
      expect.stringContaining('health:read'),
    ]);
    await make(one, manager.token, { scopes: ['search:read', 'keys:manage'] });
    const reader = await make(one, admin, { scopes: ['health:read'] });
    for (const id of ['first', reader.id])
      expect(outcome(await one.call(manager.token, 'POST', `/v1/keys/${id}/rotate`, {}))).toEqual([
        403,
        'auth:scope_missing',
      ]);
    expect(await opens(two, reader.token)).toBe(true);
  });

  it('that were revoked leave no new keys behind, though another node still knows them', async () => {
    const manager = await make(one, admin, { scopes: ['keys:manage', 'search:read'] });
    const reader = await make(one, admin, { scopes: ['search:read'] });
    expect(await opens(two, manager.token)).toBe(true);
    expect(outcome(await one.call(admin, 'DELETE', `/v1/keys/${manager.id}`))).toBe(204);
    const before = (await installation.rows()).length;
    const input = { name: 'late', scopes: ['search:read'] };
    expect(outcome(await two.call(manager.token, 'POST', '/v1/keys', input))).toEqual([401, 'auth:invalid']);
    expect(outcome(await two.call(manager.token, 'POST', `/v1/keys/${reader.id}/rotate`, {}))).toEqual([
      401,
      'auth:invalid',
    ]);
    expect(await installation.rows()).toHaveLength(before);
  });

  it('bound to an agent manage the keys of that agent, and see no others', async () => {
    const bound = await make(one, admin, { scopes: ['keys:manage', 'search:read'], agent_id: 'agent-1' });
    const sister = await make(one, admin, { scopes: ['search:read'], agent_id: 'agent-1' });
    const other = await make(one, admin, { scopes: ['search:read'], agent_id: 'agent-2' });
    const free = await make(one, admin, { scopes: ['search:read'] });
    expect(idsIn(await one.call(bound.token, 'GET', '/v1/keys'))).toEqual([sister.id, bound.id].sort().reverse());
    for (const { id, token } of [other, free, { id: 'first', token: admin }]) {
      expect(outcome(await one.call(bound.token, 'GET', `/v1/keys/${id}`))).toEqual([404, 'key:not_found']);
      expect(outcome(await one.call(bound.token, 'DELETE', `/v1/keys/${id}`))).toEqual([404, 'key:not_found']);
      expect(outcome(await one.call(bound.token, 'POST', `/v1/keys/${id}/rotate`, {}))).toEqual([404, 'key:not_found']);
      expect(await opens(two, token)).toBe(true);
    }
    const child = await one.call(bound.token, 'POST', '/v1/keys', { name: 'child', scopes: ['search:read'] });
    expect(child.body).toMatchObject({ agent_id: 'agent-1' });
    expect(await one.authenticator.authenticate(child.body.token as string)).toMatchObject({ agent_id: 'agent-1' });
    const stranger = { name: 'child', scopes: ['search:read'], agent_id: 'agent-2' };
    expect(outcome(await one.call(bound.token, 'POST', '/v1/keys', stranger))).toEqual([403, 'auth:agent_mismatch']);
    expect((await one.call(bound.token, 'POST', `/v1/keys/${sister.id}/rotate`, {})).body).toMatchObject({
      agent_id: 'agent-1',
    });
    expect(outcome(await one.call(bound.token, 'DELETE', `/v1/keys/${child.body.id}`))).toBe(204);
  });

  it('are listed in pages, newest first, the revoked ones on demand', async () => {
    const owner = await make(one, admin, { scopes: ['keys:manage', 'search:read'], agent_id: 'lister' });
    const made: string[] = [owner.id];
    for (let i = 0; i < 6; i += 1) {
      // Some share their time: the id then decides.
      if (i % 3 === 0) installation.clock.advance(1);
      made.push((await make(one, owner.token, { scopes: ['search:read'] })).id);
    }
    const revoked = made[2]!;
    await one.call(owner.token, 'DELETE', `/v1/keys/${revoked}`);
    const pages = async (query: string) => {
      const ids: string[] = [];
      let cursor = '';
      for (let page = 0; page < 10; page += 1) {
        const answer = await one.call(owner.token, 'GET', `/v1/keys?limit=2${query}${cursor}`);
        expect(idsIn(answer).length).toBeLessThanOrEqual(2);
        ids.push(...idsIn(answer));
        if (answer.body.cursor === undefined) return ids;
        cursor = `&cursor=${answer.body.cursor}`;
      }
      return ids;
    };
    const all = await pages('&include_revoked=true');
    expect([...all].sort()).toEqual([...made].sort());
    expect(all.at(-1)).toBe(owner.id);
    const times = (await one.call(owner.token, 'GET', '/v1/keys?include_revoked=true')).body.keys as Record<
      string,
      string
    >[];
    expect(times.map((key) => key.created_at)).toEqual(
      times
        .map((key) => key.created_at)
        .sort()
        .reverse(),
    );
    expect(await pages('')).toEqual(all.filter((id) => id !== revoked));

    const { cursor } = (await one.call(owner.token, 'GET', '/v1/keys?limit=1')).body;
    for (const [token, query] of [
      [admin, ''],
      [owner.token, '&include_revoked=true'],
    ] as const)
      expect(outcome(await one.call(token, 'GET', `/v1/keys?cursor=${cursor}${query}`))).toEqual([
        400,
        'cursor:invalid',
      ]);
  });

  it('denied are recorded in the audit log, ten a minute', async () => {
    const { id, token } = await make(one, admin, { scopes: ['health:read'], agent_id: 'curious' });
    const recorded = () =>
      installation.engine.db.run<Record<string, unknown>[]>({
        text: 'SELECT action, status, code, resource, key_id, agent_id FROM audit_log WHERE key_id = $id',
        params: { id },
      });
    const denied: [string, string, unknown, string][] = [
      ['GET', '/v1/keys', undefined, 'READ'],
      ['POST', '/v1/search', { query: 'x' }, 'READ'],
      ['POST', '/v1/keys', {}, 'CREATE'],
      ['PATCH', '/v1/knowledge/x', {}, 'UPDATE'],
      ['DELETE', '/v1/keys/x', undefined, 'DELETE'],
    ];
    for (const [method, path, body] of denied)
      expect(outcome(await one.call(token, method, path, body))).toEqual([403, 'auth:scope_missing']);
    expect(await recorded()).toEqual(
      denied.map(([method, path, , action]) => ({
        action,
        status: 'DENIED',
        code: 'auth:scope_missing',
        resource: `route:${method} ${path.replace(/\/x$/, '/{id}')}`,
        key_id: id,
        agent_id: 'curious',
      })),
    );
    for (let i = 0; i < 20; i += 1) await one.call(token, 'GET', '/v1/keys');
    expect(await recorded()).toHaveLength(MAX_RECORDED);
    const warnings = installation.lines.filter(({ msg }) => String(msg).startsWith('denials of this key'));
    expect(warnings.map(({ key_id, dropped }) => [key_id, dropped])).toEqual([
      [id, 1],
      [id, 10],
    ]);
    installation.clock.advance(60_000);
    await one.call(token, 'GET', '/v1/keys');
    expect(await recorded()).toHaveLength(MAX_RECORDED + 1);
  });

  it('leave their changes in the log of the process, not in the audit log', async () => {
    const { id } = await make(one, admin, { scopes: ['search:read'] });
    const rotated = await one.call(admin, 'POST', `/v1/keys/${id}/rotate`, {});
    await one.call(admin, 'DELETE', `/v1/keys/${rotated.body.id}`);
    await one.call(admin, 'DELETE', `/v1/keys/${rotated.body.id}`);
    const facts = installation.lines
      .filter(({ changed_key_id }) => [id, rotated.body.id].includes(changed_key_id))
      .map(({ changed_key_id, actor_key_id, action }) => [changed_key_id, actor_key_id, action]);
    expect(facts).toEqual([
      [id, 'first', 'create'],
      [id, 'first', 'rotate'],
      [rotated.body.id, 'first', 'revoke'],
    ]);
    const audited = await installation.engine.db.run<unknown[]>({
      text: `SELECT * FROM audit_log WHERE key_id = 'first' OR string::starts_with(resource, 'key')`,
      params: {},
    });
    expect(audited).toEqual([]);
  });

  it('show neither token nor hash anywhere else', async () => {
    const made = await make(one, admin, { scopes: ['search:read'] });
    await one.call(made.token, 'GET', '/v1/keys');
    const hashes = (await installation.rows()).map((row) => String(row.hash));
    expect(hashes).toContain(sha256(made.token));
    const said =
      (await one.call(admin, 'GET', '/v1/keys?include_revoked=true&limit=100')).text +
      (await one.call(admin, 'GET', `/v1/keys/${made.id}`)).text +
      JSON.stringify(installation.lines);
    for (const secret of [admin, made.token, admin.slice(13), made.token.slice(13), ...hashes])
      expect(said.includes(secret)).toBe(false);
    expect(said).toContain(made.id);
  });
});

describe.skipIf(unavailable)('the last key that manages keys', () => {
  it('cannot be revoked; keys that end, are bound or lack the scope do not count', async () => {
    const { one, admin, clock } = await startedInstallation();
    const last = [409, 'key:last_admin'];
    const revoke = async (id: string) => outcome(await one.call(admin, 'DELETE', `/v1/keys/${id}`));
    expect(await revoke('first')).toEqual(last);
    await make(one, admin, { scopes: ['search:read'] });
    const bound = await make(one, admin, { scopes: ['keys:manage'], agent_id: 'a' });
    await make(one, admin, { scopes: ['keys:manage'], expires_in_seconds: 10 });
    const ended = await make(one, admin, { scopes: ['keys:manage'] });
    expect(await revoke(ended.id)).toBe(204);
    clock.advance(10_000);
    expect(await revoke('first')).toEqual(last);
    expect(await revoke(bound.id)).toBe(204);

    // Rotated with a grace, the old one no longer counts, and its successor does.
    const rotated = await one.call(admin, 'POST', '/v1/keys/first/rotate', { grace_seconds: 60 });
    expect(await revoke(String(rotated.body.id))).toEqual(last);
    expect(await revoke('first')).toBe(204);
    expect((await one.call(String(rotated.body.token), 'GET', '/v1/keys/first')).status).toBe(200);
  });

  it('stays when the last ones are revoked side by side on several nodes', async () => {
    const installation = await startedInstallation();
    const { one, admin } = installation;
    const nodes = [one, await installation.node(), await installation.node()];
    for (let round = 0; round < 8; round += 1) {
      const others = [
        await make(one, admin, { scopes: ['keys:manage'] }),
        await make(one, admin, { scopes: ['keys:manage'] }),
      ];
      // Each revokes itself, so that no other write keeps them apart; the first key is out of the count.
      await installation.engine.control.run({ text: `UPDATE api_keys:first SET agent_id = 'parked'`, params: {} });
      const answers = await Promise.all(
        others.map(({ id, token }, i) => nodes[i]!.call(token, 'DELETE', `/v1/keys/${id}`)),
      );
      expect(answers.map(outcome).sort()).toEqual([204, [409, 'key:last_admin']]);
      await installation.engine.control.run({ text: 'UPDATE api_keys:first UNSET agent_id', params: {} });
      for (const { id } of others) expect(outcome(await nodes[2]!.call(admin, 'DELETE', `/v1/keys/${id}`))).toBe(204);
    }
  });
});
