import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { artifactsOf, bytesOf, keyFor, MIB, reconciled, sendWell, sha256 } from '../support/artifacts.js';
import { expectProblem } from '../support/knowledge.js';
import { objectsUnavailable, type ProductWithObjects, startProductWithObjects } from '../support/objects.js';

const [ONE, TWO, THREE] = [Buffer.from('one'), Buffer.from('second'), Buffer.from('the third')];
const inDays = (days: number) => new Date(Date.now() + days * 86_400_000).toISOString();

describe.skipIf(objectsUnavailable)('the life of an artifact', () => {
  let all: ProductWithObjects;
  let api: ReturnType<typeof artifactsOf>;

  beforeAll(async () => {
    all = await startProductWithObjects({
      MINIO_BUCKETS: 'agents-artifacts,documents,models,shared?key={user}/{name}',
    });
    api = artifactsOf(all.product);
  });
  afterAll(() => all?.stop());

  describe('versions', () => {
    it('are kept, readable, and made current again', async () => {
      const { id } = await api.stored(ONE);
      await api.put(id, TWO);
      await api.put(id, THREE);
      const { versions } = (await api.versions(id)).body;
      expect(versions.map(({ sha256: digest, current }) => [digest, current])).toEqual([
        [sha256(THREE), true],
        [sha256(TWO), false],
        [sha256(ONE), false],
      ]);
      const contents = await Promise.all(versions.map(({ version_id }) => api.bytes(id, version_id)));
      expect(contents).toEqual([THREE, TWO, ONE]);
      const restored = await api.restore(id, versions[2]!.version_id);
      expect(restored.body).toMatchObject({ version_count: 4, sha256: sha256(ONE), size_bytes: 3, status: 'stored' });
      expect(await api.bytes(id)).toEqual(ONE);
      expect(await api.bytes(id, versions[0]!.version_id)).toEqual(THREE);
      const same = await api.restore(id, restored.body.version_id!);
      expect(same.body).toEqual(restored.body);
      expectProblem(await api.restore(id, 'nonsense'), 404, 'artifact:not_found');
      const other = await api.stored(ONE);
      expectProblem(await api.restore(id, other.version_id!), 404, 'artifact:not_found');
    });

    it('are all kept when two are sent at once', async () => {
      const { id } = await api.stored(ONE);
      const bodies = Array.from({ length: 6 }, (_, n) => bytesOf(1000 + n, n + 2));
      const { body } = await api.upload(id, { size_bytes: 6, upload_method: 'PUT' });
      await sendWell(body.upload, TWO);
      const [completed, ...puts] = await Promise.all([api.complete(id), ...bodies.map((bytes) => api.put(id, bytes))]);
      expect(puts.map(({ status, text }) => (status === 200 ? 200 : text))).toEqual(bodies.map(() => 200));
      const { versions } = (await api.versions(id)).body;
      const digests = versions.map((version) => version.sha256);
      for (const bytes of bodies) expect(digests).toContain(sha256(bytes));
      if (completed!.status === 200 && completed!.body.sha256 === sha256(TWO)) expect(digests).toContain(sha256(TWO));
      for (const { version_id, sha256: digest } of versions)
        expect(sha256(await api.bytes(id, version_id))).toBe(digest);
      const now = (await api.get(id)).body;
      expect(now.version_count).toBe(versions.length);
      expect(sha256(await api.bytes(id))).toBe(now.sha256);
    });
  });

  describe('complete', () => {
    it.each(['PUT', 'restore'])('takes no other version for its own: %s', async (how) => {
      const { id, version_id } = await api.stored(ONE);
      await api.put(id, TWO);
      const begun = await api.upload(id, { size_bytes: THREE.length, upload_method: 'multipart' });
      await sendWell(begun.body.upload, THREE);
      const other = how === 'PUT' ? await api.put(id, Buffer.from('other')) : await api.restore(id, version_id!);
      expect(other.status, other.text).toBe(200);
      for (let times = 0; times < 2; times += 1) expectProblem(await api.complete(id), 409, 'artifact:not_reserved');
      const again = await api.upload(id, { size_bytes: THREE.length, upload_method: 'multipart' });
      await sendWell(again.body.upload, THREE);
      expect((await api.complete(id)).body).toMatchObject({
        status: 'stored',
        sha256: sha256(THREE),
        version_count: 4,
      });
      expect((await api.complete(id)).body).toMatchObject({
        status: 'stored',
        sha256: sha256(THREE),
        version_count: 4,
      });
      await api.put(id, ONE);
      expect((await api.complete(id)).body).toMatchObject({ status: 'stored', sha256: sha256(ONE) });
    });

    it('is no error where the bytes of a reservation came through the server', async () => {
      const { body } = await api.reserve({ size_bytes: 3, upload_method: 'multipart' });
      await sendWell(body.upload, ONE);
      const put = await api.put(body.id, ONE);
      expect((await api.complete(body.id)).body).toEqual(put.body);
    });
  });

  describe('delete', () => {
    it('takes the content away, and undelete brings it back', async () => {
      const { id, version_id } = await api.stored(ONE);
      await api.put(id, TWO);
      const removed = await api.remove(id);
      expect([removed.status, removed.text]).toEqual([204, '']);
      expect(removed.headers.get('acervo-audit-id')).toMatch(/\S/);
      expect((await api.get(id)).body).toMatchObject({ status: 'deleted', version_count: 2 });
      expect((await api.content(id)).status).toBe(404);
      expectProblem(await api.remove(id), 404, 'artifact:not_found');
      expectProblem(await api.put(id, THREE), 404, 'artifact:not_found');
      expectProblem(await api.upload(id, { size_bytes: 1 }), 404, 'artifact:not_found');
      expectProblem(await api.restore(id, version_id!), 404, 'artifact:not_found');
      const back = await api.undelete(id);
      expect(back.body).toMatchObject({ status: 'stored', sha256: sha256(TWO), version_count: 2 });
      expect(await api.bytes(id)).toEqual(TWO);
      expect(await api.bytes(id, version_id)).toEqual(ONE);
      const again = await api.undelete(id);
      expect([again.status, again.body]).toEqual([200, back.body]);
      expect(await reconciled(all.product)).toEqual([]);
    });

    it('cancels a reservation, whatever has arrived of it', async () => {
      const bytes = bytesOf(11 * MIB);
      const { body } = await api.reserve({ size_bytes: bytes.length });
      await sendWell(body.upload, bytes, [1]);
      expect((await api.remove(body.id)).status).toBe(204);
      expect((await api.get(body.id)).body).toMatchObject({ status: 'deleted', version_count: 0 });
      expectProblem(await api.complete(body.id), 409, 'artifact:not_reserved');
      expect([409, 410]).toContain((await api.undelete(body.id)).status);
      expectProblem(await api.undelete('nobody'), 404, 'artifact:not_found');
      expectProblem(await api.remove('nobody'), 404, 'artifact:not_found');
    });

    it('minds If-Match, as PUT and PATCH do', async () => {
      const { id, revision } = await api.stored(ONE);
      const old = { 'if-match': `"${revision - 1}"` };
      const current = { 'if-match': `"${revision}"` };
      expectProblem(await api.put(id, TWO, old), 412, 'revision:mismatch');
      expectProblem(await api.patch(id, { metadata: { a: 1 } }, old), 412, 'revision:mismatch');
      expectProblem(await api.remove(id, old), 412, 'revision:mismatch');
      expect((await api.get(id)).body).toMatchObject({ revision, status: 'stored', version_count: 1 });
      const patched = await api.patch(id, { metadata: { a: 1, b: { c: 2 } } }, current);
      expect(patched.body).toMatchObject({ revision: revision + 1, metadata: { a: 1, b: { c: 2 } } });
      expectProblem(await api.remove(id, current), 412, 'revision:mismatch');
      await all.product.call('POST', '/v1/sessions', { id: 'run-9' });
      const merged = await api.patch(id, { metadata: { a: null }, session_id: 'run-9' }, { 'if-match': '*' });
      expect(merged.body).toMatchObject({ metadata: { b: { c: 2 } }, session_id: 'run-9', sha256: sha256(ONE) });
      for (const tags of [merged.headers.get('etag')!, `"0", W/${merged.headers.get('etag')}`, '*'])
        expect((await api.get(id, { 'if-none-match': tags })).status, tags).toBe(304);
      expect((await api.remove(id, { 'if-match': merged.headers.get('etag')! })).status).toBe(204);
    });
  });

  describe('hold and retention', () => {
    it('keep what is in a locked bucket', async () => {
      const { id, retention } = await api.stored(ONE, { bucket: 'models' });
      expect(retention).toMatchObject({ mode: 'GOVERNANCE' });
      const days = (Date.parse(retention!.retain_until) - Date.now()) / 86_400_000;
      expect(days).toBeGreaterThan(29.9);
      expect(days).toBeLessThan(30.1);
      expectProblem(await api.remove(id), 409, 'artifact:held');
      expect((await api.get(id)).body.status).toBe('stored');
      const longer = inDays(40);
      const held = await api.hold(id, { legal_hold: true, retention: { mode: 'GOVERNANCE', retain_until: longer } });
      expect(held.body).toMatchObject({ legal_hold: true, retention: { mode: 'GOVERNANCE' } });
      expect(Math.abs(Date.parse(held.body.retention!.retain_until) - Date.parse(longer))).toBeLessThan(1000);
      for (const wrong of [inDays(1), inDays(-1)])
        expect([400, 409]).toContain(
          (await api.hold(id, { retention: { mode: 'GOVERNANCE', retain_until: wrong } })).status,
        );
      expect((await api.get(id)).body.retention).toEqual(held.body.retention);
      expect((await api.hold(id, { legal_hold: false })).body).toMatchObject({ legal_hold: false });
      expect(await api.bytes(id)).toEqual(ONE);
    });

    it('need a scope of their own', async () => {
      const { id } = await api.stored(ONE, { bucket: 'models' });
      const writer = artifactsOf(all.product, await keyFor(all.product, {}));
      expectProblem(await writer.hold(id, { legal_hold: true }), 403, 'auth:scope_missing');
      const keeper = artifactsOf(all.product, await keyFor(all.product, { scopes: ['artifacts:hold'] }));
      expect((await keeper.hold(id, { legal_hold: true })).body.legal_hold).toBe(true);
      expectProblem(await writer.remove(id), 409, 'artifact:held');
    });

    it('are not lifted by a further version, however it comes', async () => {
      const { id, version_id } = await api.stored(ONE, { bucket: 'models' });
      const longer = { mode: 'GOVERNANCE', retain_until: inDays(40) };
      const { retention } = (await api.hold(id, { legal_hold: true, retention: longer })).body;
      const kept = { legal_hold: true, retention };
      expect((await api.put(id, TWO)).body).toMatchObject({ ...kept, version_count: 2 });
      const { body } = await api.upload(id, { size_bytes: THREE.length });
      await sendWell(body.upload, THREE);
      expect((await api.complete(id)).body).toMatchObject({ ...kept, sha256: sha256(THREE) });
      expect((await api.restore(id, version_id!)).body).toMatchObject({ ...kept, sha256: sha256(ONE) });
      // The store keeps it as long: what is longer than the bucket's own 30 days is refused as too short.
      const shorter = { retention: { mode: 'GOVERNANCE', retain_until: inDays(35) } };
      expectProblem(await api.hold(id, shorter), 409, 'artifact:held');
      expect((await api.get(id)).body).toMatchObject(kept);
    });

    it('leave room for the right bytes after wrong ones', async () => {
      const { body } = await api.reserve({
        bucket: 'models',
        size_bytes: 3,
        sha256: sha256(ONE),
        upload_method: 'PUT',
      });
      await sendWell(body.upload, Buffer.from('not'));
      expectProblem(await api.complete(body.id), 400, 'artifact:checksum_mismatch');
      await sendWell(body.upload, ONE);
      expect((await api.complete(body.id)).body).toMatchObject({ status: 'stored', sha256: sha256(ONE) });
      expect(await api.bytes(body.id)).toEqual(ONE);
    });

    it('are told where a bucket has none', async () => {
      const { id } = await api.stored(ONE);
      expectProblem(await api.hold(id, { legal_hold: true }), 409, 'artifact:lock_unsupported');
      const { body } = await api.reserve({ bucket: 'models', size_bytes: 1 });
      expectProblem(await api.hold(body.id, { legal_hold: true }), 409, 'artifact:not_stored');
      expectProblem(await api.hold(id, { legal_hold: 'yes' }), 400, 'request:invalid');
    });
  });

  describe('retried', () => {
    it('changes nothing twice: reserve, PUT, complete, delete, undelete, restore', async () => {
      const key = (name: string) => ({ 'idempotency-key': name });
      const reserve = () => api.reserve({ size_bytes: 3 }, key('reserve'));
      const [first, second] = [await reserve(), await reserve()];
      expect([second.status, second.body.id]).toEqual([201, first.body.id]);
      expectProblem(await api.reserve({ size_bytes: 4 }, key('reserve')), 422, 'idempotency:key_reused');
      const { id } = first.body;
      const twice = async (work: () => Promise<{ status: number; text: string; headers: Headers }>) => {
        const [one, two] = [await work(), await work()];
        expect([two.status, two.text]).toEqual([one.status, one.text]);
        expect(two.headers.get('acervo-audit-id')).toBe(one.headers.get('acervo-audit-id'));
        expect(one.status, one.text).toBeLessThan(300);
        return one;
      };
      await twice(() => api.put(id, ONE, key('put')));
      expect((await api.get(id)).body.version_count).toBe(1);
      const { version_id } = (await api.get(id)).body;
      await api.put(id, TWO);
      await twice(() => api.restore(id, version_id!, key('restore')));
      expect((await api.get(id)).body.version_count).toBe(3);
      await twice(() => api.remove(id, key('delete')));
      await twice(() => api.undelete(id, key('undelete')));
      // Found nothing to change; sent again after a delete it must not bring anything back.
      expect((await api.undelete(id, key('nothing'))).status).toBe(200);
      await api.remove(id);
      await api.undelete(id, key('nothing'));
      expect((await api.get(id)).body.status).toBe('deleted');
      await api.undelete(id);
      // What was answered then, though it is not so any more.
      expect((await api.remove(id, key('delete'))).status).toBe(204);
      expect((await api.get(id)).body.status).toBe('stored');
      const { body } = await api.reserve({ size_bytes: 3, upload_method: 'multipart' });
      await sendWell(body.upload, ONE);
      await twice(() => api.complete(body.id, {}, key('complete')));
      expect((await api.get(body.id)).body.version_count).toBe(1);
    });

    it('a patch under an If-Match that it has outdated itself', async () => {
      const { id, revision } = await api.stored(ONE);
      const headers = { 'idempotency-key': 'patch', 'if-match': `"${revision}"` };
      const patch = () => api.patch(id, { metadata: { seen: 1 } }, headers);
      const [one, two] = [await patch(), await patch()];
      expect([two.status, two.text], two.text).toEqual([200, one.text]);
      expect(two.headers.get('acervo-audit-id')).toBe(one.headers.get('acervo-audit-id'));
      expectProblem(await api.patch(id, {}, { ...headers, 'idempotency-key': 'other' }), 412, 'revision:mismatch');
    });

    it('finds nothing to change where it found nothing before: restore, complete', async () => {
      const key = (name: string) => ({ 'idempotency-key': name });
      const { id, version_id } = await api.stored(ONE);
      expect((await api.restore(id, version_id!, key('idle'))).status).toBe(200);
      expect((await api.complete(id, {}, key('done'))).status).toBe(200);
      await api.put(id, TWO);
      expect((await api.restore(id, version_id!, key('idle'))).status).toBe(200);
      expect((await api.complete(id, {}, key('done'))).status).toBe(200);
      expect(await api.bytes(id)).toEqual(Buffer.from(TWO));
      expect((await api.get(id)).body.version_count).toBe(2);
    });

    it('is refused with other bytes', async () => {
      const { body } = await api.reserve({ size_bytes: 3 });
      const key = { 'idempotency-key': 'bytes' };
      expect(
        (
          await api.put(body.id, ONE, {
            ...key,
            'content-digest': `sha-256=:${Buffer.from(sha256(ONE), 'hex').toString('base64')}:`,
          })
        ).status,
      ).toBe(200);
      expectProblem(await api.put(body.id, TWO, key), 422, 'idempotency:key_reused');
      expect((await api.get(body.id)).body.version_count).toBe(1);
    });
  });

  describe('agents', () => {
    it('see nothing of what belongs to others, in any route', async () => {
      const { id, version_id } = await api.stored(ONE, { agent_id: 'owner' });
      const { body: waiting } = await api.reserve({ size_bytes: 3, agent_id: 'owner' });
      const bound = { agent_id: 'stranger', scopes: ['artifacts:read', 'artifacts:write', 'artifacts:hold'] };
      const other = await keyFor(all.product, bound);
      const stranger = artifactsOf(all.product, other);
      const requests = (one: string) => [
        stranger.get(one),
        stranger.patch(one, { metadata: { seen: 1 } }),
        stranger.put(one, TWO),
        stranger.upload(one, { size_bytes: 3 }),
        stranger.complete(one),
        stranger.url(one),
        stranger.versions(one),
        stranger.restore(one, version_id!),
        stranger.undelete(one),
        stranger.hold(one, { legal_hold: true }),
        stranger.remove(one),
        all.product.call('GET', `/v1/artifacts/${one}/content`, undefined, { key: other }),
        all.product.call('GET', `/v1/artifacts/${one}/content?version_id=${version_id}`, undefined, { key: other }),
      ];
      const shown = async (one: string) =>
        (await Promise.all(requests(one))).map(({ status, body }) => {
          const { request_id: _, ...problem } = body as unknown as Record<string, unknown>;
          return { status, problem };
        });
      const absent = await shown('nobody-at-all');
      for (const { status, problem } of absent) expect([status, problem.code]).toEqual([404, 'artifact:not_found']);
      expect(await shown(id)).toEqual(absent);
      expect(await shown(waiting.id)).toEqual(absent);
      expect((await stranger.list({ status: 'all', limit: '100' })).body.artifacts).toEqual([]);
      expectProblem(await stranger.reserve({ size_bytes: 1, agent_id: 'owner' }), 403, 'auth:agent_mismatch');
      expectProblem(await stranger.reserve({ id, size_bytes: 1 }), 409, 'artifact:id_unavailable');
      const own = await stranger.stored(TWO);
      expect(own.agent_id).toBe('stranger');
      expect((await stranger.list({ status: 'all' })).body.artifacts.map((one) => one.id)).toEqual([own.id]);
      expect((await api.get(id)).body).toMatchObject({ status: 'stored', metadata: {}, version_count: 1 });
    });

    it('cannot take a key of another by its name, nor what lies under it', async () => {
      const body = { bucket: 'shared', user: 'ana', name: 'plan.txt' };
      const { id, key } = await api.stored(ONE, { ...body, agent_id: 'owner' });
      expect(key).toBe('ana/plan.txt');
      const stranger = artifactsOf(all.product, await keyFor(all.product, { agent_id: 'stranger' }));
      const taken = expectProblem(await stranger.reserve({ ...body, size_bytes: 1 }), 409, 'artifact:key_taken');
      expect(JSON.stringify(taken)).not.toContain(id);
      for (const user of ['ana/plan.txt', 'ana\\', '../ana', 'ana/.']) {
        const made = await stranger.reserve({ ...body, user, size_bytes: 1 });
        if (made.status === 201) expect(made.body.key).not.toBe(key);
      }
      expect((await stranger.reserve({ ...body, name: 'plan\u0301.txt', size_bytes: 1 })).status).toBe(201);
      await api.remove(id);
      expectProblem(await stranger.reserve({ ...body, size_bytes: 1 }), 409, 'artifact:key_taken');
      expect((await api.undelete(id)).body).toMatchObject({ status: 'stored', sha256: sha256(ONE) });
      expect(await api.bytes(id)).toEqual(ONE);
    });
  });
});
