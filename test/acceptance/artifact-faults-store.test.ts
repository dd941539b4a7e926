import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { artifactsOf, bytesOf, MIB, reconcile, reconciled, sendWell, sha256 } from '../support/artifacts.js';
import { expectProblem, rawRequest } from '../support/knowledge.js';
import { objectsUnavailable, type ProductWithObjects, startProductWithObjects } from '../support/objects.js';
import { onStack, type Product } from '../support/product.js';
import { waitFor } from '../support/stack-servers.js';

/** From the store's queue on disk events come seconds later. */
const PATIENCE_MS = 20_000;

let all: ProductWithObjects | undefined;
afterEach(async () => {
  await all?.stop();
  all = undefined;
});
async function start(env: Record<string, string> = {}): Promise<ProductWithObjects> {
  all = await startProductWithObjects(env);
  return all;
}

/** A PUT of which the second half waits until `between` is done. */
async function putInHalves(product: Product, id: string, bytes: Buffer, between: () => Promise<unknown>) {
  const { request, response } = rawRequest(product, 'PUT', `/v1/artifacts/${id}/content`, {
    'content-length': String(bytes.length),
  });
  request.on('error', () => undefined);
  const half = Math.floor(bytes.length / 2);
  if (!request.write(bytes.subarray(0, half))) await once(request, 'drain');
  await between();
  request.end(bytes.subarray(half));
  const answer = await response;
  let text = '';
  for await (const chunk of answer) text += String(chunk);
  return { status: answer.statusCode, headers: answer.headers, body: JSON.parse(text) as Record<string, unknown> };
}

describe.skipIf(objectsUnavailable)('an upload that nobody completes', () => {
  it.each(['PUT', 'POST'])('is completed by the event of its bucket: %s', async (upload_method) => {
    const { product } = await start();
    const api = artifactsOf(product);
    const bytes = bytesOf(1000);
    const { body } = await api.reserve({ size_bytes: bytes.length, upload_method });
    await sendWell(body.upload, bytes);
    await waitFor('the event', async () => (await api.get(body.id)).body.status === 'stored', PATIENCE_MS);
    expect((await api.get(body.id)).body).toMatchObject({
      sha256: sha256(bytes),
      checksum: 'verified',
      version_count: 1,
    });
    expect(await api.bytes(body.id)).toEqual(bytes);
    const late = await api.complete(body.id);
    expect([late.status, late.body.version_count]).toEqual([200, 1]);
    expect(await reconciled(product)).toEqual([]);
  });

  it.runIf(onStack)('is completed by a reconcile when the event is lost', async () => {
    const { product } = await start();
    const api = artifactsOf(product);
    const [bytes, next] = [bytesOf(1000, 1), bytesOf(2000, 2)];
    await api.stored(bytes, { id: 'known' });
    await product.stop();
    const deaf = await all!.restart({ MINIO_WEBHOOK_TOKEN: 'another-token-than-the-store-has' });
    const { body } = await artifactsOf(deaf).reserve({ size_bytes: next.length });
    await sendWell(body.upload, next);
    const further = await artifactsOf(deaf).upload('known', { size_bytes: next.length, sha256: sha256(next) });
    await sendWell(further.body.upload, next);
    const looked = await reconcile(deaf, false);
    expect(looked.findings.map(({ kind, artifact_id, settled }) => [kind, artifact_id, settled]).sort()).toEqual(
      [
        ['landed', body.id, false],
        ['landed', 'known', false],
      ].sort(),
    );
    expect((await artifactsOf(deaf).get(body.id)).body.status).toBe('reserved');
    await reconciled(deaf);
    for (const [id, count] of [
      [body.id, 1],
      ['known', 2],
    ] as const) {
      expect((await artifactsOf(deaf).get(id)).body).toMatchObject({ status: 'stored', version_count: count });
      expect(await artifactsOf(deaf).bytes(id)).toEqual(next);
    }
  });

  it('with parts is over in time, its parts are gone, and it can be made again', async () => {
    const { product } = await start({ ACERVO_UPLOAD_URL_TTL_SECONDS: '2', ACERVO_UPLOAD_MAX_SECONDS: '0' });
    const api = artifactsOf(product);
    const bytes = bytesOf(11 * MIB);
    const { body } = await api.reserve({ size_bytes: bytes.length });
    await sendWell(body.upload, bytes, [1]);
    await waitFor('the reservation to be over', async () => {
      await reconcile(product, true);
      return (await api.get(body.id)).body.status === 'abandoned';
    });
    expectProblem(await api.complete(body.id), 409, 'artifact:not_reserved');
    const again = await api.upload(body.id, { upload_method: 'multipart' });
    expect(again.body.upload.arrived_parts).toEqual([]);
    await sendWell(again.body.upload, bytes);
    expect((await api.complete(body.id)).body).toMatchObject({ status: 'stored', sha256: sha256(bytes) });
  });

  it('and that brings other bytes than were declared is cleaned up, in a locked bucket too', async () => {
    const { product } = await start({ ACERVO_RECONCILE_GRACE_SECONDS: '0' });
    const api = artifactsOf(product);
    const before = await api.stored(bytesOf(9), { bucket: 'models' });
    for (const bucket of ['agents-artifacts', 'models'])
      for (const declared of [{ size_bytes: 5, sha256: '0'.repeat(64) }, { size_bytes: 6 }]) {
        const { body } = await api.reserve({ bucket, upload_method: 'PUT', ...declared });
        await sendWell(body.upload, Buffer.from('other'));
        await waitFor(`${bucket} to agree`, async () => {
          await reconcile(product, true);
          return (await reconcile(product, false)).left === 0;
        });
        expect((await api.get(body.id)).body).toMatchObject({ status: 'reserved', version_count: 0 });
        expect((await api.put(body.id, bytesOf(declared.size_bytes))).status).toBe('sha256' in declared ? 400 : 200);
      }
    const { body } = await api.upload(before.id, { size_bytes: 7, upload_method: 'PUT' });
    await sendWell(body.upload, Buffer.from('other'));
    await waitFor('the further version to agree', async () => {
      await reconcile(product, true);
      return (await reconcile(product, false)).left === 0;
    });
    expect(await api.bytes(before.id)).toEqual(bytesOf(9));
  });
});

describe.skipIf(objectsUnavailable || !onStack)('MinIO goes away', () => {
  it('in the middle of an upload, and comes back', async () => {
    const { product, minio } = await start({ MINIO_TIMEOUT_MS: '3000' });
    const api = artifactsOf(product);
    const kept = await api.stored(bytesOf(1000));
    const bytes = bytesOf(24 * MIB);
    const { body } = await api.reserve({ size_bytes: bytes.length, sha256: sha256(bytes) });
    const parts = await api.reserve({ size_bytes: bytes.length, sha256: sha256(bytes) });
    await sendWell(parts.body.upload, bytes, [2]);
    const answer = await putInHalves(product, body.id, bytes, () => minio!.halt('SIGKILL'));
    await expectRefused(product, `/v1/artifacts/${body.id}/content`, bytes);
    expect(answer).toMatchObject({ status: 503, body: { code: 'objects:unavailable', retryable: true } });
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
    for (const away of [
      await api.complete(parts.body.id),
      await product.call('GET', `/v1/artifacts/${kept.id}/content`),
      await api.reserve({ id: 'parted', size_bytes: bytes.length }),
      await api.remove(kept.id),
    ])
      expectProblem(away, 503, 'objects:unavailable');
    // The database alone answers these.
    expect((await api.get(kept.id)).status).toBe(200);
    expect((await api.list({ status: 'all' })).body.artifacts.length).toBeGreaterThan(2);
    expect((await api.get(body.id)).body).toMatchObject({ status: 'reserved', version_count: 0 });
    await minio!.resume();
    expect((await api.put(body.id, bytes)).body).toMatchObject({ status: 'stored', sha256: sha256(bytes) });
    await sendWell((await api.upload(parts.body.id)).body.upload, bytes);
    expect((await api.complete(parts.body.id)).body).toMatchObject({ status: 'stored', sha256: sha256(bytes) });
    expect((await api.remove(kept.id)).status).toBe(204);
    expect((await api.undelete(kept.id)).status).toBe(200);
    expect(await api.bytes(kept.id)).toEqual(bytesOf(1000));
    await sendWell((await api.upload('parted')).body.upload, bytes);
    expect((await api.complete('parted')).body).toMatchObject({ status: 'stored', sha256: sha256(bytes) });
    await waitFor('both sides to agree', async () => (await reconcile(product, true)).left === 0, PATIENCE_MS);
    expect(await reconcile(product, false)).toMatchObject({ left: 0, findings: [] });
  });
});

/** On a connection of its own: 503; or it is cut, since nobody reads the rest of the body. */
async function expectRefused(product: Product, path: string, bytes: Uint8Array): Promise<void> {
  const { request, response } = rawRequest(product, 'PUT', path, { 'content-length': String(bytes.length) });
  request.on('error', () => undefined);
  request.end(bytes);
  const status = await response.then(
    (answer) => answer.resume().statusCode,
    () => 'cut',
  );
  expect([503, 'cut']).toContain(status);
}

/** A small disk of its own under a data directory; undefined where nothing can be mounted. */
function smallDisk(sizeMib: number): { dataDir: string; readOnly(on: boolean): void; remove(): void } | undefined {
  const dataDir = mkdtempSync(join(tmpdir(), 'acervo-small-'));
  const at = join(dataDir, 'objects');
  mkdirSync(at);
  const mount = (...args: string[]) => execFileSync('mount', args, { stdio: 'ignore' });
  try {
    mount('-t', 'tmpfs', '-o', `size=${sizeMib}m`, 'tmpfs', at);
  } catch {
    rmSync(dataDir, { recursive: true, force: true });
    return undefined;
  }
  return {
    dataDir,
    readOnly: (on) => mount('-o', `remount,${on ? 'ro' : 'rw'}`, at),
    remove: () => {
      execFileSync('umount', ['-l', at], { stdio: 'ignore' });
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

describe.skipIf(objectsUnavailable || onStack)('the disk', () => {
  it('is full: nothing is half there, and what was stored stays', async ({ skip }) => {
    const disk = smallDisk(16);
    if (disk === undefined) return skip('a tmpfs cannot be mounted here');
    try {
      const { product } = await start({ ACERVO_DATA_DIR: disk.dataDir, ACERVO_RECONCILE_GRACE_SECONDS: '0' });
      const api = artifactsOf(product);
      const kept = await api.stored(bytesOf(5 * MIB));
      const large = bytesOf(12 * MIB);
      const { body } = await api.reserve({ size_bytes: large.length, upload_method: 'PUT' });
      await expectRefused(product, `/v1/artifacts/${body.id}/content`, large);
      await expectRefused(product, `/v1/artifacts/${kept.id}/content`, large);
      await expectRefused(product, new URL(body.upload.url!).pathname, large);
      expectProblem(await api.complete(body.id), 409, 'artifact:upload_incomplete');
      const parts = await api.upload(body.id, { size_bytes: large.length, upload_method: 'multipart' });
      const [first, second] = parts.body.upload.parts!;
      await sendWell({ ...parts.body.upload, parts: [first!] }, large);
      await expectRefused(product, new URL(second!.url).pathname, large.subarray(second!.offset_bytes));
      expectProblem(await api.complete(body.id), 409, 'artifact:upload_incomplete');
      expect((await api.remove(body.id)).status).toBe(204);
      const small = await api.stored(bytesOf(4 * MIB, 2));
      expect((await api.bytes(small.id)).equals(bytesOf(4 * MIB, 2))).toBe(true);
      expect((await api.bytes(kept.id)).equals(bytesOf(5 * MIB))).toBe(true);
      expect((await api.get(kept.id)).body.version_count).toBe(1);
      await reconciled(product);
    } finally {
      await all?.product.stop();
      disk.remove();
    }
  });

  it('is read-only: what is there can be read, and writing goes on when it can be written', async ({ skip }) => {
    const disk = smallDisk(40);
    if (disk === undefined) return skip('a tmpfs cannot be mounted here');
    try {
      const { product } = await start({ ACERVO_DATA_DIR: disk.dataDir, ACERVO_RECONCILE_GRACE_SECONDS: '0' });
      const api = artifactsOf(product);
      const kept = await api.stored(bytesOf(1000));
      const { body } = await api.reserve({ size_bytes: 1000 });
      disk.readOnly(true);
      for (const refused of [
        await api.put(body.id, bytesOf(1000)),
        await api.put(kept.id, bytesOf(1000)),
        await api.remove(kept.id),
        await api.reserve({ size_bytes: 11 * MIB, id: 'parts' }),
      ])
        expectProblem(refused, 503, 'objects:unavailable');
      expect((await api.get(body.id)).body.status).toBe('reserved');
      expect((await product.call('GET', '/readyz')).status).toBe(200);
      disk.readOnly(false);
      await reconciled(product);
      const { status } = (await api.get(kept.id)).body;
      if (status === 'deleted') expect((await api.undelete(kept.id)).status).toBe(200);
      expect(await api.bytes(kept.id)).toEqual(bytesOf(1000));
      expect((await api.put(body.id, bytesOf(1000))).body.status).toBe('stored');
      await sendWell((await api.upload('parts')).body.upload, bytesOf(11 * MIB));
      expect((await api.complete('parts')).status).toBe(200);
    } finally {
      await all?.product.stop();
      disk.remove();
    }
  });
});
