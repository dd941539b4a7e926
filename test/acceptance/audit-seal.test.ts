import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectProblem } from '../support/knowledge.js';
import { onStack, type Product, startProduct, unavailable } from '../support/product.js';
import { waitFor } from '../support/stack-servers.js';

const SCRIPT = fileURLToPath(new URL('../../scripts/audit-verify.mjs', import.meta.url));
const HASH = /^[0-9a-f]{64}$/;

interface Seal {
  number: number;
  row_count: number;
  root: string;
  hash: string;
  late: boolean;
  sealed_through: string;
}

interface Verification {
  ok: boolean;
  seals: number;
  rows: number;
  unsealed_rows: number;
  faults: object[];
  head?: { number: number; hash: string };
}

interface Proof {
  row: Record<string, unknown>;
  path: string[];
  root: string;
  seals: Seal[];
}

/** Runs the script as `npm run audit:verify` does. */
function script(env: Record<string, string>, ...args: string[]): Promise<{ code: number; output: string }> {
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [SCRIPT, ...args],
      { env: { PATH: process.env.PATH ?? '', ...env }, cwd: tmpdir() },
      (_, stdout, stderr) => resolve({ code: child.exitCode ?? -1, output: stdout + stderr }),
    );
  });
}

describe.skipIf(unavailable)('the sealed audit log', () => {
  const directory = mkdtempSync(join(tmpdir(), 'acervo-seals-'));
  const file = (name: string, text: string) => {
    const path = join(directory, name);
    writeFileSync(path, text);
    return path;
  };
  let product: Product;
  let auditId = '';
  let newest: Seal;
  let inUse: ReturnType<typeof script> | undefined;

  beforeAll(async () => {
    product = await startProduct({ ACERVO_AUDIT_SEAL_INTERVAL_SECONDS: '1' });
    expectProblem(await product.call('GET', '/v1/audit/seals/latest'), 409, 'audit:not_sealed');
    for (const [n, text] of ['one', 'two', 'three'].entries()) {
      const stored = await product.call('POST', '/v1/knowledge', { id: `d${n}`, content: text });
      expect(stored.status, stored.text).toBe(201);
      auditId = String(stored.body.audit_id);
    }
    expectProblem(await product.call('GET', `/v1/audit/${auditId}/proof`), 409, 'audit:not_sealed');
    // It waits for the directory as long as the log waits for its seal.
    inUse = onStack ? undefined : script(product.env);
    await waitFor('the seal', async () => {
      const { status, body } = await product.call<Seal & Record<string, unknown>>('GET', '/v1/audit/seals/latest');
      newest = body;
      return status === 200 && body.sealed_through === auditId;
    });
  });
  afterAll(() => product?.stop());

  it('verifies, and names its newest seal', async () => {
    const { body } = await product.call<Verification & Record<string, unknown>>('GET', '/v1/audit/verify');
    expect(body).toMatchObject({ ok: true, rows: 3, late_rows: 0, unsealed_rows: 0, faults: [], truncated: false });
    expect(body.head).toEqual({ number: newest.number, hash: newest.hash });
    expect(body).not.toHaveProperty('cursor');
    expect(newest.hash).toMatch(HASH);
  });

  it('lists its seals, newest first, by pages', async () => {
    const all = await product.call<{ seals: Seal[] }>('GET', '/v1/audit/seals');
    expect(all.body.seals[0]).toEqual(newest);
    expect(all.body.seals.map(({ number }) => number)).toEqual(
      Array.from({ length: newest.number }, (_, n) => newest.number - n),
    );
    expect(all.body.seals.reduce((sum, { row_count }) => sum + row_count, 0)).toBe(3);
    const paged: Seal[] = [];
    let cursor: string | undefined = '';
    while (cursor !== undefined) {
      const rest = cursor === '' ? '' : `&cursor=${cursor}`;
      const page: { body: { seals: Seal[]; cursor?: string } } = await product.call(
        'GET',
        `/v1/audit/seals?limit=1${rest}`,
      );
      paged.push(...page.body.seals);
      cursor = page.body.cursor;
    }
    expect(paged).toEqual(all.body.seals);
  });

  it('proves a row to somebody who has the newest hash alone', async () => {
    const answer = await product.call<Proof & Record<string, unknown>>('GET', `/v1/audit/${auditId}/proof`);
    expect(answer.status, answer.text).toBe(200);
    expect(answer.body.row).toMatchObject({ id: auditId, resource: 'knowledge:d2', action: 'CREATE' });
    expect(answer.body.seals.at(-1)).toEqual(newest);
    const proof = file('proof.json', answer.text);
    for (const root of [newest.hash, answer.body.root])
      expect(await script({}, '--proof', proof, '--root', root)).toMatchObject({
        code: 0,
        output: expect.stringContaining('proven'),
      });
    expect((await script({}, '--proof', proof, '--root', 'ab'.repeat(32))).code).toBe(1);
    const forged = file('forged.json', answer.text.replace('knowledge:d2', 'knowledge:d3'));
    const refused = await script({}, '--proof', forged, '--root', newest.hash);
    expect(refused).toMatchObject({ code: 1, output: expect.stringContaining('the row is not the one') });
  });

  it('proves nothing about rows there are not, or of other agents', async () => {
    const missing = auditId.replace(/.{12}$/, '000000000000');
    expectProblem(await product.call('GET', `/v1/audit/${missing}/proof`), 404, 'audit:not_found');
    expectProblem(await product.call('GET', '/v1/audit/x/proof'), 400, 'request:invalid');
    const made = await product.call<{ token: string }>('POST', '/v1/keys', {
      name: 'bound',
      scopes: ['audit:read'],
      agent_id: 'somebody',
    });
    expectProblem(
      await product.call('GET', `/v1/audit/${auditId}/proof`, undefined, { key: made.body.token }),
      404,
      'audit:not_found',
    );
  });

  it('shows a bound key the hashes of seals, not the ids of others’ rows', async () => {
    const fields = { name: 'bound', scopes: ['audit:read'], agent_id: 'somebody' };
    const { token: key } = (await product.call<{ token: string }>('POST', '/v1/keys', fields)).body;
    const page = await product.call<{ seals: object[] }>('GET', '/v1/audit/seals', undefined, { key });
    const latest = await product.call<object>('GET', '/v1/audit/seals/latest', undefined, { key });
    const whole = (await product.call<{ seals: Record<string, unknown>[] }>('GET', '/v1/audit/seals')).body.seals;
    const seen = whole.map(({ first_id, last_id, sealed_through, ...seal }) => {
      for (const id of [first_id, last_id, sealed_through]) expect(id).toMatch(/_/);
      return seal;
    });
    expect(page.body.seals).toEqual(seen);
    expect(latest.body).toEqual(seen[0]);
    const exported = await product.call('GET', '/v1/audit/seals?format=ndjson', undefined, { key });
    expectProblem(exported, 403, 'auth:agent_mismatch');
  });

  it('is verified from its exports with no database', async () => {
    const seals = file('seals.ndjson', (await product.call('GET', '/v1/audit/seals?format=ndjson')).text);
    const rows = file('rows.ndjson', (await product.call('GET', '/v1/audit?format=ndjson')).text);
    const anchor = `${newest.number}:${newest.hash}`;
    const whole = await script({}, '--file', rows, '--seals', seals, '--anchor', anchor);
    expect(whole, whole.output).toMatchObject({ code: 0 });
    expect(whole.output).toContain(`${newest.number} seals, 3 rows, 0 of them late, 0 not sealed yet`);
    const text = readFileSync(rows, 'utf8');
    const changed = file('changed.ndjson', text.replace('knowledge:d2', 'knowledge:d3'));
    const found = await script({}, '--file', changed, '--seals', seals);
    expect(found).toMatchObject({
      code: 1,
      output: expect.stringContaining(`changed seal ${newest.number} row ${auditId}`),
    });
    const cut = file('cut.ndjson', '');
    const unanchored = await script({}, '--file', cut, '--seals', cut, '--anchor', anchor);
    expect(unanchored).toMatchObject({ code: 1, output: expect.stringContaining('the chain has no seal') });
    expect((await script({}, '--file', rows)).code).toBe(64);
  });

  it('is verified in its database, once no server has it open', async () => {
    if (inUse !== undefined)
      expect(await inUse).toMatchObject({ code: 1, output: expect.stringContaining('GET /v1/audit/verify') });
    await product.stop();
    const verified = await script(product.env, '--anchor', `${newest.number}:${newest.hash}`);
    expect(verified, verified.output).toMatchObject({ code: 0 });
    expect(verified.output).toContain(`newest seal ${newest.number}:${newest.hash}`);
    expect((await script(product.env, '--anchor', `${newest.number}:${'ab'.repeat(32)}`)).code).toBe(1);
    product = await product.restart();
    const { body } = await product.call('GET', '/v1/audit/verify');
    expect(body).toMatchObject({ ok: true });
  });
});
