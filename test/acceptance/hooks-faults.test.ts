import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { hooksOf, type Receiver, startReceiver } from '../support/hooks.js';
import { expectProblem, knowledgeOf } from '../support/knowledge.js';
import type { Change } from '../support/live.js';
import { onStack, type Product, startProduct, unavailable } from '../support/product.js';
import { freePort, waitFor } from '../support/stack-servers.js';

const ALLOWED = { ACERVO_HOOKS_ALLOW_PRIVATE: 'on', ACERVO_HOOKS_BACKOFF_MS: '50', ACERVO_LOG_LEVEL: 'warn' };

const products: Product[] = [];
async function start(env: Record<string, string> = {}): Promise<Product> {
  const product = await startProduct(env);
  products.push(product);
  return product;
}

/** Every change of the log after a cursor. */
async function changesAfter(product: Product, cursor: string): Promise<Change[]> {
  const all: Change[] = [];
  let after = cursor;
  for (let more = true; more; ) {
    const path = `/v1/changes?limit=1000&kinds=knowledge&after=${after}`;
    const { body } = await product.call<{ changes: Change[]; cursor: string; more: boolean }>('GET', path);
    all.push(...body.changes);
    ({ cursor: after, more } = body);
  }
  return all;
}

/** Ids and revisions of what arrived, the first time that each did. */
function firstArrivals(receiver: Receiver): Change[] {
  const seen = new Map<string, Change>();
  for (const { event, status } of receiver.deliveries)
    if (status < 300 && !seen.has(event.data.id)) seen.set(event.data.id, event.data);
  return [...seen.values()];
}

function expectInOrder(changes: Change[]): void {
  const newest = new Map<string, number>();
  for (const { resource, revision } of changes) {
    expect(revision, resource).toBeGreaterThan(newest.get(resource) ?? 0);
    newest.set(resource, revision);
  }
}

describe.skipIf(unavailable)('hooks and faults', () => {
  let receiver: Receiver;
  beforeEach(async () => {
    receiver = await startReceiver();
  });
  afterEach(async () => {
    for (const product of products.splice(0)) if (product.process.exitCode === null) await product.stop('SIGKILL');
    await receiver.close();
  });

  it('bring every change, though the product is killed -9 while they are delivered', async () => {
    let product = await start({ ...ALLOWED, ACERVO_PORT: String(await freePort()) });
    await hooksOf(product).made({ url: receiver.url, kinds: ['knowledge'] });
    const { cursor } = (await product.call<{ cursor: string }>('GET', '/v1/changes')).body;
    receiver.react(() => ({ afterMs: 5, status: Math.random() < 0.02 ? 500 : 204 }));
    let phase = 0;
    let written = 0;
    const writers = Array.from({ length: 4 }, async (_, writer) => {
      for (let n = 0; phase < 2; n += 1)
        try {
          const { status } = await knowledgeOf(product).post({ id: `r${writer}-${n % 5}`, content: `${n}` });
          if (status < 300) written += 1;
          await sleep(10);
        } catch {
          // Killed under this write: whether it was committed, the log tells.
          await sleep(50);
        }
    });
    for (const [round, signal] of (['SIGKILL', 'SIGKILL', 'SIGTERM'] as const).entries()) {
      const before = receiver.deliveries.length;
      await waitFor('deliveries', async () => receiver.deliveries.length >= before + 100, 60_000);
      product.process.kill(signal);
      await product.exited;
      product = await product.restart();
      products.push(product);
      if (round === 2) phase = 2;
    }
    await Promise.all(writers);
    const log = await changesAfter(product, cursor);
    expect(log.length).toBeGreaterThanOrEqual(written);
    await waitFor('the rest', async () => firstArrivals(receiver).length >= log.length, 60_000).catch(() => undefined);
    const arrived = firstArrivals(receiver);
    expect(new Set(arrived.map(({ id }) => id))).toEqual(new Set(log.map(({ id }) => id)));
    expectInOrder(arrived);
    const taken = receiver.deliveries.filter(({ status }) => status < 300).length;
    // Unsaved deliveries, the batch, and what was under way, for each of three ends.
    expect(taken - arrived.length).toBeLessThan(3 * (100 + 100 + 8));
  }, 180_000);

  it('are never sent to this machine unless that is allowed', async () => {
    const port = String(await freePort());
    const allowed = await start({ ...ALLOWED, ACERVO_PORT: port });
    const byName = receiver.url.replace('127.0.0.1', 'localhost');
    const hook = await hooksOf(allowed).made({ url: byName });
    const literal = await hooksOf(allowed).made({ url: receiver.url });
    await knowledgeOf(allowed).post({ id: 'allowed', content: 'x' });
    await waitFor('both', async () => receiver.taken().length === 2);
    await allowed.stop();
    const product = await allowed.restart({ ACERVO_HOOKS_ALLOW_PRIVATE: 'off', ACERVO_HOOKS_MAX_ATTEMPTS: '2' });
    products.push(product);
    const hooks = hooksOf(product);
    await knowledgeOf(product).post({ id: 'forbidden', content: 'x' });
    for (const { id } of [hook, literal]) {
      await waitFor('the refusal', async () => (await hooks.status(id)).disabled_reason === 'failing');
      expect((await hooks.attempts(id))[0]).toMatchObject({ delivered: false, error: 'address_forbidden' });
      expect((await hooks.test(id)).body).toMatchObject({ delivered: false, error: 'address_forbidden' });
    }
    expect(receiver.deliveries).toHaveLength(2);
    for (const url of ['http://example.com/', 'https://localhost/', 'https://10.0.0.1/', 'https://[::ffff:7f00:1]/'])
      expectProblem(await hooks.create({ url }), 400, 'hook:url_forbidden');
  });

  it.skipIf(!onStack)('are delivered by one of several nodes, and by another when it dies', async () => {
    const one = await start(ALLOWED);
    const shared = { SURREALDB_DATABASE: one.env.SURREALDB_DATABASE ?? '', ACERVO_ADMIN_KEY: one.key };
    const two = await start({ ...ALLOWED, ...shared });
    await hooksOf(two).made({ url: receiver.url });
    for (let n = 0; n < 20; n += 1) await knowledgeOf(n % 2 ? one : two).post({ id: `n${n % 4}`, content: `${n}` });
    await waitFor('the first', async () => receiver.taken('n').length >= 20);
    expect(receiver.taken('n')).toHaveLength(20);
    one.process.kill('SIGKILL');
    await one.exited;
    for (let n = 20; n < 40; n += 1) await knowledgeOf(two).post({ id: `n${n % 4}`, content: `${n}` });
    await waitFor('the rest', async () => firstArrivals(receiver).length === 40);
    expectInOrder(firstArrivals(receiver));
  });

  it('are taken by the receiver that docs/hooks.md shows', async () => {
    const page = readFileSync(new URL('../../docs/hooks.md', import.meta.url), 'utf8');
    const code = /<!-- receiver -->\n```js\n(?<code>.*?)```/s.exec(page)?.groups?.code ?? '';
    const directory = mkdtempSync(join(tmpdir(), 'acervo-receiver-'));
    writeFileSync(join(directory, 'receiver.mjs'), code);
    const product = await start(ALLOWED);
    const port = await freePort();
    const hooks = hooksOf(product);
    const hook = await hooks.made({ url: `http://127.0.0.1:${port}/` });
    const child = spawn(process.execPath, [join(directory, 'receiver.mjs')], {
      env: { PATH: process.env.PATH ?? '', SECRET: hook.secret, PORT: String(port) },
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes) => (output += String(bytes)));
    try {
      await waitFor('the receiver', async () => (await hooks.test(hook.id)).body.delivered);
      await knowledgeOf(product).post({ id: 'shown', content: 'x' });
      await waitFor('the event', async () => output.includes('knowledge.created knowledge:shown revision 1'));
      const forged = { 'webhook-id': 'a', 'webhook-timestamp': '1', 'webhook-signature': 'v1,AAAA' };
      const answer = await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', headers: forged, body: '{}' });
      expect(answer.status).toBe(401);
    } finally {
      child.kill();
      rmSync(directory, { recursive: true });
    }
  });
});
