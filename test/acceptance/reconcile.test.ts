import { execFile } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { onStack, type Product, startProduct, unavailable } from '../support/product.js';

const SCRIPT = fileURLToPath(new URL('../../scripts/reconcile.mjs', import.meta.url));

interface Report {
  id: string;
  apply: boolean;
  objects_seen: number;
  pointers_seen: number;
  left: number;
  findings: { kind: string; key: string; artifact_id?: string; settled: boolean }[];
}

/** Runs the script as `npm run reconcile` does. */
function script(env: Record<string, string>, ...args: string[]) {
  return new Promise<{ code: number | null; out: string; errors: string }>((resolve) => {
    const child = execFile(
      process.execPath,
      [SCRIPT, ...args],
      { env: { PATH: process.env.PATH, ...env } },
      (_, out, errors) => resolve({ code: child.exitCode, out, errors }),
    );
  });
}

/** The disk driver, on both rings: so that a file can be taken away by hand. */
describe.skipIf(unavailable)('reconcile', () => {
  let product: Product;
  beforeAll(async () => {
    product = await startProduct({ ACERVO_RECONCILE_INTERVAL_SECONDS: '0' });
  });
  afterAll(async () => {
    await product?.stop();
    rmSync(product.env.ACERVO_DATA_DIR!, { recursive: true, force: true });
  });

  async function store(id: string, bucket: string): Promise<void> {
    const reserved = await product.call('POST', '/v1/artifacts', { id, bucket, name: 'ç 1.txt', size_bytes: 3 });
    expect(reserved.status, reserved.text).toBe(201);
    const put = await product.call('PUT', `/v1/artifacts/${id}/content`, Buffer.from('abc'), {
      headers: { 'content-type': 'application/octet-stream' },
    });
    expect(put.status, put.text).toBe(200);
  }

  it('finds nothing where both sides agree, and remembers its last run', async () => {
    const before = await product.call('GET', '/v1/reconcile');
    expect([before.status, before.body]).toEqual([200, { run: null, running: false }]);
    await store('kept', 'agents-artifacts');
    await store('lost', 'documents');
    const { status, body } = await product.call<Report>('POST', '/v1/reconcile', {});
    expect(status).toBe(200);
    expect(body).toMatchObject({ apply: false, left: 0, findings: [], objects_seen: 2, pointers_seen: 2 });
    const after = await product.call('GET', '/v1/reconcile');
    expect(after.body).toEqual({ run: body, running: false });
  });

  it('refuses what is no mode of it, and keys that may not manage objects', async () => {
    const wrong = await product.call('POST', '/v1/reconcile', { aply: true });
    expect([wrong.status, wrong.body.code]).toEqual([400, 'request:invalid']);
    const made = await product.call<{ token: string }>('POST', '/v1/keys', { name: 'r', scopes: ['artifacts:read'] });
    const refused = await product.call('POST', '/v1/reconcile', {}, { key: made.body.token });
    expect([refused.status, refused.body.code]).toEqual([403, 'auth:scope_missing']);
  });

  it('tells a key that is bound to an agent of no run, and makes none for it', async () => {
    const fields = { name: 'bound', scopes: ['objects:manage'], agent_id: 'someone' };
    const { token: key } = (await product.call<{ token: string }>('POST', '/v1/keys', fields)).body;
    const before = await product.call('GET', '/v1/reconcile');
    expect(before.body.run).not.toBeNull();
    const told = await product.call('GET', '/v1/reconcile', undefined, { key });
    expect([told.status, told.body]).toEqual([200, { run: null, running: false }]);
    for (const body of [{}, { apply: true }, { checksums: true }]) {
      const refused = await product.call('POST', '/v1/reconcile', body, { key });
      expect([refused.status, refused.body.code]).toEqual([403, 'auth:agent_mismatch']);
    }
    expect((await product.call('GET', '/v1/reconcile')).body).toEqual(before.body);
  });

  it.skipIf(onStack)('the script says whom to ask while a server has the directory', async () => {
    const { code, errors } = await script(product.env, '--dry-run');
    expect(code).toBe(1);
    expect(errors).toContain('POST /v1/reconcile');
  });

  it('the script prints what is lost, settles it, and then finds nothing', async () => {
    await product.stop();
    rmSync(join(product.env.ACERVO_DATA_DIR!, 'objects/entries/documents'), { recursive: true });

    const looked = await script(product.env, '--dry-run');
    expect(looked.errors).toBe('');
    expect(looked.code).toBe(2);
    expect(looked.out).toMatch(/^ghost documents\/\S+\/lost\/ç 1\.txt lost gone/m);
    expect(looked.out).toContain('ghost: 1 found, 0 settled\n1 objects, 2 pointers, 0 read back\n1 left to do');

    const settled = await script(product.env, '--apply');
    expect([settled.code, settled.errors]).toEqual([0, '']);
    expect(settled.out).toMatch(/^ghost .* \(settled\)$/m);
    const again = await script(product.env, '--dry-run', '--checksums');
    expect(again.code).toBe(0);
    expect(again.out).toBe('1 objects, 2 pointers, 1 read back\n0 left to do, 0 only reported\n');

    product = await product.restart();
    const last = await product.call<{ run: Report }>('GET', '/v1/reconcile');
    expect(last.body.run).toMatchObject({ apply: false, checksums: true, left: 0, findings: [] });
    const lost = await product.call('GET', '/v1/artifacts/lost');
    expect(lost.body).toMatchObject({ status: 'deleted' });
    const kept = await product.call('GET', '/v1/artifacts/kept/content');
    expect([kept.status, kept.text]).toEqual([200, 'abc']);
  });

  it('the script says how it is used', async () => {
    for (const args of [['--apply', '--dry-run'], ['--aply'], ['apply']]) {
      const { code, errors } = await script({}, ...args);
      expect(code, args.join(' ')).toBe(64);
      expect(errors).toContain('npm run reconcile -- ');
    }
  });
});
