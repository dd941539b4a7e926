import { type IncomingMessage, type Server, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { createAdaptorServer } from '@hono/node-server';
import type { Hono } from 'hono';
import { v7 as uuidv7 } from 'uuid';
import { AcervoError } from '../errors/error.js';
import { toProblem } from '../errors/problem.js';
import type { HttpEnv } from './env.js';

/** Headers come at once or the client is stalling on purpose. */
const HEADERS_TIMEOUT_MS = 15_000;
/** A bulk body is read as fast as it is stored: an hour for the largest. Other routes have their own deadline. */
const REQUEST_TIMEOUT_MS = 3_600_000;
/**
 * A connection on which nothing has come or gone for so long ends, though a request is under way: a body that stalls, or
 * an answer that nobody reads, would hold a place. The longest silence of ours is the wait for a reconcile run, 45 s.
 */
const IDLE_TIMEOUT_MS = 120_000;
/** Longer than the idle time that proxies keep (60 s), so that it is the proxy that closes, never we under its request. */
const KEEP_ALIVE_TIMEOUT_MS = 65_000;
const MAX_HEADER_BYTES = 16_384;

export interface Listening {
  /** For instance `http://127.0.0.1:8080`. */
  url: string;
  /** Stops accepting, waits up to `graceMs` for the requests under way, then cuts them off. */
  close(graceMs: number): Promise<void>;
}

/** What is not HTTP never reaches the app: it is answered here, and the connection ends. */
function refuseConnection(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
  const detail = error.code === 'HPE_HEADER_OVERFLOW' ? 'The headers are too large.' : 'This is not well-formed HTTP.';
  const body = JSON.stringify(toProblem(new AcervoError('request:invalid', { detail }), uuidv7()));
  socket.end(
    'HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-type: application/problem+json\r\n' +
      `x-content-type-options: nosniff\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

/** Takes over a connection that asks for a WebSocket. @returns false when it does not want this one */
export type Upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => boolean;

/**
 * A request that asks for another protocol than is wanted is served as if it had not asked (RFC 9110, 7.8), and its
 * connection ends: the parser has left it. A body cannot be read any more.
 */
function serveWithoutUpgrade(server: Server, request: IncomingMessage, socket: Duplex): void {
  const { headers } = request;
  if (headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined) {
    refuseConnection(new Error('a body'), socket);
    return;
  }
  const response = new ServerResponse(request);
  response.shouldKeepAlive = false;
  response.assignSocket(socket as Socket);
  response.on('finish', () => socket.end());
  server.emit('request', request, response);
}

function closer(server: Server): Listening['close'] {
  return (graceMs) =>
    new Promise((resolve) => {
      const cut = setTimeout(() => server.closeAllConnections(), graceMs);
      server.close(() => {
        clearTimeout(cut);
        resolve();
      });
      server.closeIdleConnections();
    });
}

/**
 * Serves the app over HTTP.
 * @param options.port 0 takes a free one
 * @param options.idleTimeoutMs after which a connection ends on which nothing comes or goes
 * @throws Error of node:net, such as EADDRINUSE
 */
export async function listen(
  app: Hono<HttpEnv>,
  {
    host,
    port,
    upgrade = () => false,
    idleTimeoutMs = IDLE_TIMEOUT_MS,
  }: { host: string; port: number; upgrade?: Upgrade; idleTimeoutMs?: number },
): Promise<Listening> {
  const server = createAdaptorServer({
    fetch: (request, env) => app.fetch(request, env as HttpEnv['Bindings']),
    serverOptions: {
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
      maxHeaderSize: MAX_HEADER_BYTES,
    },
  }) as Server;
  server.setTimeout(idleTimeoutMs);
  server.on('clientError', refuseConnection);
  server.on('upgrade', (request, socket, head) => {
    const wanted = request.headers.upgrade?.toLowerCase() === 'websocket' && upgrade(request, socket, head);
    if (!wanted) serveWithoutUpgrade(server, request, socket);
  });
  // A connection that was busy when close() began is idle once its answer is out: end it then, not at its timeout.
  server.on('request', (_request, response) =>
    response.on('close', () => {
      if (!server.listening) setImmediate(() => server.closeIdleConnections());
    }),
  );
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
  const address = server.address() as AddressInfo;
  const name = address.family === 'IPv6' ? `[${address.address}]` : address.address;
  return { url: `http://${name}:${address.port}`, close: closer(server) };
}
