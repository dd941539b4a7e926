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
  /** The same for the connections that there are now; new ones work. */
  mute(): void;
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
  let keep: Awaited | undefined;
  let kept: { client: Socket; answers: Buffer[] } | undefined;
  const muted = new Set<Socket>();
  const proxy: TcpProxy = {
    port: 0,
    connections: 0,
    cutBeforeAnswerHolding: (text) =>
      new Promise((resolve) => {
        state.cut = { text, done: resolve };
      }),
    holdAnswersFrom: (text) =>
      new Promise((resolve) => {
        keep = { text, done: resolve };
      }),
    refuse: () => {
      state.refusing = true;
      for (const socket of sockets) socket.destroy();
    },
    restore: () => {
      state.refusing = false;
      state.holding = false;
      kept?.client.write(Buffer.concat(kept.answers));
      kept = undefined;
    },
    hold: () => {
      state.holding = true;
    },
    mute: () => {
      for (const socket of sockets) muted.add(socket);
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
    client.on('data', (bytes) => state.holding || muted.has(client) || upstream.write(bytes));
    upstream.on('data', (bytes) => {
      if (keep && bytes.includes(keep.text)) {
        keep.done();
        keep = undefined;
        kept = { client, answers: [] };
      }
      if (state.cut && bytes.includes(state.cut.text)) {
        const { done } = state.cut;
        state.cut = undefined;
        client.destroy();
        done();
      } else if (kept?.client === client) kept.answers.push(bytes);
      else if (!state.holding && !muted.has(client)) client.write(bytes);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address !== null && typeof address === 'object') proxy.port = address.port;
  return proxy;
}
