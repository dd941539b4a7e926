// npm run bench:live -- [--engines embedded,server] [--subscribers 1,100,1000] [--writes 300] [--rate 20] [--json FILE]
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import WebSocket from 'ws';
import { findSurreal, startProduct, startSurreal } from './product.mjs';
import { fixed, machine, table } from './report.mjs';
import { summary } from './statistics.mjs';

const DOCUMENTS = 64;
/** What has not come by then is lost. */
const PATIENCE_MS = 30_000;

const { values } = parseArgs({
  options: {
    engines: { type: 'string', default: 'embedded,server' },
    subscribers: { type: 'string', default: '1,100,1000' },
    writes: { type: 'string', default: '300' },
    rate: { type: 'string', default: '20' },
    json: { type: 'string' },
  },
});
const writes = Number(values.writes);
const pauseMs = 1000 / Number(values.rate);

/** A socket that follows all documents; `onChange` gets each change with the time at which it came. */
async function follow(product, onChange) {
  const headers = { authorization: `Bearer ${product.key}` };
  const socket = new WebSocket(`ws://127.0.0.1:${product.port}/v1/live`, { headers });
  const live = new Promise((resolve) => {
    socket.on('message', (data) => {
      const cameMs = performance.now();
      const message = JSON.parse(String(data));
      if (message.type === 'change') onChange(message.change, cameMs);
      if (message.type === 'live') resolve();
    });
  });
  await once(socket, 'open');
  socket.send(JSON.stringify({ type: 'subscribe', subscription: 'a', kinds: ['knowledge'] }));
  await live;
  return socket;
}

async function patch({ port, key }, id, metadata) {
  const body = JSON.stringify({ metadata });
  const headers = {
    authorization: `Bearer ${key}`,
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
  };
  const sent = request({ host: '127.0.0.1', port, method: 'PATCH', path: `/v1/knowledge/${id}`, headers }).end(body);
  const [answer] = await once(sent, 'response');
  return json(await answer);
}

/** Times from the sending of a write, and from its answer, to its arrival at each of the subscribers. */
async function measure(product, subscribers) {
  const written = new Map();
  const arrivals = [];
  const seen = new Set();
  let repeats = 0;
  const sockets = [];
  for (let n = 0; n < subscribers; n += 1)
    sockets.push(
      await follow(product, ({ id }, cameMs) => {
        if (seen.has(`${n} ${id}`)) repeats += 1;
        seen.add(`${n} ${id}`);
        arrivals.push({ id, cameMs });
      }),
    );
  for (let n = 0; n < writes; n += 1) {
    const sentMs = performance.now();
    const { audit_id } = await patch(product, `d${n % DOCUMENTS}`, { n, subscribers });
    written.set(audit_id, { sentMs, answeredMs: performance.now() });
    await sleep(Math.max(0, pauseMs - (performance.now() - sentMs)));
  }
  const deadlineMs = performance.now() + PATIENCE_MS;
  while (seen.size < writes * subscribers && performance.now() < deadlineMs) await sleep(50);
  for (const socket of sockets) socket.close();
  const own = arrivals.filter(({ id }) => written.has(id));
  return {
    subscribers,
    lost: writes * subscribers - seen.size,
    repeats,
    write_ms: summary([...written.values()].map(({ sentMs, answeredMs }) => answeredMs - sentMs)),
    from_request_ms: summary(own.map(({ id, cameMs }) => cameMs - written.get(id).sentMs)),
    from_answer_ms: summary(own.map(({ id, cameMs }) => cameMs - written.get(id).answeredMs)),
  };
}

async function measureEngine(engine) {
  const directory = mkdtempSync(join(tmpdir(), 'acervo-bench-live-'));
  const server = engine === 'server' ? await startSurreal(findSurreal()) : undefined;
  const login = server && {
    SURREALDB_URL: server.url,
    SURREALDB_USER: server.username,
    SURREALDB_PASS: server.password,
  };
  const product = await startProduct({ ACERVO_DATA_DIR: directory, ...login });
  try {
    await product.bulk(Array.from({ length: DOCUMENTS }, (_, n) => ({ id: `d${n}`, content: `document ${n}` })));
    const rounds = [];
    for (const count of values.subscribers.split(',').map(Number)) rounds.push(await measure(product, count));
    return { engine, rounds };
  } finally {
    await product.stop();
    await server?.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}

const milliseconds = ({ p50, p95, p99 }) => `${fixed(p50, 1)} / ${fixed(p95, 1)} / ${fixed(p99, 1)}`;

const results = [];
for (const engine of values.engines.split(',')) {
  if (engine === 'server' && findSurreal() === undefined) continue;
  const result = await measureEngine(engine);
  results.push(result);
  const rows = result.rounds.map(({ subscribers, lost, repeats, write_ms, from_request_ms, from_answer_ms }) => [
    subscribers,
    milliseconds(write_ms),
    milliseconds(from_request_ms),
    milliseconds(from_answer_ms),
    fixed(from_request_ms.p50 / write_ms.p50),
    lost,
    repeats,
  ]);
  const header = [
    'subscribers',
    'the write itself',
    'write sent → client',
    'write answered → client',
    'client / write, p50',
    'lost',
    'repeated',
  ];
  process.stdout.write(`## Live: ${engine}, p50 / p95 / p99 in ms\n\n${table(header, rows)}\n\n`);
}
if (values.json !== undefined)
  writeFileSync(values.json, `${JSON.stringify({ machine: machine(), writes, results }, null, 2)}\n`);
process.exit(0);
