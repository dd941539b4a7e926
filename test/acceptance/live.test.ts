import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectProblem, knowledgeOf } from '../support/knowledge.js';
import { type Change, eventStream, openSocket, refusedSocket, subscribed } from '../support/live.js';
import { type Product, startProduct, unavailable } from '../support/product.js';
import { waitFor } from '../support/stack-servers.js';

interface Page {
  changes: Change[];
  cursor: string;
  more: boolean;
}

const facts = (changes: Change[]) => changes.map(({ resource, action, revision }) => [resource, action, revision]);
/** Of the tests before this one other changes may still be on their way: each test looks at its own. */
const of = (prefix: string, changes: Change[]) =>
  changes.filter(({ resource }) => resource.startsWith(`knowledge:${prefix}`));

describe.skipIf(unavailable)('live changes', () => {
  let product: Product;
  const store = (id: string, fields: object = {}) =>
    knowledgeOf(product).post({ id, content: `about ${id}`, ...fields });
  const makeKey = async (scopes: string[], agent_id?: string) => {
    const answer = await product.call<{ id: string; token: string }>('POST', '/v1/keys', {
      name: 'k',
      scopes,
      agent_id,
    });
    expect(answer.status, answer.text).toBe(201);
    return answer.body;
  };
  const page = (query = '', key?: string) =>
    product.call<Page>('GET', `/v1/changes${query}`, undefined, key ? { key } : {});

  beforeAll(async () => {
    product = await startProduct();
  });
  afterAll(() => product.stop());

  describe('JSON pages', () => {
    it('begin with now, go on by cursor, and tell create, update and delete', async () => {
      await store('before');
      const now = await page();
      expect([now.status, of('p1', now.body.changes), now.body.more]).toEqual([200, [], false]);
      await store('p1', { metadata: { colour: 'red' } });
      await store('p1', { content: 'other words' });
      await knowledgeOf(product).remove('p1');
      const next = await page(`?after=${now.body.cursor}&columns=true`);
      expect(facts(next.body.changes)).toEqual([
        ['knowledge:p1', 'CREATE', 1],
        ['knowledge:p1', 'UPDATE', 2],
        ['knowledge:p1', 'DELETE', 3],
      ]);
      expect(next.body.changes[0]).toMatchObject({ kind: 'knowledge', columns: { metadata: { colour: 'red' } } });
      expect((await page(`?after=${next.body.cursor}`)).body.changes).toEqual([]);
      const pages: Change[] = [];
      let cursor = now.body.cursor;
      for (let n = 0; n < 3; n += 1) {
        const { body } = await page(`?after=${cursor}&limit=1`);
        pages.push(...body.changes);
        cursor = body.cursor;
      }
      expect(facts(pages)).toEqual(facts(next.body.changes));
    });

    it('wait for a change, and only for one that is asked for', async () => {
      const { cursor } = (await page()).body;
      const waiting = page(`?after=${cursor}&resource=knowledge:awaited&wait_seconds=30`);
      await store('not-awaited');
      await store('awaited');
      const { body } = await waiting;
      expect(facts(body.changes)).toEqual([['knowledge:awaited', 'CREATE', 1]]);
    });

    it('refuse what cannot be', async () => {
      expectProblem(await page('?after=nonsense'), 400, 'cursor:invalid');
      expectProblem(await page('?resource=zebra:1'), 400, 'request:invalid');
      expectProblem(
        await page(`?filter=${encodeURIComponent('{"created_at":{"$gt":"2026-01-01T00:00:00Z"}}')}`),
        400,
        'filter:unknown_path',
      );
      expectProblem(
        await page(`?kinds=knowledge,artifact&filter=${encodeURIComponent('{"title":"x"}')}`),
        400,
        'filter:unknown_path',
      );
    });
  });

  describe('sockets', () => {
    it('give changes to the subscriptions that want them', async () => {
      const live = await openSocket(product);
      live.say({ type: 'subscribe', subscription: 'all' });
      live.say({ type: 'subscribe', subscription: 'red', kinds: ['knowledge'], filter: { 'metadata.colour': 'red' } });
      live.say({ type: 'subscribe', subscription: 'one', resource: 'knowledge:s2' });
      for (const name of ['all', 'red', 'one'])
        await live.heard(({ type, subscription }) => type === 'live' && subscription === name);
      await store('s1', { metadata: { colour: 'red' } });
      await store('s2', { metadata: { colour: 'blue' } });
      await knowledgeOf(product).remove('s1');
      await waitFor('the changes', async () => of('s', live.changes('all')).length === 3);
      expect(facts(of('s', live.changes('all')))).toEqual([
        ['knowledge:s1', 'CREATE', 1],
        ['knowledge:s2', 'CREATE', 1],
        ['knowledge:s1', 'DELETE', 2],
      ]);
      expect(facts(live.changes('red'))).toEqual([
        ['knowledge:s1', 'CREATE', 1],
        ['knowledge:s1', 'DELETE', 2],
      ]);
      expect(facts(live.changes('one'))).toEqual([['knowledge:s2', 'CREATE', 1]]);
      live.say({ type: 'ping' });
      const beat = await live.heard(({ type }) => type === 'heartbeat');
      expect([beat.subscriptions?.toSorted(), typeof beat.cursor]).toEqual([['all', 'one', 'red'], 'string']);
      live.say({ type: 'unsubscribe', subscription: 'all' });
      await live.heard(({ type, subscription }) => type === 'unsubscribed' && subscription === 'all');
      await store('s2', { content: 'again' });
      await waitFor('the change', async () => live.changes('one').length === 2);
      expect(of('s', live.changes('all'))).toHaveLength(3);
      live.socket.close();
    });

    it('resume by cursor without a gap and without repeats', async () => {
      const first = await subscribed(product);
      await store('r1');
      await first.heard(({ change }) => change?.resource === 'knowledge:r1');
      const last = first.messages.findLast(({ type }) => type === 'change')?.cursor;
      first.socket.close();
      await store('r2');
      await store('r3');
      const second = await subscribed(product, { after: last });
      await waitFor('the changes', async () => second.changes().length === 2);
      expect(facts(second.changes())).toEqual([
        ['knowledge:r2', 'CREATE', 1],
        ['knowledge:r3', 'CREATE', 1],
      ]);
      second.socket.close();
    });

    it('begin with a snapshot, and leave nothing out while others write', async () => {
      for (let n = 0; n < 30; n += 1) await store(`snap-${n}`, { metadata: { of: 'snap' } });
      const live = await openSocket(product);
      let writing = true;
      const revisions = new Map<string, number>();
      const writers = [0, 1, 2, 3].map(async (writer) => {
        for (let n = 0; writing; n += 1) {
          const id = `snap-${(n * 4 + writer) % 40}`;
          const { status, body } = await knowledgeOf(product).post({
            id,
            content: `${writer} ${n}`,
            metadata: { of: 'snap' },
          });
          if (status < 300) revisions.set(id, Math.max(revisions.get(id) ?? 0, body.revision));
        }
      });
      live.say({
        type: 'subscribe',
        subscription: 'a',
        kinds: ['knowledge'],
        filter: { 'metadata.of': 'snap' },
        snapshot: true,
      });
      await live.heard(({ type }) => type === 'live');
      writing = false;
      await Promise.all(writers);
      const known = () => {
        const seen = new Map<string, number>();
        const see = (id: string, revision: number) => seen.set(id, Math.max(seen.get(id) ?? 0, revision));
        for (const { items = [], change } of live.messages) {
          for (const item of items) see(String(item.id), Number(item.revision));
          if (change !== undefined) see(change.resource.slice('knowledge:'.length), change.revision);
        }
        return seen;
      };
      await waitFor('the last of them', async () =>
        [...revisions].every(([id, revision]) => known().get(id) === revision),
      );
      const types = live.messages.map(({ type }) => type).filter((type) => type !== 'heartbeat');
      expect(types.indexOf('snapshot')).toBeLessThan(types.indexOf('snapshot_end'));
      expect(types.indexOf('snapshot_end')).toBeLessThan(
        types.includes('change') ? types.indexOf('change') : types.length,
      );
      const items = live.messages.flatMap((message) => message.items ?? []);
      expect(items.length).toBeGreaterThanOrEqual(30);
      expect(new Set(items.map(({ id }) => id)).size).toBe(items.length);
      expect(items.every((item) => !('content' in item))).toBe(true);
      live.socket.close();
    });

    it('ask for a key first', async () => {
      const browser = await openSocket(product, null);
      browser.say({ type: 'authenticate', key: product.key });
      expect((await browser.heard(({ type }) => type === 'authenticated')).type).toBe('authenticated');
      browser.socket.close();
      const hasty = await openSocket(product, null);
      hasty.say({ type: 'subscribe', subscription: 'a' });
      expect([await hasty.closed, hasty.messages]).toMatchObject([4400, [{ type: 'error', code: 'auth:missing' }]]);
      const stranger = await openSocket(product, null);
      stranger.say({ type: 'authenticate', key: `acv_${'x'.repeat(50)}` });
      expect([await stranger.closed, stranger.messages]).toMatchObject([
        4401,
        [{ type: 'error', code: 'auth:invalid' }],
      ]);
      const silent = await openSocket(product, null);
      expect([await silent.closed, silent.messages]).toMatchObject([4408, [{ type: 'error', code: 'auth:missing' }]]);
      const narrow = await makeKey(['knowledge:read']);
      expect(await refusedSocket(product, { authorization: 'Bearer nonsense' })).toMatchObject({ status: 401 });
      expect(await refusedSocket(product, { authorization: `Bearer ${narrow.token}` })).toMatchObject({
        status: 403,
        body: { code: 'auth:scope_missing' },
      });
    });

    it('say what is wrong with a message, and go on', async () => {
      const live = await openSocket(product);
      live.socket.send('no json');
      live.say({ type: 'subscribe', subscription: 'a', filter: { nonsense: 1 } });
      live.say({ type: 'subscribe', subscription: 'b', after: 'nonsense' });
      await live.heard(({ subscription }) => subscription === 'b');
      const errors = live.messages.filter(({ type }) => type === 'error');
      expect(errors.map(({ code, subscription }) => [code, subscription])).toEqual([
        ['request:malformed_json', undefined],
        ['filter:unknown_path', 'a'],
        ['cursor:invalid', 'b'],
      ]);
      for (let n = 0; n < 65; n += 1) live.say({ type: 'subscribe', subscription: `n${n}`, resource: 'knowledge:x' });
      const refused = await live.heard(({ code }) => code === 'live:too_many_subscriptions');
      expect(refused.subscription).toBe('n64');
      live.socket.close();
    });

    it('leave other upgrades and plain requests alone', async () => {
      const answer = await product.call('GET', '/v1/live');
      expect(answer.body).toEqual({ heartbeat_seconds: 15, max_subscriptions: 64, max_message_bytes: 65_536 });
      const { request: send } = await import('node:http');
      const { port } = new URL(product.url);
      const status = await new Promise((resolve, reject) => {
        const sent = send({
          host: '127.0.0.1',
          port,
          path: '/livez',
          headers: { connection: 'Upgrade', upgrade: 'h2c' },
        });
        sent.on('response', (response) => resolve(response.statusCode));
        sent.on('error', reject);
        sent.end();
      });
      expect(status).toBe(200);
    });
  });

  describe('what a key may know', () => {
    it('is its own agent, and the kinds that it may read', async () => {
      const bound = await makeKey(['changes:read', 'knowledge:read', 'knowledge:write'], 'agent-one');
      const artifactsOnly = await makeKey(['changes:read', 'artifacts:read']);
      const [mine, none] = [
        await subscribed(product, {}, bound.token),
        await subscribed(product, {}, artifactsOnly.token),
      ];
      const [minePage, nonePage] = [await page('', bound.token), await page('', artifactsOnly.token)];
      await store('of-two', { agent_id: 'agent-two' });
      await store('of-one', { agent_id: 'agent-one' });
      await knowledgeOf(product).remove('of-two');
      await knowledgeOf(product).remove('of-one');
      await waitFor('the changes', async () => mine.changes().length === 2);
      const expected = [
        ['knowledge:of-one', 'CREATE', 1],
        ['knowledge:of-one', 'DELETE', 2],
      ];
      expect(facts(mine.changes())).toEqual(expected);
      expect(facts((await page(`?after=${minePage.body.cursor}`, bound.token)).body.changes)).toEqual(expected);
      expect((await page(`?after=${nonePage.body.cursor}`, artifactsOnly.token)).body.changes).toEqual([]);
      expect(none.changes()).toEqual([]);
      mine.socket.close();
      none.socket.close();
    });

    it('counts a subscription that has ended until its work has, and no longer', async () => {
      const live = await openSocket(product);
      const names = Array.from({ length: 70 }, (_, n) => `n${n}`);
      live.sayAtOnce(
        names.flatMap((subscription) => [
          { type: 'subscribe', subscription, snapshot: true },
          { type: 'unsubscribe', subscription },
        ]),
      );
      await live.heard(({ type, subscription }) => type === 'unsubscribed' && subscription === 'n69');
      const refused = live.messages.filter(({ code }) => code === 'live:too_many_subscriptions');
      expect(refused.map(({ subscription }) => subscription)).toEqual(names.slice(64));
      await waitFor('a place', async () => {
        live.say({ type: 'subscribe', subscription: 'again' });
        await live.heard(({ subscription }) => subscription === 'again');
        return live.messages.some(({ type, subscription }) => type === 'live' && subscription === 'again');
      });
      live.socket.close();
    });

    it('takes one key, and then what came with it, also when all of it came at once', async () => {
      const live = await openSocket(product, null);
      const authenticate = { type: 'authenticate', key: product.key };
      live.sayAtOnce([authenticate, authenticate, { type: 'subscribe', subscription: 'a' }]);
      await live.heard(({ type }) => type === 'live');
      expect(live.messages.map(({ type, code }) => code ?? type)).toEqual([
        ...['authenticated', 'request:invalid', 'subscribed', 'live'],
      ]);
      live.socket.close();
    });

    it('ends when the key is revoked, in the middle of a stream or while it is waited', async () => {
      const key = await makeKey(['changes:read', 'knowledge:read']);
      const live = await subscribed(product, {}, key.token);
      const stream = await eventStream(product, '', { authorization: `Bearer ${key.token}` });
      const after = `after=${live.cursor}&resource=knowledge:never&wait_seconds=30`;
      const waiting = product.call('GET', `/v1/changes?${after}`, undefined, { key: key.token });
      await waitFor('all three to be there', async () =>
        /^acervo_live_connections 3$/m.test((await product.call('GET', '/metrics')).text),
      );
      await product.call('DELETE', `/v1/keys/${key.id}`);
      const revokedMs = performance.now();
      expect(await live.closed).toBe(4401);
      expect(live.messages.at(-1)).toEqual({ type: 'revoked' });
      await stream.ended;
      expect(stream.events.at(-1)).toEqual({ event: 'revoked', data: '{}' });
      expectProblem(await waiting, 401, 'auth:invalid');
      expect(performance.now() - revokedMs).toBeLessThan(5_000);
      await store('after-the-end');
      expect(live.changes()).toEqual([]);
    });
  });

  describe('server-sent events', () => {
    it('resume by Last-Event-ID', async () => {
      const first = await eventStream(product, '?kinds=knowledge');
      expect(first.response.headers.get('content-type')).toBe('text/event-stream');
      await waitFor('the beginning', async () => first.events[0]?.event === 'ready');
      await store('e1');
      await waitFor('the change', async () => of('e1', first.changes()).length === 1);
      first.leave();
      await store('e2');
      const second = await eventStream(product, '?kinds=knowledge', { 'last-event-id': first.events.at(-1)?.id ?? '' });
      await store('e3');
      await waitFor('the changes', async () => second.changes().length === 2);
      expect(facts([...of('e', first.changes()), ...second.changes()])).toEqual([
        ['knowledge:e1', 'CREATE', 1],
        ['knowledge:e2', 'CREATE', 1],
        ['knowledge:e3', 'CREATE', 1],
      ]);
      second.leave();
    });
  });
});
