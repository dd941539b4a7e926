import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { v7 as uuidv7 } from 'uuid';
import { WebSocketServer } from 'ws';
import type { Context, Principal, Services } from '../context.js';
import type { ErrorCode } from '../errors/codes.js';
import { AcervoError } from '../errors/error.js';
import { toProblem } from '../errors/problem.js';
import type { Authenticator } from '../http/authenticate.js';
import { MAX_KEYLESS_SOCKETS, MAX_MESSAGE_BYTES } from './bounds.js';
import { Connection } from './connection.js';

export const LIVE_PATH = '/v1/live';

/** Who does not answer to being closed is cut after this. */
const CLOSE_TIMEOUT_MS = 5_000;

/** Asks the app as a client would, without opening a socket. */
export type Ask = (request: Request, incoming: IncomingMessage) => Promise<Response>;

/** The text that `Authorization: Bearer` holds; empty when it is another scheme. */
const keyIn = (authorization: string): string => /^bearer +(\S+)$/i.exec(authorization)?.[1] ?? '';

/**
 * Opens sockets at /v1/live. Whether a key may, the app says: a plain GET /v1/live with that key passes every gate (rate,
 * guessing, scope, the record of denials), or its answer is the refusal.
 */
export class LiveSockets {
  readonly #services: Services;
  readonly #authenticator: Authenticator;
  readonly #ask: Ask;
  readonly #server = new WebSocketServer({
    ...{ noServer: true, maxPayload: MAX_MESSAGE_BYTES, perMessageDeflate: false, closeTimeout: CLOSE_TIMEOUT_MS },
  });
  #keyless = 0;

  constructor(services: Services, authenticator: Authenticator, ask: Ask) {
    this.#services = services;
    this.#authenticator = authenticator;
    this.#ask = ask;
  }

  /** Takes over the socket of an upgrade to a WebSocket. @returns false when it is for another path */
  upgrade(incoming: IncomingMessage, socket: Duplex, head: Buffer): boolean {
    if (incoming.url?.split('?')[0] !== LIVE_PATH) return false;
    socket.on('error', () => socket.destroy());
    this.#open(incoming, socket, head).catch((error: unknown) => {
      refuse(socket, toProblem(error, uuidv7()));
    });
    return true;
  }

  async #open(incoming: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const { authorization } = incoming.headers;
    const ctx = authorization === undefined ? undefined : await this.#admit(keyIn(authorization), incoming);
    const leave = ctx === undefined ? this.#enterKeyless() : this.#services.live.enter();
    socket.once('close', leave);
    if (socket.destroyed) return leave();
    this.#server.handleUpgrade(incoming, socket, head, (websocket) => {
      const admit = async (key: string) => {
        const admitted = await this.#admit(key, incoming);
        const leavePlace = this.#services.live.enter();
        leave();
        socket.once('close', leavePlace);
        if (socket.destroyed) leavePlace();
        return admitted;
      };
      new Connection(websocket, { admit, ctx, stopping: this.#services.live.stopping });
    });
  }

  /** @returns gives the place back; @throws AcervoError `request:overloaded` */
  #enterKeyless(): () => void {
    if (this.#keyless >= MAX_KEYLESS_SOCKETS || this.#services.live.stopping.aborted)
      throw new AcervoError('request:overloaded', { retryAfterSeconds: 5 });
    this.#keyless += 1;
    let left = false;
    return () => {
      if (!left) this.#keyless -= 1;
      left = true;
    };
  }

  async #admit(key: string, incoming: IncomingMessage): Promise<Context> {
    const headers = new Headers({ authorization: `Bearer ${key}` });
    for (const name of ['user-agent', 'x-request-id', 'traceparent']) {
      const value = incoming.headers[name];
      if (typeof value === 'string') headers.set(name, value);
    }
    const answer = await this.#ask(new Request(`http://localhost${LIVE_PATH}`, { headers }), incoming);
    if (!answer.ok) throw await refusalIn(answer);
    const holder = await this.#authenticator.authenticate(key);
    if (holder === undefined) throw new AcervoError('auth:invalid');
    const principal: Principal = {
      key_id: holder.key_id,
      scopes: new Set(holder.scopes),
      agent_id: holder.agent_id,
      address: incoming.socket.remoteAddress,
      user_agent: headers.get('user-agent')?.slice(0, 256),
    };
    const requestId = answer.headers.get('x-request-id') ?? uuidv7();
    const log = this.#services.log.child({ request_id: requestId, key_id: principal.key_id });
    return { ...this.#services, principal, requestId, log, operation: { id: uuidv7(), request_digest: '' } };
  }
}

async function refusalIn(answer: Response): Promise<AcervoError> {
  const { code, detail } = (await answer.json()) as { code: ErrorCode; detail?: string };
  const retryAfterSeconds = Number(answer.headers.get('retry-after') ?? 0);
  return new AcervoError(code, {
    ...(detail === undefined ? {} : { detail }),
    ...(retryAfterSeconds > 0 ? { retryAfterSeconds } : {}),
  });
}

/** Answers an upgrade that is not to be with HTTP, and ends the connection. */
function refuse(socket: Duplex, problem: ReturnType<typeof toProblem>): void {
  if (!socket.writable) return void socket.destroy();
  const body = JSON.stringify(problem);
  const challenge = problem.status === 401 ? 'www-authenticate: Bearer realm="acervo"\r\n' : '';
  const later = problem.retryable ? 'retry-after: 5\r\n' : '';
  socket.end(
    `HTTP/1.1 ${problem.status} Refused\r\nconnection: close\r\ncontent-type: application/problem+json\r\n` +
      `x-content-type-options: nosniff\r\n${challenge}${later}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}
