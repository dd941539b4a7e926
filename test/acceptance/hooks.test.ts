import { Webhook } from 'standardwebhooks';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { verifyHook } from '../../src/client/index.js';
import { hooksOf, type Receiver, startReceiver } from '../support/hooks.js';
import { expectProblem, knowledgeOf } from '../support/knowledge.js';
import { type Product, startProduct, unavailable } from '../support/product.js';
import { waitFor } from '../support/stack-servers.js';

const ENV = {
  ACERVO_HOOKS_ALLOW_PRIVATE: 'on',
  ACERVO_HOOKS_BACKOFF_MS: '20',
  ACERVO_HOOKS_MAX_ATTEMPTS: '6',
  ACERVO_HOOKS_TIMEOUT_MS: '1000',
  ACERVO_HOOKS_MAX: '30',
};

describe.skipIf(unavailable)('hooks', () => {
  let product: Product;
  let hooks: ReturnType<typeof hooksOf>;
  let receiver: Receiver;
  const store = (id: string, fields: object = {}) =>
    knowledgeOf(product).post({ id, content: `about ${id}`, ...fields });
  const makeKey = async (scopes: string[], agent_id?: string) => {
    const made = await product.call<{ id: string; token: string }>('POST', '/v1/keys', { name: 'k', scopes, agent_id });
    expect(made.status, made.text).toBe(201);
    return made.body;
  };
  const came = (count: number, prefix?: string) =>
    waitFor(`${count} deliveries`, async () => receiver.taken(prefix).length >= count);
  const disabled = (id: string) =>
    waitFor('it to be disabled', async () => (await hooks.status(id)).state === 'disabled');

  beforeAll(async () => {
    product = await startProduct(ENV);
    hooks = hooksOf(product);
  });
  afterAll(() => product.stop());
  beforeEach(async () => {
    receiver = await startReceiver();
  });
  afterEach(async () => {
    for (const { id } of (await hooks.list()).body.hooks) await hooks.remove(id);
    await receiver.close();
  });

  describe('deliver', () => {
    it('changes, thin, signed so that the reference library and our client verify them', async () => {
      const hook = await hooks.made({ url: `${receiver.url}?a=b`, description: 'first' });
      expect(hook).toMatchObject({ enabled: true, key_id: 'admin', status: { state: 'enabled', lag_seconds: 0 } });
      const { body: stored } = await store('d1', { metadata: { colour: 'red' } });
      await store('d1', { content: 'other words' });
      await knowledgeOf(product).remove('d1');
      await came(3);
      expect(receiver.deliveries.map(({ event }) => event.type)).toEqual([
        'knowledge.created',
        'knowledge.updated',
        'knowledge.deleted',
      ]);
      for (const { path, headers, text, event } of receiver.deliveries) {
        expect([path, headers['content-type']]).toEqual(['/receiver?a=b', 'application/json']);
        expect(headers['webhook-id']).toBe(event.data.id);
        expect(new Webhook(hook.secret).verify(text, headers as Record<string, string>)).toEqual(event);
        expect(await verifyHook(hook.secret, headers, text)).toEqual(event);
      }
      const [first] = receiver.deliveries;
      expect(first?.event.data.id).toBe(stored.audit_id);
      expect(first?.event).toEqual({
        type: 'knowledge.created',
        timestamp: expect.any(String),
        data: {
          ...{ id: stored.audit_id, resource: 'knowledge:d1', kind: 'knowledge', action: 'CREATE', status: 'SUCCESS' },
          ...{ revision: 1, timestamp: first?.event.timestamp },
        },
      });
    });

    it('what is asked for and nothing else', async () => {
      const red = await hooks.made({ url: receiver.url, kinds: ['knowledge'], filter: { 'metadata.colour': 'red' } });
      await store('f1', { metadata: { colour: 'blue' } });
      await store('f2', { metadata: { colour: 'red' } });
      await product.call('POST', '/v1/sessions', { id: 'f-session', user: 'red' });
      await store('f3', { metadata: { colour: 'red' } });
      await came(2);
      expect(receiver.taken()).toEqual([
        ['knowledge:f2', 1],
        ['knowledge:f3', 1],
      ]);
      await hooks.patch(red.id, { filter: null, kinds: null, resource: 'session:f-session' });
      await product.call('PATCH', '/v1/sessions/f-session', { state: { step: 1 } });
      await waitFor('the session', async () => receiver.deliveries.at(-1)?.event.type === 'session.updated');
      expect(receiver.deliveries.at(-1)?.event.data).toMatchObject({ resource: 'session:f-session', revision: 2 });
    });

    it('again after failures, in the order of each resource, and leave nothing out', async () => {
      const seen = new Map<string, number>();
      receiver.react(({ event }) => {
        const times = (seen.get(event.data.id) ?? 0) + 1;
        seen.set(event.data.id, times);
        return times <= 2 && event.data.revision % 3 === 0 ? { status: 500 } : { afterMs: 2 };
      });
      const hook = await hooks.made({ url: receiver.url });
      for (let n = 0; n < 12; n += 1) for (const id of ['o1', 'o2', 'o3']) await store(id, { content: `${n}` });
      await came(36, 'o');
      const byResource = new Map<string, number[]>();
      for (const [resource, revision] of receiver.taken('o'))
        byResource.set(resource, [...(byResource.get(resource) ?? []), revision]);
      const inOrder = Array.from({ length: 12 }, (_, n) => n + 1);
      expect(Object.fromEntries(byResource)).toEqual({
        'knowledge:o1': inOrder,
        'knowledge:o2': inOrder,
        'knowledge:o3': inOrder,
      });
      expect(receiver.busiest.resource).toBe(1);
      expect(receiver.deliveries.filter(({ status }) => status === 500)).toHaveLength(24);
      await waitFor('the attempts', async () => (await hooks.attempts(hook.id, '?limit=200')).length === 60);
      const attempts = await hooks.attempts(hook.id, '?limit=200');
      expect(attempts.filter(({ delivered }) => !delivered)).toHaveLength(24);
      expect(attempts.find(({ delivered }) => !delivered)).toMatchObject({ status_code: 500, error: 'status' });
      expect(attempts.map(({ number }) => number)).toEqual(Array.from({ length: 60 }, (_, n) => 60 - n));
      expect(await hooks.attempts(hook.id, '?limit=2')).toEqual(attempts.slice(0, 2));
      const status = await hooks.status(hook.id);
      expect(status).toMatchObject({ state: 'enabled', consecutive_failures: 0, lag_seconds: 0 });
      expect([typeof status.last_success_at, typeof status.last_failure_at]).toEqual(['string', 'string']);
    });

    it('to one receiver while another hangs, several at a time but for one resource', async () => {
      const slow = await startReceiver();
      slow.react({ afterMs: 60_000 });
      const hanging = await hooks.made({ url: slow.url });
      receiver.react({ afterMs: 100 });
      await hooks.made({ url: receiver.url });
      await product.bulk(Array.from({ length: 40 }, (_, n) => ({ id: `h${n}`, content: `${n}` })));
      await came(40, 'h');
      expect(receiver.busiest.all).toBeGreaterThan(1);
      expect(receiver.busiest.all).toBeLessThanOrEqual(8);
      await waitFor('the timeout', async () => (await hooks.status(hanging.id)).consecutive_failures > 0);
      const [attempt] = await hooks.attempts(hanging.id);
      expect(attempt).toMatchObject({ delivered: false, error: 'timeout' });
      await slow.close();
    });

    it('to no place that a redirect names', async () => {
      const other = await startReceiver();
      receiver.react({ status: 307, headers: { location: other.url } });
      const hook = await hooks.made({ url: receiver.url });
      await store('redirected');
      await disabled(hook.id);
      expect(other.deliveries).toEqual([]);
      expect(receiver.deliveries).toHaveLength(6);
      expect((await hooks.attempts(hook.id))[0]).toMatchObject({ status_code: 307, error: 'redirect' });
      await other.close();
    });

    it('though an answer has no end', async () => {
      receiver.react({ status: 200, body: 'x'.repeat(5_000_000) });
      await hooks.made({ url: receiver.url });
      await store('long1');
      await store('long2');
      await came(2, 'long');
    });

    it('when a receiver says that it has time again', async () => {
      receiver.react(() => (receiver.deliveries.length === 0 ? { status: 429, headers: { 'retry-after': '2' } } : {}));
      const hook = await hooks.made({ url: receiver.url });
      await store('later');
      await waitFor('the refusal', async () => (await hooks.status(hook.id)).consecutive_failures === 1);
      const { last_failure_at, next_attempt_at } = await hooks.status(hook.id);
      expect(Date.parse(next_attempt_at ?? '') - Date.parse(last_failure_at ?? '')).toBe(2000);
      await came(1, 'later');
    });
  });

  describe('end', () => {
    it('after too many failures in a row, with a row in the audit log, and go on where they stopped', async () => {
      receiver.react({ status: 503 });
      const hook = await hooks.made({ url: receiver.url });
      await store('e1');
      await disabled(hook.id);
      expect(await hooks.status(hook.id)).toMatchObject({ disabled_reason: 'failing', consecutive_failures: 6 });
      expect(receiver.deliveries).toHaveLength(6);
      expect(new Set(receiver.deliveries.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
      const { body } = await product.call<{ rows: { action: string; key_id: string }[] }>(
        'GET',
        `/v1/audit?resource=hook:${hook.id}`,
      );
      expect(body.rows.map(({ action, key_id }) => [action, key_id])).toEqual([
        ['UPDATE', 'system:hooks'],
        ['CREATE', 'admin'],
      ]);
      await store('e2');
      receiver.react({});
      const enabled = await hooks.patch(hook.id, { enabled: true });
      expect(enabled.body.status).toMatchObject({ state: 'enabled', consecutive_failures: 0 });
      expect(enabled.body.status.disabled_reason).toBeUndefined();
      await came(2, 'e');
      expect(receiver.taken()).toEqual([
        ['knowledge:e1', 1],
        ['knowledge:e2', 1],
      ]);
    });

    it('at once when the receiver is gone', async () => {
      receiver.react({ status: 410 });
      const hook = await hooks.made({ url: receiver.url });
      await store('gone');
      await disabled(hook.id);
      expect(await hooks.status(hook.id)).toMatchObject({ disabled_reason: 'gone', consecutive_failures: 1 });
      expect(receiver.deliveries).toHaveLength(1);
    });

    it('with their key, and go on with that of whoever enables them', async () => {
      const key = await makeKey(['hooks:write', 'knowledge:read']);
      const hook = await hooksOf(product, key.token).made({ url: receiver.url });
      await store('k1');
      await came(1);
      await product.call('DELETE', `/v1/keys/${key.id}`);
      await disabled(hook.id);
      expect(await hooks.status(hook.id)).toMatchObject({ disabled_reason: 'key_ended' });
      await store('k2');
      const taken = await hooks.patch(hook.id, { enabled: true });
      expect(taken.body).toMatchObject({ enabled: true, key_id: 'admin' });
      await came(2);
      await product.call('POST', '/v1/sessions', { id: 'not-theirs' });
      await store('k3');
      await came(3);
      expect(receiver.deliveries.map(({ event }) => event.data.resource)).toEqual([
        'knowledge:k1',
        'knowledge:k2',
        'knowledge:k3',
      ]);
    });

    it('when they are disabled or deleted, and are audited but not fed', async () => {
      const hook = await hooks.made({ url: receiver.url });
      const disabledOne = await hooks.patch(hook.id, { enabled: false });
      expect(disabledOne.body.status).toMatchObject({ state: 'disabled', disabled_reason: 'requested' });
      expect((await hooks.remove(hook.id)).status).toBe(204);
      expectProblem(await hooks.get(hook.id), 404, 'hook:not_found');
      const { body } = await product.call<{ rows: { action: string }[] }>('GET', `/v1/audit?resource=hook:${hook.id}`);
      expect(body.rows.map(({ action }) => action)).toEqual(['DELETE', 'UPDATE', 'CREATE']);
      const witness = await hooks.made({ url: receiver.url });
      await store('after');
      await came(1);
      expect(receiver.deliveries.map(({ event }) => event.data.resource)).toEqual(['knowledge:after']);
      await hooks.remove(witness.id);
    });
  });

  describe('replay', () => {
    it('from a cursor, from a time, and skip what lies between', async () => {
      const began = new Date().toISOString();
      await store('r0');
      const { cursor } = (await product.call<{ cursor: string }>('GET', '/v1/changes')).body;
      await store('r1');
      await store('r2');
      const hook = await hooks.made({ url: receiver.url, cursor });
      await came(2);
      expect(receiver.taken()).toEqual([
        ['knowledge:r1', 1],
        ['knowledge:r2', 1],
      ]);
      const ids = receiver.deliveries.map(({ headers }) => headers['webhook-id']);
      await hooks.replay(hook.id, { cursor });
      await came(4);
      expect(receiver.deliveries.slice(2).map(({ headers }) => headers['webhook-id'])).toEqual(ids);
      await hooks.patch(hook.id, { enabled: false });
      await waitFor('the end of deliveries', async () =>
        (await product.call('GET', '/metrics')).text.includes('\nacervo_hooks_delivering 0\n'),
      );
      await store('skipped');
      await hooks.replay(hook.id, { since: new Date().toISOString() });
      await hooks.patch(hook.id, { enabled: true });
      await store('r3');
      await came(5);
      expect(receiver.taken().at(-1)).toEqual(['knowledge:r3', 1]);
      await hooks.patch(hook.id, {
        filter: { id: { $in: ['r0', 'r1', 'r2', 'r3', 'skipped'] } },
        kinds: ['knowledge'],
      });
      await hooks.replay(hook.id, { since: began });
      await came(10);
      expect(
        new Set(
          receiver
            .taken()
            .slice(5)
            .map(([resource]) => resource),
        ),
      ).toEqual(new Set(['knowledge:r0', 'knowledge:r1', 'knowledge:r2', 'knowledge:skipped', 'knowledge:r3']));
      expectProblem(await hooks.replay(hook.id, { cursor: 'nonsense' }), 400, 'cursor:invalid');
      expectProblem(await hooks.replay(hook.id, { since: '2999-01-01T00:00:00Z' }), 400, 'request:invalid');
      expectProblem(await hooks.replay(hook.id, {}), 400, 'request:invalid');
    });
  });

  it('replay from the time of a change gives that change again, however many digits the time has', async () => {
    const hook = await hooks.made({ url: receiver.url });
    await store('timed');
    await came(1, 'timed');
    const timestamp = receiver.deliveries[0]?.event.timestamp ?? '';
    const [, whole = '', fraction = ''] = /^(.+)\.(\d+)Z$/.exec(timestamp) ?? [];
    const times = ['', '.0', `.${fraction.slice(0, 3)}`, `.${fraction}`].map((digits) => `${whole}${digits}Z`);
    for (const [place, since] of times.entries()) {
      expect((await hooks.replay(hook.id, { since })).status).toBe(200);
      await came(place + 2, 'timed');
    }
  });

  it('change nothing by a request that is sent again and found nothing to change at first', async () => {
    const { id } = await hooks.made({ url: receiver.url });
    const enable = () =>
      product.call<{ enabled: boolean }>(
        'PATCH',
        `/v1/hooks/${id}`,
        { enabled: true },
        {
          headers: { 'idempotency-key': 'stay-enabled' },
        },
      );
    expect((await enable()).body.enabled).toBe(true);
    await hooks.patch(id, { enabled: false });
    const late = await enable();
    expect([late.status, late.body.enabled]).toEqual([200, false]);
  });

  describe('secrets', () => {
    it('are shown once and rotated with an overlap', async () => {
      const hook = await hooks.made({ url: receiver.url });
      for (const answer of [
        await hooks.get(hook.id),
        await hooks.list(),
        await hooks.patch(hook.id, { enabled: true }),
      ])
        expect(answer.text).not.toContain('whsec_');
      const rotated = await hooks.rotate(hook.id, { grace_seconds: 60 });
      expect(rotated.body.secret).toMatch(/^whsec_/);
      expect(rotated.body.secret).not.toBe(hook.secret);
      expect(Date.parse(rotated.body.previous_secret_until ?? '')).toBeGreaterThan(Date.now());
      expect(await hooks.test(hook.id)).toMatchObject({ status: 200, body: { delivered: true, status_code: 204 } });
      const both = receiver.deliveries.at(-1)!;
      for (const { secret } of [hook, rotated.body])
        expect(await verifyHook(secret, both.headers, both.text)).toMatchObject({ type: 'hook.test' });
      const last = await hooks.rotate(hook.id, { grace_seconds: 0 });
      await hooks.test(hook.id);
      const one = receiver.deliveries.at(-1)!;
      expect(await verifyHook(last.body.secret, one.headers, one.text)).toMatchObject({ type: 'hook.test' });
      await expect(verifyHook(rotated.body.secret, one.headers, one.text)).rejects.toThrow('No signature fits');
      expect(product.output()).not.toContain('whsec_');
    });

    it('come again with the answer to a request that is sent again under its Idempotency-Key', async () => {
      const again = { 'idempotency-key': 'make-one' };
      const [one, two] = [
        await hooks.create({ url: receiver.url }, again),
        await hooks.create({ url: receiver.url }, again),
      ];
      expect([two.status, two.body.id, two.body.secret]).toEqual([201, one.body.id, one.body.secret]);
      expect((await hooks.list()).body.hooks).toHaveLength(1);
      expectProblem(await hooks.create({ url: `${receiver.url}/x` }, again), 422, 'idempotency:key_reused');
    });
  });

  describe('a test', () => {
    it('tells what came of it, of a disabled hook too', async () => {
      const hook = await hooks.made({ url: receiver.url, enabled: false });
      expect(hook.status).toMatchObject({ state: 'disabled', disabled_reason: 'requested' });
      receiver.react({ status: 418 });
      const { body } = await hooks.test(hook.id);
      expect(body).toMatchObject({ delivered: false, status_code: 418, error: 'status' });
      expect(receiver.deliveries[0]?.event).toEqual({
        type: 'hook.test',
        timestamp: expect.any(String),
        data: { id: body.event_id, resource: `hook:${hook.id}`, timestamp: receiver.deliveries[0]?.event.timestamp },
      });
      await receiver.close();
      expect((await hooks.test(hook.id)).body).toMatchObject({ delivered: false, error: 'connection' });
    });
  });

  describe('are refused', () => {
    it('when they could not work', async () => {
      const { url } = receiver;
      expectProblem(await hooks.create({ url: 'ftp://example.com/' }), 400, 'hook:url_forbidden');
      expectProblem(await hooks.create({ url: 'https://u:p@example.com/' }), 400, 'hook:url_forbidden');
      expectProblem(await hooks.create({ url, resource: 'zebra:1' }), 400, 'request:invalid');
      expectProblem(
        await hooks.create({ url, kinds: ['artifact'], filter: { title: 'x' } }),
        400,
        'filter:unknown_path',
      );
      expectProblem(await hooks.create({ url, cursor: 'nonsense' }), 400, 'cursor:invalid');
      expectProblem(await hooks.create({ url, secret: 'mine' }), 400, 'request:invalid');
      expect((await hooks.list()).body.hooks).toEqual([]);
    });

    it('with an old revision', async () => {
      const hook = await hooks.made({ url: receiver.url });
      const stale = { 'if-match': '"9"' };
      expectProblem(await hooks.patch(hook.id, { enabled: false }, stale), 412, 'revision:mismatch');
      expectProblem(await hooks.remove(hook.id, stale), 412, 'revision:mismatch');
      const patched = await hooks.patch(hook.id, { description: 'new' }, { 'if-match': '"1"' });
      expect([patched.headers.get('etag'), patched.body.description]).toEqual(['"2"', 'new']);
      expect((await hooks.patch(hook.id, { description: 'new' })).body.revision).toBe(2);
    });

    it('beyond their bound', async () => {
      const answers = await Promise.all(
        Array.from({ length: 33 }, () => hooks.create({ url: receiver.url, enabled: false })),
      );
      const refused = answers.filter(({ status }) => status !== 201);
      expect(refused).toHaveLength(3);
      for (const answer of refused) expectProblem(answer, 409, 'hook:too_many');
    });
  });

  describe('of others', () => {
    it('look absent to a key that may not know what they bring', async () => {
      const rights = ['hooks:read', 'hooks:write', 'knowledge:read'];
      const [ana, bob, narrow] = [await makeKey(rights, 'ana'), await makeKey(rights, 'bob'), await makeKey(rights)];
      const own = await hooksOf(product, ana.token).made({ url: receiver.url });
      const wide = await hooks.made({ url: receiver.url, enabled: false });
      const listed = async (key: string) => (await hooksOf(product, key).list()).body.hooks.map(({ id }) => id);
      expect(await listed(ana.token)).toEqual([own.id]);
      expect(await listed(bob.token)).toEqual([]);
      expect(await listed(narrow.token)).toEqual([own.id]);
      expect(await listed(product.key)).toEqual([own.id, wide.id]);
      for (const [key, id] of [
        [ana.token, wide.id],
        [bob.token, own.id],
        [narrow.token, wide.id],
        [ana.token, 'no-such-hook'],
      ] as const) {
        const theirs = hooksOf(product, key);
        const path = `/v1/hooks/${id}/attempts`;
        for (const answer of [
          ...[await theirs.get(id), await theirs.patch(id, { enabled: false }), await theirs.remove(id)],
          ...[
            await theirs.rotate(id),
            await theirs.replay(id, { since: '2026-01-01T00:00:00Z' }),
            await theirs.test(id),
          ],
          await product.call('GET', path, undefined, { key }),
        ])
          expectProblem(answer, 404, 'hook:not_found');
      }
      await store('bobs', { agent_id: 'bob' });
      await store('anas', { agent_id: 'ana' });
      await came(1);
      expect(receiver.taken()).toEqual([['knowledge:anas', 1]]);
    });
  });
});
