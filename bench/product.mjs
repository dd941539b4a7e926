// Starts the product and the database server as child processes. Whatever happens to this process, its children and
// temporary directories go with it.
import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { clientOf } from './client.mjs';

const MAIN = fileURLToPath(new URL('../dist/main.js', import.meta.url));
const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 20_000;
/** One for all starts: it becomes the first key of an empty database, and is not taken by one that has keys. */
const KEY = randomBytes(24).toString('hex');
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
export function startChild(command, args, env) {
  const child = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  children.add(child);
  let tail = '';
  const gone = new Promise((resolve) => {
    child.once('exit', resolve);
    child.once('error', (error) => {
      tail += error.message;
      resolve();
    });
  }).then(() => children.delete(child));
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
    await Promise.race([started.gone, sleep(50)]);
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
 * @returns its client, `port`, `key`, `pid`, `startMs` (from the start of the process to the line that names its port) and `stop`
 */
export async function startProduct(env, nodeArguments = []) {
  const startedMs = performance.now();
  const started = startChild(process.execPath, [...nodeArguments, MAIN], {
    ...cleanEnvironment(),
    ACERVO_PORT: '0',
    ACERVO_ADMIN_KEY: KEY,
    ACERVO_RATE_LIMIT_PER_MINUTE: '0',
    ACERVO_LOG_LEVEL: 'warn',
    ...env,
  });
  const [, port] = await outputHolding(started, (output) => /API\s+http:\/\/\S+?:(\d+)/.exec(output));
  const startMs = performance.now() - startedMs;
  const client = clientOf(Number(port), KEY);
  return {
    ...client,
    port: Number(port),
    key: KEY,
    pid: started.child.pid,
    startMs,
    stop: async () => {
      client.close();
      await started.stop();
    },
  };
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

/** A port that nobody listens on now. */
export async function freePort() {
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

/** Processor time that a process has taken, in seconds; undefined where /proc is not there. */
export function processorSeconds(pid) {
  try {
    // The name of the command comes first, in parentheses; times are in ticks of 10 ms (proc(5)).
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /, '')
      .split(' ');
    return (Number(fields[11]) + Number(fields[12])) / 100;
  } catch {
    return undefined;
  }
}
