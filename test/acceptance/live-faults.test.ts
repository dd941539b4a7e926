import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import { type Change, createLiveClient, type LiveClient, type LiveSubscription } from '../../src/client/index.js';
import { knowledgeOf } from '../support/knowledge.js';
import { eventStream, openSocket } from '../support/live.js';
import { onStack, type Product, startProduct, unavailable } from '../support/product.js';
import { freePort, waitFor } from '../support/stack-servers.js';

const CLIENTS = 50;
const WRITERS = 8;
const RESOURCES = 64;
const WRITES_PER_SECOND = 200;

const products: Product[] = [];
const clients: LiveClient[] = [];

async function start(env: Record<string, string> = {}): Promise<Product> {
  const product = await startProduct(env);
  products.push(product);
  return product;
}

/** One follower as a program would write it: what it was given, and whether a resource ever went back. */
function follower(product: Product) {
  const client = createLiveClient({ url: product.url, key: product.key, WebSocket });
  clients.push(client);
  const given: Change[] = [];
  const newest = new Map<string, number>();
  let live = 0;
  const subscription: LiveSubscription = client.subscribe(
    { kinds: ['knowledge'] },
    (change) => {
      given.push(change);
      newest.set(change.resource, Math.max(newest.get(change.resource) ?? 0, change.revision));
    },
    { onLive: () => (live += 1) },
  );
  return { given, newest, subscription, live: () => live };
}

describe.skipIf(unavailable)('live changes and faults', () => {
  afterEach(async () => {
    for (const client of clients.splice(0)) client.close();
    for (const product of products.splice(0)) if (product.process.exitCode === null) await product.stop('SIGKILL');
  });

  it('reach 50 clients, every one, though the product is killed -9 among 200 writes a second', async () => {
    let product = await start({ ACERVO_PORT: String(await freePort()), ACERVO_LOG_LEVEL: 'warn' });
    await product.bulk(Array.from({ length: RESOURCES }, (_, n) => ({ id: `r${n}`, content: `${n}` })));
    const followers = Array.from({ length: CLIENTS }, () => follower(product));
    await waitFor('all to be live', async () => followers.every(({ live }) => live() === 1));
    const began = await product.call<{ cursor: string }>('GET', '/v1/changes');
    /** The ids of what was answered. */
    const committed = new Set<string>();
    let phase = 0;
    let written = 0;
    const perPhase = 2 * WRITES_PER_SECOND;
    const writers = Array.from({ length: WRITERS }, async (_, writer) => {
      for (let n = 0; phase < 2; n += 1) {
        const id = `r${(n * WRITERS + writer) % RESOURCES}`;
        try {
          const { body, status } = await knowledgeOf(product).patch(id, { metadata: { writer, n } });
          if (status < 300 && body.audit_id !== undefined) committed.add(body.audit_id);
          written += 1;
        } catch {
          // Killed under this write: whether it was committed, the log tells.
        }
        await sleep((1000 * WRITERS) / WRITES_PER_SECOND - 15);
      }
    });
    await waitFor('the first half', async () => written >= perPhase, 60_000);
    product.process.kill('SIGKILL');
    await product.exited;
    product = await product.restart();
    products.push(product);
    const atRestart = written;
    await waitFor('the second half', async () => written >= atRestart + perPhase, 60_000);
    phase = 2;
    await Promise.all(writers);
    // Every row of the log, those included whose answers were lost with the process.
    const all: Change[] = [];
    let cursor = began.body.cursor;
    for (let more = true; more; ) {
      const { body } = await product.call<{ changes: Change[]; cursor: string; more: boolean }>(
        'GET',
        `/v1/changes?limit=1000&kinds=knowledge&after=${cursor}`,
      );
      all.push(...body.changes);
      ({ cursor, more } = body);
    }
    const log = new Set(all.map(({ id }) => id));
    expect([...committed].filter((id) => !log.has(id))).toEqual([]);
    expect(log.size).toBeGreaterThanOrEqual(2 * perPhase);
    await waitFor('all clients', async () => followers.every(({ given }) => given.length >= log.size), 20_000).catch(
      () => undefined,
    );
    const newest = new Map<string, number>();
    for (const { resource, revision } of all) newest.set(resource, Math.max(newest.get(resource) ?? 0, revision));
    for (const { given, newest: applied } of followers) {
      const ids = given.map(({ id }) => id);
      expect(new Set(ids).size).toBe(ids.length);
      expect(ids.filter((id) => !log.has(id))).toEqual([]);
      expect(ids.length).toBe(log.size);
      expect(new Map([...applied].toSorted())).toEqual(new Map([...newest].toSorted()));
    }
    expect(followers.every(({ live }) => live() >= 2)).toBe(true);
  }, 120_000);

  it('tell a client that does not read, which then resumes', async () => {
    const product = await start();
    const live = await openSocket(product);
    live.say({ type: 'subscribe', subscription: 'slow', columns: true });
    live.say({ type: 'subscribe', subscription: 'other', resource: 'knowledge:big-0' });
    await live.heard(({ type, subscription }) => type === 'live' && subscription === 'other');
    await live.heard(({ type, subscription }) => type === 'live' && subscription === 'slow');
    live.socket.pause();
    const padding = 'x'.repeat(15_000);
    const documents = Array.from({ length: 1_200 }, (_, n) => ({
      id: `big-${n}`,
      content: `${n}`,
      metadata: { padding },
    }));
    const results = await product.bulk(documents);
    expect(results.filter(({ status }) => status === 'stored')).toHaveLength(documents.length);
    await waitFor('the overflow', async () => (await metric(product, 'acervo_live_overflows_total')) === 1);
    live.socket.resume();
    const { cursor } = await live.heard(({ type }) => type === 'overflow');
    const before = live.changes('slow').length;
    expect(before).toBeLessThan(documents.length);
    live.say({ type: 'subscribe', subscription: 'slow', after: cursor });
    const resources = () => new Set(live.changes('slow').map(({ resource }) => resource));
    await waitFor('the rest', async () => resources().size === documents.length);
    expect(live.changes('other').map(({ resource }) => resource)).toEqual(['knowledge:big-0']);
    expect(live.socket.readyState).toBe(WebSocket.OPEN);
    live.socket.close();
  });

  it('say where they were when the server stops', async () => {
    const product = await start({ ACERVO_PORT: String(await freePort()) });
    const live = await openSocket(product);
    live.say({ type: 'subscribe', subscription: 'a' });
    await live.heard(({ type }) => type === 'live');
    const stream = await eventStream(product, '');
    await waitFor('the stream', async () => stream.events.length > 0);
    const waiting = product.call<{ cursor: string }>('GET', '/v1/changes?wait_seconds=30');
    await waitFor('three places', async () => (await metric(product, 'acervo_live_connections')) === 3);
    await product.stop();
    expect(await live.closed).toBe(1001);
    expect(live.messages.at(-1)).toMatchObject({ type: 'heartbeat', subscriptions: ['a'] });
    await stream.ended;
    expect(stream.events.at(-1)?.event).toBe('closing');
    const { cursor } = (await waiting).body;
    const again = await product.restart();
    products.push(again);
    await knowledgeOf(again).post({ id: 'later', content: 'x' });
    for (const after of [live.messages.at(-1)?.cursor, stream.events.at(-1)?.id, cursor]) {
      const { body } = await again.call<{ changes: Change[] }>('GET', `/v1/changes?after=${after}`);
      expect(body.changes.map(({ resource }) => resource)).toEqual(['knowledge:later']);
    }
  });

  it('are refused beyond the bound on connections', async () => {
    const product = await start({ ACERVO_LIVE_MAX_CONNECTIONS: '1' });
    const stream = await eventStream(product, '');
    await waitFor('the stream', async () => stream.events.length > 0);
    const second = await product.fetch('/v1/changes', { headers: { accept: 'text/event-stream' } });
    expect([second.status, await second.json()]).toMatchObject([503, { code: 'request:overloaded' }]);
    await expect(openSocket(product)).rejects.toThrow('503');
    stream.leave();
    await waitFor('the place', async () => (await metric(product, 'acervo_live_connections')) === 0);
    (await openSocket(product)).socket.close();
  });

  it('are not kept from those who have keys by sockets that bring none', async () => {
    const product = await start({ ACERVO_LIVE_MAX_CONNECTIONS: '1' });
    const strangers = await Promise.all(Array.from({ length: 256 }, () => openSocket(product, null)));
    await expect(openSocket(product, null)).rejects.toThrow('503');
    const live = await openSocket(product);
    // The place is counted when the key is there.
    strangers[0]?.say({ type: 'authenticate', key: product.key });
    expect([await strangers[0]?.closed, strangers[0]?.messages]).toMatchObject([
      1013,
      [{ code: 'request:overloaded' }],
    ]);
    live.socket.close();
    await waitFor('the place', async () => (await metric(product, 'acervo_live_connections')) === 0);
    strangers[1]?.say({ type: 'authenticate', key: product.key });
    await strangers[1]?.heard(({ type }) => type === 'authenticated');
    expect(await metric(product, 'acervo_live_connections')).toBe(1);
    for (const { socket } of strangers) socket.terminate();
    await waitFor('the places', async () => (await metric(product, 'acervo_live_connections')) === 0);
    (await openSocket(product, null)).socket.close();
  });

  it.skipIf(!onStack)('come from another node of the same database', async () => {
    const one = await start();
    const two = await start({ SURREALDB_DATABASE: one.env.SURREALDB_DATABASE ?? '', ACERVO_ADMIN_KEY: one.key });
    const followers = [follower(one), follower(two)];
    await waitFor('both to be live', async () => followers.every(({ live }) => live() === 1));
    for (let n = 0; n < 20; n += 1) await knowledgeOf(n % 2 ? one : two).post({ id: `n${n % 4}`, content: `${n}` });
    for (const { given, newest } of followers) {
      await waitFor('the changes', async () => given.length === 20);
      expect([...newest.values()]).toEqual([5, 5, 5, 5]);
    }
  });
});

async function metric(product: Product, name: string): Promise<number> {
  const { text } = await product.call('GET', '/metrics');
  return Number(new RegExp(`^${name} (\\d+)`, 'm').exec(text)?.[1]);
}
