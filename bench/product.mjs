// Starts the product and the database server as child processes, and talks HTTP to the product. Whatever happens to
// this process, its children and temporary directories go with it.
import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { json, text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../dist/main.js', import.meta.url));
const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 20_000;
/** What is told of a child that failed. */
const OUTPUT_TAIL_CHARS = 4_000;

const children = new Set();
const directories = new Set();
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
  for (const directory of directories) removeDirectory(directory);
});
for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
])
  process.on(signal, () => process.exit(code));

/** A directory of its own that ends with this process. */
export function temporaryDirectory() {
  const directory = mkdtempSync(join(tmpdir(), 'acervo-bench-'));
  directories.add(directory);
  return directory;
}

export function removeDirectory(directory) {
  // A child that was just killed may still be writing.
  rmSync(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  directories.delete(directory);
}

/** Starts a child, keeps the tail of its output for the message of a failure, and sees to its end. */
function startChild(command, args, env) {
  const child = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  children.add(child);
  const gone = new Promise((resolve) => {
    child.once('error', resolve);
    child.once('exit', resolve);
  }).then(() => children.delete(child));
  let tail = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (chunk) => {
      tail = (tail + chunk).slice(-OUTPUT_TAIL_CHARS);
    });
  const stop = async () => {
    const deadline = AbortSignal.timeout(STOP_TIMEOUT_MS);
    deadline.addEventListener('abort', () => child.kill('SIGKILL'));
    child.kill('SIGTERM');
    await gone;
  };
  return { child, gone, stop, tail: () => tail };
}

/** Resolves when `find` finds something in the child's output. @throws Error with the output when it ends before */
async function outputHolding(started, find) {
  const deadline = performance.now() + START_TIMEOUT_MS;
  let ended = false;
  started.gone.then(() => {
    ended = true;
  });
  for (;;) {
    const found = find(started.tail());
    if (found) return found;
    if (ended || performance.now() > deadline)
      throw new Error(`the product ${ended ? 'ended' : 'did not get ready'}:\n${started.tail()}`);
    await Promise.race([once(started.child.stdout, 'data'), started.gone, sleep(1000)]);
  }
}

/** The environment without what would change the measured product behind our back. */
function cleanEnvironment() {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(ACERVO_|SURREALDB_|MINIO_|GEMINI_)/.test(name)),
  );
}

/**
 * Starts the built product and waits until it listens.
 * @param {Record<string, string>} env its variables, ACERVO_DATA_DIR among them
 * @param {string[]} nodeArguments for node itself
 * @returns its client, `pid`, `startMs` (from the start of the process to the line that names its port) and `stop`
 */
export async function startProduct(env, nodeArguments = []) {
  const key = randomBytes(24).toString('hex');
  const startedMs = performance.now();
  const started = startChild(process.execPath, [...nodeArguments, MAIN], {
    ...cleanEnvironment(),
    ACERVO_PORT: '0',
    ACERVO_ADMIN_KEY: key,
    ACERVO_RATE_LIMIT_PER_MINUTE: '0',
    ACERVO_LOG_LEVEL: 'warn',
    ...env,
  });
  const [, port] = await outputHolding(started, (output) => /API\s+http:\/\/\S+?:(\d+)/.exec(output));
  const startMs = performance.now() - startedMs;
  const client = clientOf(Number(port), key);
  return {
    ...client,
    pid: started.child.pid,
    startMs,
    stop: async () => {
      client.close();
      await started.stop();
    },
  };
}

/** HTTP without `fetch`, whose own cost would be a part of every ratio. */
function clientOf(port, key) {
  const agent = new Agent({ keepAlive: true });
  const open = (method, path, contentType, body) => {
    const headers = { authorization: `Bearer ${key}`, ...(contentType && { 'content-type': contentType }) };
    const length = typeof body === 'string' ? { 'content-length': Buffer.byteLength(body) } : {};
    return request({ host: '127.0.0.1', port, agent, method, path, headers: { ...headers, ...length } });
  };
  const accepted = async (response, path) => {
    if (response.statusCode < 400) return response;
    throw new Error(`${path} answered ${response.statusCode}: ${(await text(response)).slice(0, 1000)}`);
  };
  const search = async (query) => {
    const body = JSON.stringify(query);
    const sent = open('POST', '/v1/search', 'application/json', body).end(body);
    const [response] = await once(sent, 'response');
    return json(await accepted(response, '/v1/search'));
  };
  const metrics = async () => {
    const [response] = await once(open('GET', '/metrics').end(), 'response');
    return text(await accepted(response, '/metrics'));
  };
  /**
   * Stores documents through the bulk route, written as fast as it reads.
   * @param {Iterable<object>} documents
   * @param {(line: number) => void | Promise<void>} onLine called as results come
   * @returns the number stored
   * @throws Error when a line was not stored
   */
  const bulk = async (documents, onLine = () => {}) => {
    const path = '/v1/knowledge/bulk';
    const sent = open('POST', path, 'application/x-ndjson');
    const written = pipeline(Readable.from(ndjson(documents)), sent);
    const read = async () => {
      const [response] = await once(sent, 'response');
      let stored = 0;
      for await (const line of createInterface({ input: await accepted(response, path) })) {
        const result = JSON.parse(line);
        if (result.status !== 'stored') throw new Error(`a document was not stored: ${line.slice(0, 1000)}`);
        stored += 1;
        await onLine(stored);
      }
      return stored;
    };
    // What the answer says matters more than the pipe that breaks when it comes early.
    const [stored, pipe] = await Promise.allSettled([read(), written]);
    if (stored.status === 'rejected') throw stored.reason;
    if (pipe.status === 'rejected') throw pipe.reason;
    return stored.value;
  };
  return { search, metrics, bulk, close: () => agent.destroy() };
}

function* ndjson(documents) {
  for (const document of documents) yield `${JSON.stringify(document)}\n`;
}

/** The SurrealDB server's binary: SURREAL_BIN, else `surreal` on PATH, else undefined. */
export function findSurreal() {
  if (process.env.SURREAL_BIN) return process.env.SURREAL_BIN;
  try {
    return execFileSync('which', ['surreal'], { encoding: 'utf8' }).trim();
  } catch {
    return undefined;
  }
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  return port;
}

/** Starts a SurrealDB server on RocksDB in a directory of its own, with a random password. */
export async function startSurreal(binary) {
  const directory = temporaryDirectory();
  const port = await freePort();
  const login = { username: 'bench', password: randomBytes(16).toString('hex') };
  const args = ['start', '--bind', `127.0.0.1:${port}`, '--log', 'error', `rocksdb://${directory}`];
  const env = { ...process.env, SURREAL_USER: login.username, SURREAL_PASS: login.password };
  const started = startChild(binary, args, env);
  const health = () => fetch(`http://127.0.0.1:${port}/health`).then(({ ok }) => ok);
  const deadline = performance.now() + START_TIMEOUT_MS;
  while (!(await health().catch(() => false))) {
    if (performance.now() > deadline || !children.has(started.child))
      throw new Error(`the database server did not start:\n${started.tail()}`);
    await sleep(50);
  }
  const stop = async () => {
    await started.stop();
    removeDirectory(directory);
  };
  return { url: `ws://127.0.0.1:${port}`, ...login, pid: started.child.pid, stop };
}

/** Resident memory of a process in bytes; undefined where /proc is not there. */
export function residentBytes(pid) {
  try {
    const [, kilobytes] = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
    return Number(kilobytes) * 1024;
  } catch {
    return undefined;
  }
}
