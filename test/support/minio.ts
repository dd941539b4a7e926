import { spawn } from 'node:child_process';
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
  stop(): Promise<void>;
}

/** Starts a real MinIO on a free port with an empty directory and credentials of its own. */
export async function startMinio(bin: string): Promise<MinioServer> {
  const port = await freePort();
  const directory = mkdtempSync(join(tmpdir(), 'acervo-minio-'));
  const accessKey = randomBytes(8).toString('hex');
  const secretKey = randomBytes(16).toString('hex');
  const env = { ...process.env, MINIO_ROOT_USER: accessKey, MINIO_ROOT_PASSWORD: secretKey, MINIO_BROWSER: 'off' };
  const child = spawn(bin, ['server', directory, '--address', `127.0.0.1:${port}`, '--quiet'], {
    env,
    stdio: 'ignore',
  });
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const endpoint = `http://127.0.0.1:${port}`;
  await waitFor('minio', async () => (await fetch(`${endpoint}/minio/health/ready`)).ok);
  return {
    endpoint,
    region: 'us-east-1',
    accessKey,
    secretKey,
    stop: async () => {
      child.kill('SIGTERM');
      await gone;
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
