import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { AcervoError } from '../../../src/errors/error.js';
import { type PendingVectors, startEmbeddingWorker } from '../../../src/knowledge/embed-pending.js';

/** Documents whose text is their id, some of which no embedder can take, and a worker over them. */
function workplace(ids: string[], fails: (id: string) => boolean = () => false) {
  const state = {
    pending: ids,
    tried: [] as string[],
    adoptions: 0,
    leases: [] as boolean[],
    embed: async (id: string): Promise<number[][]> => {
      if (fails(id)) throw new AcervoError('embedding:unavailable');
      return [[1]];
    },
  };
  const kind = (name: 'knowledge' | 'decision', own: (id: string) => boolean): PendingVectors => ({
    kind: name,
    fill: { query: 'fill' },
    adopt: async () => {
      state.adoptions += 1;
      return 0;
    },
    page: async (_db, { limit, skip }) =>
      state.pending
        .filter((id) => own(id) && !skip.includes(id))
        .slice(0, limit)
        .map((id) => ({ id, content_revision: 1 })),
    count: async () => state.pending.length,
    texts: async (_db, { id }) => [id],
  });
  const services = {
    control: { query: async (query: string) => query !== 'leases/acquire' || (state.leases.shift() ?? true) },
    db: {
      transact: async ({ params }: { params: { id: string } }) => {
        state.pending = state.pending.filter((id) => id !== params.id);
      },
    },
    embedder: {
      available: true,
      space: { slug: 'test' },
      embed: async ([id = '']: string[], _purpose: string, signal: AbortSignal) => {
        state.tried.push(id);
        return Promise.race([
          state.embed(id),
          new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
        ]);
      },
    },
    metrics: { embeddingPendingDocuments: { set: () => {} } },
    log: { info: () => {}, warn: () => {} },
  };
  const isDecision = (id: string) => id.startsWith('decision');
  const kinds = [kind('knowledge', (id) => !isDecision(id)), kind('decision', isDecision)];
  const stop = startEmbeddingWorker(services as never, kinds, 5);
  stops.push(stop);
  return { state, stop };
}

const stops: (() => Promise<void>)[] = [];

async function until(condition: () => boolean): Promise<void> {
  for (let waited = 0; !condition(); waited += 1) {
    if (waited > 1_000) throw new Error('waited in vain');
    await sleep(5);
  }
}

describe('the worker that makes pending vectors', () => {
  afterEach(async () => {
    for (const stop of stops.splice(0)) await stop();
  });

  it('is not held up by documents that always fail, nor is one kind by the other, and tries them again', async () => {
    const bad = Array.from({ length: 40 }, (_, n) => `bad${n}`);
    const { state } = workplace([...bad, 'one', 'two', 'decision'], (id) => id.startsWith('bad'));
    await until(() => state.pending.length === bad.length);
    const tries = state.tried.filter((id) => id === 'bad0').length;
    await until(() => state.tried.filter((id) => id === 'bad0').length > tries + 1);
    state.embed = async () => [[1]];
    await until(() => state.pending.length === 0);
  });

  it('takes over documents of another space once, though another node had the lease at first', async () => {
    const { state } = workplace(['one']);
    state.leases.push(false, false, false);
    await until(() => state.pending.length === 0);
    await sleep(50);
    expect(state.adoptions).toBe(2);
  });

  it('ends its round when it is stopped', async () => {
    const { state, stop } = workplace(['one', 'two']);
    state.embed = () => new Promise(() => {});
    await until(() => state.tried.length === 1);
    await stop();
    expect([state.tried, state.pending]).toEqual([['one'], ['one', 'two']]);
  });
});
