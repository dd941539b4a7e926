import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { connect } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { defineRoute } from '../../../src/http/route.js';
import { type Listening, listen } from '../../../src/http/server.js';
import { bearer, deferred, fakeApp, readThing, streamThings, THINGS } from './fake-services.js';

const open: Listening[] = [];
async function serve(routes = THINGS, options: { idleTimeoutMs?: number } = {}) {
  const fake = fakeApp(routes);
  const server = await listen(fake.app, { host: '127.0.0.1', port: 0, ...options });
  open.push(server);
  return { ...fake, server };
}
afterEach(async () => {
  for (const server of open.splice(0)) await server.close(0);
});

/** Sends bytes as they are, and returns all that comes back before the connection ends. */
async function raw(url: string, bytes: string): Promise<string> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  let answer = '';
  socket.on('data', (chunk) => {
    answer += chunk;
  });
  socket.on('error', () => {});
  socket.write(bytes);
  await once(socket, 'close');
  return answer;
}

describe('listen', () => {
  test('serves the app at the url it returns', async () => {
    const { server } = await serve();
    expect(server.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    const response = await fetch(`${server.url}/v1/things/abc?limit=3`, { headers: bearer() });
    expect(await response.json()).toEqual({ id: 'abc', limit: 3 });
  });

  test('a taken port is an error', async () => {
    const { app, server } = await serve();
    await expect(listen(app, { host: '127.0.0.1', port: Number(new URL(server.url).port) })).rejects.toMatchObject({
      code: 'EADDRINUSE',
    });
  });

  test.each([
    ['no HTTP', 'hello there\r\n\r\n'],
    ['a bare line feed in a header name', 'GET / HTTP/1.1\r\nHost: x\r\nbad\u0001name: 1\r\n\r\n'],
    ['two lengths', 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab'],
    [
      'length and chunks (smuggling)',
      'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
    ['headers of 20 KB', `GET / HTTP/1.1\r\nHost: x\r\nx-large: ${'x'.repeat(20_000)}\r\n\r\n`],
  ])('%s gets 400, and the next request is served', async (_what, bytes) => {
    const { server } = await serve();
    const answer = await raw(server.url, bytes);
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(answer).toContain('"code":"request:invalid"');
    expect((await fetch(`${server.url}/v1/things/abc`, { headers: bearer() })).status).toBe(200);
  });

  test('a chunked body over the bound gets 413', async () => {
    const { server } = await serve();
    const response = await fetch(`${server.url}/v1/things`, {
      method: 'POST',
      headers: { ...bearer(), 'content-type': 'application/json' },
      body: new Blob([' '.repeat(2_100_000)]).stream(),
      duplex: 'half',
    } as RequestInit);
    expect(response.status).toBe(413);
  });

  test('the client’s address reaches the handler', async () => {
    const seen: unknown[] = [];
    const route = defineRoute({
      ...readThing,
      handler: async (ctx) => {
        seen.push(ctx.principal.address, ctx.principal.user_agent);
        return { status: 204 };
      },
    });
    const { server } = await serve([route]);
    await fetch(`${server.url}/v1/things/abc`, { headers: { ...bearer(), 'user-agent': 'test/1' } });
    expect(seen).toEqual(['127.0.0.1', 'test/1']);
  });
});

describe('a connection on which nothing comes or goes', () => {
  const idle = { idleTimeoutMs: 200 };

  test('ends within a body, and the handler is told', async () => {
    const told = deferred();
    const handler = async (_ctx: unknown, { body }: { body: AsyncIterable<Uint8Array> }) => {
      try {
        for await (const _ of body);
      } catch {
        told.resolve();
      }
      return { status: 204 };
    };
    const { server } = await serve([defineRoute({ ...streamThings, handler } as typeof streamThings)], idle);
    const { authorization } = bearer();
    const head = `POST /v1/things/bulk HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization}\r\n`;
    await raw(server.url, `${head}Content-Type: application/x-ndjson\r\nContent-Length: 50\r\n\r\n{"na`);
    await told.promise;
  });

  test('ends within an answer that nobody reads, and its stream with it', async () => {
    const told = deferred();
    const chunk = new Uint8Array(1_000_000);
    const handler = async () => ({
      status: 200,
      body: new ReadableStream({ pull: (stream) => stream.enqueue(chunk), cancel: () => told.resolve() }),
      headers: { 'content-type': 'application/octet-stream' },
    });
    const { server } = await serve([defineRoute({ ...readThing, handler })], idle);
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1').pause();
    socket.on('error', () => {});
    socket.write(`GET /v1/things/abc HTTP/1.1\r\nHost: x\r\nAuthorization: ${bearer().authorization}\r\n\r\n`);
    await told.promise;
    socket.destroy();
  });
});

describe('close', () => {
  function slowRoute() {
    const inside = deferred();
    const open = deferred();
    const route = defineRoute({
      ...readThing,
      handler: async () => {
        inside.resolve();
        await open.promise;
        return { status: 200, body: { finished: true } };
      },
    });
    return { route, inside: inside.promise, release: () => open.resolve() };
  }

  test('lets a request under way finish, and takes no new one', async () => {
    const { route, inside, release } = slowRoute();
    const { server } = await serve([route]);
    const answer = fetch(`${server.url}/v1/things/abc`, { headers: bearer() });
    await inside;
    const closed = server.close(600_000);
    await expect(fetch(`${server.url}/v1/things/abc`, { headers: bearer() })).rejects.toThrow();
    release();
    expect(await (await answer).json()).toEqual({ finished: true });
    await closed;
  });

  test('cuts off what outlasts the grace', async () => {
    const { route, inside } = slowRoute();
    const { server } = await serve([route]);
    const pending = request(`${server.url}/v1/things/abc`, { headers: bearer() });
    const outcome = new Promise<IncomingMessage | Error>(
      (resolve) => void pending.on('error', resolve).on('response', resolve),
    );
    pending.end();
    await inside;
    await server.close(0);
    expect(await outcome).toMatchObject({ code: 'ECONNRESET' });
  });
});
