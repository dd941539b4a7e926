import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, waitFor } from './stack-servers.js';

export interface MinioServer {
  endpoint: string;
  region: string;
  accessKey: string;
  secretKey: string;
  /** Ends the process, and leaves its data and its port for `resume`. */
  halt(signal?: NodeJS.Signals): Promise<void>;
  resume(): Promise<void>;
  /** Ends the process and removes its data. */
  stop(): Promise<void>;
}

/**
 * Starts a real MinIO on a free port with an empty directory and credentials of its own.
 * @param env further variables, such as MINIO_NOTIFY_WEBHOOK_ENABLE_ACERVO
 */
export async function startMinio(bin: string, env: Record<string, string> = {}): Promise<MinioServer> {
  const port = await freePort();
  const directory = mkdtempSync(join(tmpdir(), 'acervo-minio-'));
  const accessKey = randomBytes(8).toString('hex');
  const secretKey = randomBytes(16).toString('hex');
  const endpoint = `http://127.0.0.1:${port}`;
  const own = { MINIO_ROOT_USER: accessKey, MINIO_ROOT_PASSWORD: secretKey, MINIO_BROWSER: 'off' };
  let child: ChildProcess;
  const resume = async () => {
    child = spawn(bin, ['server', directory, '--address', `127.0.0.1:${port}`, '--quiet'], {
      env: { ...process.env, ...own, ...env },
      stdio: 'ignore',
    });
    await waitFor('minio', async () => (await fetch(`${endpoint}/minio/health/ready`)).ok);
  };
  const halt = async (signal: NodeJS.Signals = 'SIGTERM') => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await gone;
  };
  await resume();
  return {
    endpoint,
    region: 'us-east-1',
    accessKey,
    secretKey,
    halt,
    resume,
    stop: async () => {
      await halt();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
