import { connect, createServer, type Socket } from 'node:net';

/** A TCP proxy that a test can make fail: cut connections at a moment, refuse new ones, or hold all bytes back. */
export interface TcpProxy {
  port: number;
  /** Destroys the client's socket as soon as the server has answered `text`, without handing the answer on. */
  cutBeforeAnswerHolding(text: string): Promise<void>;
  /** Keeps back the answer that holds `text`, and all that come after it on that connection, until `restore`. */
  holdAnswersFrom(text: string): Promise<void>;
  /** Refuses connections and cuts those that are open, until `restore`. */
  refuse(): void;
  restore(): void;
  /** Bytes are no longer handed on, in either direction; the sockets stay open. */
  hold(): void;
  connections: number;
  close(): Promise<void>;
}

interface Awaited {
  text: string;
  done: () => void;
}

export async function startProxy(targetPort: number): Promise<TcpProxy> {
  const sockets = new Set<Socket>();
  const state = { refusing: false, holding: false, cut: undefined as Awaited | undefined };
  let slow: Awaited | undefined;
  let keptBack: (() => void)[] | undefined;
  const proxy: TcpProxy = {
    port: 0,
    connections: 0,
    cutBeforeAnswerHolding: (text) =>
      new Promise((resolve) => {
        state.cut = { text, done: resolve };
      }),
    holdAnswersFrom: (text) =>
      new Promise((resolve) => {
        slow = { text, done: resolve };
      }),
    refuse: () => {
      state.refusing = true;
      for (const socket of sockets) socket.destroy();
    },
    restore: () => {
      state.refusing = false;
      state.holding = false;
      for (const hand of keptBack ?? []) hand();
      keptBack = undefined;
    },
    hold: () => {
      state.holding = true;
    },
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  const server = createServer((client) => {
    if (state.refusing) {
      client.destroy();
      return;
    }
    proxy.connections += 1;
    const upstream = connect(targetPort, '127.0.0.1');
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        sockets.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
    let isSlow = false;
    client.on('data', (bytes) => state.holding || upstream.write(bytes));
    upstream.on('data', (bytes) => {
      if (slow && bytes.includes(slow.text)) {
        slow.done();
        [slow, isSlow, keptBack] = [undefined, true, []];
      }
      if (state.cut && bytes.includes(state.cut.text)) {
        const { done } = state.cut;
        state.cut = undefined;
        client.destroy();
        done();
      } else if (isSlow && keptBack !== undefined) keptBack.push(() => client.write(bytes));
      else if (!state.holding) client.write(bytes);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address !== null && typeof address === 'object') proxy.port = address.port;
  return proxy;
}
