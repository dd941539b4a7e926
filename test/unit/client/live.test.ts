import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createLiveClient, type SocketLike } from '../../../src/client/live.js';
import { SeenIds } from '../../../src/client/live-follower.js';

describe('the ids that a client has seen', () => {
  test('each pass once, whatever repeats come within the memory', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 40 }), { maxLength: 200 }), (numbers) => {
        const seen = new SeenIds(41);
        const passed = numbers.filter((number) => seen.add(String(number)));
        expect(passed).toEqual([...new Set(numbers)]);
      }),
    );
  });

  test('are bounded: the oldest are forgotten', () => {
    const seen = new SeenIds(2);
    expect(['a', 'b', 'c', 'a', 'c'].map((id) => seen.add(id))).toEqual([true, true, true, true, false]);
  });
});

/** A socket that a test speaks through. */
class FakeSocket implements SocketLike {
  static readonly made: FakeSocket[] = [];
  readonly sent: Record<string, unknown>[] = [];
  private readonly listeners = new Map<string, ((event: { data: unknown }) => void)[]>();
  constructor(readonly url: string) {
    FakeSocket.made.push(this);
  }
  send(text: string): void {
    this.sent.push(JSON.parse(text));
  }
  close(): void {}
  addEventListener(type: string, listener: (event: { data: unknown }) => void): void {
    this.listeners.set(type, [...(this.listeners.get(type) ?? []), listener]);
  }
  happen(type: string, message: object = {}): void {
    for (const listener of this.listeners.get(type) ?? []) listener({ data: JSON.stringify(message) });
  }
  hear(message: object): void {
    this.happen('message', message);
  }
}

const change = (id: string) => ({ id, resource: 'knowledge:a', revision: 1 });
const authenticated = { type: 'authenticated', heartbeat_seconds: 15, max_subscriptions: 64 };

async function nextSocket(after: number): Promise<FakeSocket> {
  while (FakeSocket.made.length <= after) await new Promise((resolve) => setTimeout(resolve, 5));
  return FakeSocket.made[after]!;
}

describe('the client', () => {
  test('resumes by its last cursor after the connection broke, and gives repeats once', async () => {
    FakeSocket.made.length = 0;
    const client = createLiveClient({ url: 'http://host:1/', key: 'k', WebSocket: FakeSocket });
    const given: string[] = [];
    const subscription = client.subscribe({ kinds: ['knowledge'] }, ({ id }) => given.push(id));
    const first = await nextSocket(0);
    expect(first.url).toBe('ws://host:1/v1/live');
    first.happen('open');
    first.hear(authenticated);
    expect(first.sent).toEqual([
      { type: 'authenticate', key: 'k' },
      { type: 'subscribe', subscription: 's1', kinds: ['knowledge'], snapshot: false },
    ]);
    first.hear({ type: 'subscribed', subscription: 's1', cursor: 'c0' });
    first.hear({ type: 'change', subscription: 's1', cursor: 'c1', change: change('1') });
    first.hear({ type: 'heartbeat', cursor: 'c2', subscriptions: ['s1'] });
    expect(subscription.cursor).toBe('c2');
    first.happen('close');
    const second = await nextSocket(1);
    second.happen('open');
    second.hear(authenticated);
    expect(second.sent[1]).toEqual({
      type: 'subscribe',
      subscription: 's1',
      kinds: ['knowledge'],
      snapshot: false,
      after: 'c2',
    });
    second.hear({ type: 'change', subscription: 's1', cursor: 'c2', change: change('1') });
    second.hear({ type: 'change', subscription: 's1', cursor: 'c3', change: change('2') });
    expect(given).toEqual(['1', '2']);
    second.hear({ type: 'overflow', subscription: 's1', cursor: 'c3' });
    expect(second.sent.at(-1)).toMatchObject({ type: 'subscribe', after: 'c3' });
    client.close();
    expect(second.sent.at(-1)).toEqual({ type: 'unsubscribe', subscription: 's1' });
  });

  test('begins a broken snapshot anew, and resumes a finished one', async () => {
    FakeSocket.made.length = 0;
    const client = createLiveClient({ url: 'http://host:1', key: 'k', WebSocket: FakeSocket });
    let begun = 0;
    client.subscribe({ snapshot: true }, () => undefined, { onSnapshotBegin: () => (begun += 1) });
    for (const round of [0, 1, 2]) {
      const socket = await nextSocket(round);
      socket.happen('open');
      socket.hear(authenticated);
      const after = round === 2 ? { after: 'c1' } : {};
      expect(socket.sent[1]).toEqual({ type: 'subscribe', subscription: 's1', snapshot: round < 2, ...after });
      socket.hear({ type: 'subscribed', subscription: 's1', cursor: 'c0' });
      if (round === 1) socket.hear({ type: 'snapshot_end', subscription: 's1', cursor: 'c1' });
      if (round < 2) socket.happen('close');
    }
    expect(begun).toBe(2);
    client.close();
  });

  test('ends when the key is revoked, and says so', async () => {
    FakeSocket.made.length = 0;
    const client = createLiveClient({ url: 'http://host:1', key: 'k', WebSocket: FakeSocket });
    const errors: string[] = [];
    client.subscribe({}, () => undefined, { onError: ({ code }) => errors.push(code) });
    const socket = await nextSocket(0);
    socket.happen('open');
    socket.hear(authenticated);
    socket.hear({ type: 'revoked' });
    socket.happen('close');
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect([errors, FakeSocket.made.length]).toEqual([['auth:invalid'], 1]);
  });
});
