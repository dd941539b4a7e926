import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  interface ProvidedContext {
    surrealUrl: string;
    surrealBin: string;
  }
}

/** The binary named by an environment variable, else found on PATH. */
export function findBinary(variable: string, name: string): string | undefined {
  const named = process.env[variable];
  if (named !== undefined && named !== '') return named;
  try {
    return execFileSync('which', [name], { encoding: 'utf8' }).trim();
  } catch {
    return undefined;
  }
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

export async function waitFor(what: string, check: () => Promise<boolean>, timeoutMs = 30_000): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await check().catch(() => false))) {
    if (Date.now() > deadline) throw new Error(`waited in vain for ${what}`);
    await sleep(50);
  }
}

export interface SurrealServer {
  url: string;
  port: number;
  directory: string;
  process: ChildProcess;
  stop(signal?: NodeJS.Signals): Promise<void>;
}

/** Starts a real SurrealDB server on a free port (or the one given, to come back after a kill). */
export async function startSurreal(
  bin: string,
  { port, directory }: { port?: number; directory?: string } = {},
): Promise<SurrealServer> {
  const at = port ?? (await freePort());
  const dir = directory ?? mkdtempSync(join(tmpdir(), 'acervo-surreal-'));
  const args = ['start', '--bind', `127.0.0.1:${at}`, '--user', 'root', '--pass', 'root', '--log', 'error'];
  const child = spawn(bin, [...args, `rocksdb://${dir}`], { stdio: 'ignore' });
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  await waitFor('surreal', async () => (await fetch(`http://127.0.0.1:${at}/health`)).ok);
  return {
    url: `ws://127.0.0.1:${at}`,
    port: at,
    directory: dir,
    process: child,
    stop: async (signal = 'SIGTERM') => {
      child.kill(signal);
      await gone;
    },
  };
}

/** Global set-up of the stack ring: one database server for all files; each file makes databases of its own. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const bin = findBinary('SURREAL_BIN', 'surreal');
  if (bin === undefined) {
    console.warn('stack ring skipped: no surreal binary (set SURREAL_BIN, or put surreal on PATH)');
    project.provide('surrealUrl', '');
    project.provide('surrealBin', '');
    return async () => undefined;
  }
  const server = await startSurreal(bin);
  project.provide('surrealUrl', server.url);
  project.provide('surrealBin', bin);
  return async () => {
    await server.stop();
    rmSync(server.directory, { recursive: true, force: true });
  };
}
