import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { completeUpload } from '../../src/artifacts/complete.js';
import { deleteArtifact } from '../../src/artifacts/delete.js';
import { holdArtifact } from '../../src/artifacts/hold.js';
import { patchArtifact } from '../../src/artifacts/patch.js';
import { putContent } from '../../src/artifacts/put-content.js';
import { uploadSchema } from '../../src/artifacts/schemas.js';
import { settleArtifact } from '../../src/artifacts/settle.js';
import { systemContext } from '../../src/artifacts/system.js';
import { undeleteArtifact } from '../../src/artifacts/undelete.js';
import { uploadAgain } from '../../src/artifacts/upload-again.js';
import { restoreVersion } from '../../src/artifacts/versions.js';
import type { Context } from '../../src/context.js';
import { AcervoError } from '../../src/errors/error.js';
import { runJanitor } from '../../src/objects/disk/janitor.js';
import { unavailable } from './support/engine.js';
import { openRig, type Rig } from './support/reconcile.js';

const HOUR = 3600;

/** What may come between the bytes and their pointer: each is made to come exactly there. */
describe.skipIf(unavailable)('races of one artifact', () => {
  let rig: Rig;
  beforeEach(async () => {
    rig = await openRig({ MINIO_BUCKETS: 'agents-artifacts?key={name},locked?key={name}&lock=GOVERNANCE:30' });
  });
  afterEach(() => rig.close());

  const system = () => systemContext(rig.services, 'reconcile');

  /** A context whose store lets `between` happen once: before a `stat`, or after the other methods. */
  function interrupted(
    method: 'put' | 'copy' | 'parts' | 'setLegalHold' | 'stat' | 'completeUpload',
    between: () => Promise<unknown>,
  ): Context {
    let pending: (() => Promise<unknown>) | undefined = between;
    const once = async () => {
      const run = pending;
      pending = undefined;
      await run?.();
    };
    const store = new Proxy(rig.services.objects, {
      get: (target, name) => {
        const value = Reflect.get(target, name);
        if (typeof value !== 'function') return value;
        if (name !== method) return value.bind(target);
        return async (...args: unknown[]) => {
          if (method === 'stat') await once();
          const done = await Reflect.apply(value, target, args);
          if (method !== 'stat') await once();
          return done;
        };
      },
    });
    return { ...system(), objects: store };
  }

  const content = (sent: string) => ({
    body: Readable.from([Buffer.from(sent)], { objectMode: false }),
    size_bytes: Buffer.byteLength(sent),
    ...{ content_type: 'text/plain', sha256: undefined, expectedRevision: undefined },
  });
  async function stored(id: string, sent: string) {
    await rig.reserve(id, Buffer.byteLength(sent));
    return (await rig.upload(id, sent)).artifact;
  }
  const awaits = (id: string, input: Record<string, unknown>) =>
    uploadAgain(system(), id, uploadSchema.parse({ upload_method: 'PUT', ...input }));
  async function read(id: string, version_id: string | undefined) {
    const { body } = await rig.disk.get({ bucket: rig.bucket, key: id, version_id: version_id! });
    return text(body);
  }
  /** Every version that was acknowledged can be read, and nothing is left to do. */
  async function expectAgreed(id: string) {
    rig.advance(2 * HOUR);
    await rig.settle();
    expect(await rig.look()).toMatchObject({ left: 0, findings: [] });
    const versions = await rig.db.query<{ version_id: string; sha256: string }[]>('artifacts/versions', { id });
    for (const { version_id, sha256 } of versions)
      expect(
        createHash('sha256')
          .update(await read(id, version_id))
          .digest('hex'),
      ).toBe(sha256);
    expect((await rig.row(id)).version_count).toBe(versions.length);
  }

  it('complete takes nothing away that was acknowledged after it had looked', async () => {
    await stored('a', 'one');
    await awaits('a', { size_bytes: 5 });
    const completing = interrupted('stat', () => rig.upload('a', 'acknowledged'));
    await completeUpload(completing, 'a', {}).catch(() => undefined);
    const { version_id, sha256 } = await rig.row('a');
    expect(await read('a', version_id)).toBe('acknowledged');
    expect(sha256).toBe(createHash('sha256').update('acknowledged').digest('hex'));
    await expectAgreed('a');
  });

  it('complete takes nothing away that is about to be acknowledged', async () => {
    await stored('a', 'one');
    await awaits('a', { size_bytes: 5 });
    const putting = interrupted('put', () => completeUpload(system(), 'a', {}).catch(() => undefined));
    const { artifact } = await putContent(putting, 'a', content('acknowledged'));
    expect(artifact.status).toBe('stored');
    expect(await read('a', artifact.version_id)).toBe('acknowledged');
    await expectAgreed('a');
  });

  it.each(['one', 'two'])('an event takes nothing away that is about to be acknowledged: %s', async (sent) => {
    await stored('a', 'one');
    await awaits('a', { size_bytes: 3, sha256: '0'.repeat(64) });
    const putting = interrupted('put', async () => settleArtifact(system(), await rig.row('a'), { apply: true }));
    const { artifact } = await putContent(putting, 'a', content(sent));
    expect(await read('a', artifact.version_id)).toBe(sent);
    await expectAgreed('a');
  });

  it.each(['is over', 'was deleted'])('complete takes no old version for an upload that %s', async (how) => {
    await stored('a', 'one');
    await awaits('a', { size_bytes: 3 });
    if (how === 'is over') {
      rig.advance(8 * HOUR);
      await rig.settle();
    } else {
      await deleteArtifact(system(), 'a');
      await undeleteArtifact(system(), 'a');
    }
    expect((await rig.row('a')).status).toBe('stored');
    await expect(completeUpload(system(), 'a', {})).rejects.toMatchObject({ code: 'artifact:not_reserved' });
  });

  it('undelete takes nothing away that is about to be acknowledged', async () => {
    await stored('a', 'one');
    const putting = interrupted('put', async () => {
      await deleteArtifact(system(), 'a');
      await undeleteArtifact(system(), 'a');
    });
    const { artifact } = await putContent(putting, 'a', content('acknowledged'));
    expect(artifact.status).toBe('stored');
    expect(await read('a', artifact.version_id)).toBe('acknowledged');
    await expectAgreed('a');
  });

  it('undelete keeps an acknowledged version that lies over the one that the artifact is', async () => {
    await stored('a', 'one');
    // The later bytes are acknowledged first.
    const putting = interrupted('put', () => rig.upload('a', 'acknowledged'));
    const { artifact } = await putContent(putting, 'a', content('pointed to'));
    await deleteArtifact(system(), 'a');
    await undeleteArtifact(system(), 'a');
    expect(await read('a', artifact.version_id)).toBe('pointed to');
    await expectAgreed('a');
  });

  it('undelete that is overtaken by an upload keeps what was uploaded', async () => {
    const first = await stored('a', 'one');
    const putting = interrupted('put', async () => {
      await deleteArtifact(system(), 'a');
      await undeleteArtifact(
        interrupted('stat', () => undeleteArtifact(system(), 'a')),
        'a',
      );
    });
    const { artifact } = await putContent(putting, 'a', content('acknowledged'));
    expect(await read('a', artifact.version_id)).toBe('acknowledged');
    expect(await read('a', first.version_id)).toBe('one');
    await expectAgreed('a');
  });

  it('an upload does not bring back what was deleted meanwhile', async () => {
    await stored('a', 'one');
    const putting = interrupted('put', () => deleteArtifact(system(), 'a'));
    await expect(putContent(putting, 'a', content('late'))).rejects.toMatchObject({ code: 'artifact:not_reserved' });
    expect(await rig.row('a')).toMatchObject({ status: 'deleted', version_count: 1 });
    await expectAgreed('a');
    await undeleteArtifact(system(), 'a');
    expect(await read('a', (await rig.row('a')).version_id)).toBe('one');
  });

  describe('If-Match is minded at the end of a request, too:', () => {
    const mismatch = { code: 'revision:mismatch' };
    const patched = () => patchArtifact(system(), 'a', { metadata: { by: 'another' } });

    it('of two slow PUTs over one revision one is stored', async () => {
      const { revision } = await stored('a', 'one');
      const over = (sent: string) => ({ ...content(sent), expectedRevision: revision });
      const putting = interrupted('put', () => putContent(system(), 'a', over('quick')));
      await expect(putContent(putting, 'a', over('slow'))).rejects.toMatchObject(mismatch);
      const { version_id, version_count } = await rig.row('a');
      expect([await read('a', version_id), version_count]).toEqual(['quick', 2]);
      await expectAgreed('a');
    });

    it('what an event confirmed first is no other change', async () => {
      await stored('a', 'one');
      const { artifact: awaiting } = await awaits('a', { size_bytes: 3 });
      const putting = interrupted('put', async () => settleArtifact(system(), await rig.row('a'), { apply: true }));
      const put = await putContent(putting, 'a', { ...content('two'), expectedRevision: awaiting.revision });
      expect(put.artifact).toMatchObject({ status: 'stored', version_count: 2 });
      expect(await read('a', put.artifact.version_id)).toBe('two');
    });

    it('complete', async () => {
      await rig.reserve('a', 3, { upload_method: 'PUT' });
      await rig.put({ bucket: rig.bucket, key: 'a' }, 'one');
      const completing = completeUpload(interrupted('stat', patched), 'a', {}, 1);
      await expect(completing).rejects.toMatchObject(mismatch);
      expect(await rig.row('a')).toMatchObject({ status: 'reserved', metadata: { by: 'another' } });
      expect((await completeUpload(system(), 'a', {}, 2)).artifact.status).toBe('stored');
    });

    it('restore', async () => {
      const { version_id } = await stored('a', 'one');
      const { artifact } = await rig.upload('a', 'two');
      const restoring = restoreVersion(interrupted('copy', patched), 'a', version_id!, artifact.revision);
      await expect(restoring).rejects.toMatchObject(mismatch);
      expect(await rig.row('a')).toMatchObject({ version_id: artifact.version_id, version_count: 2 });
      await expectAgreed('a');
    });

    it('undelete', async () => {
      await stored('a', 'one');
      const { artifact } = await deleteArtifact(system(), 'a');
      const undeleting = undeleteArtifact(interrupted('stat', patched), 'a', artifact.revision);
      await expect(undeleting).rejects.toMatchObject(mismatch);
      expect(await rig.row('a')).toMatchObject({ status: 'deleted' });
      await expectAgreed('a');
    });

    it('upload', async () => {
      await rig.reserve('a', 3, { upload_method: 'multipart' });
      const { revision, upload } = await rig.row('a');
      const input = uploadSchema.parse({ size_bytes: 5 });
      await expect(uploadAgain(interrupted('parts', patched), 'a', input, revision)).rejects.toMatchObject(mismatch);
      expect((await rig.row('a')).upload).toEqual(upload);
    });
  });

  describe.each(['expired', 'deleted'] as const)('where files expire, one that is %s', (how) => {
    const DAY = 24 * HOUR;
    const lifecycle = [
      { id: 'agents-artifacts:expire', bucket: 'agents-artifacts', prefix: '', expire_after_days: 30 },
    ];
    const grow = async (days: number) => {
      rig.advance(days * DAY);
      await runJanitor(rig.disk, lifecycle, rig.services.clock(), async () => undefined);
      await rig.settle();
    };

    it('is brought back to stay as long as a new one', async () => {
      Object.assign(rig.services, { lifecycle });
      const first = await stored('a', 'one');
      if (how === 'deleted') await deleteArtifact(system(), 'a');
      await grow(40);
      expect((await rig.row('a')).status).toBe(how);
      const { artifact } = await undeleteArtifact(system(), 'a');
      expect(artifact).toMatchObject({ status: 'stored', version_count: 2, sha256: first.sha256, size_bytes: 3 });
      expect(artifact.version_id).not.toBe(first.version_id);
      await grow(29);
      expect(await rig.row('a')).toMatchObject({ status: 'stored', version_id: artifact.version_id });
      expect(await read('a', artifact.version_id)).toBe('one');
      await expectAgreed('a');
      await grow(2);
      expect((await rig.row('a')).status).toBe('expired');
    });
  });

  it('a delete and an undelete that the store cut short go on under the If-Match that they began with', async () => {
    const { revision } = await stored('a', 'one');
    const away = { code: 'objects:unavailable' };
    const failing = (method: string): Context => {
      const objects = new Proxy(rig.services.objects, {
        get: (target, name) => {
          const value = Reflect.get(target, name);
          if (name === method) return () => Promise.reject(new AcervoError('objects:unavailable'));
          return typeof value === 'function' ? value.bind(target) : value;
        },
      });
      return { ...system(), objects };
    };
    await expect(deleteArtifact(failing('delete'), 'a', revision)).rejects.toMatchObject(away);
    const { artifact } = await deleteArtifact(system(), 'a', revision);
    expect(artifact.status).toBe('deleted');
    await expect(undeleteArtifact(failing('versions'), 'a', artifact.revision)).rejects.toMatchObject(away);
    expect((await undeleteArtifact(system(), 'a', artifact.revision)).artifact.status).toBe('stored');
    await expect(deleteArtifact(system(), 'a', revision)).rejects.toMatchObject({ code: 'revision:mismatch' });
    await expectAgreed('a');
  });

  it('complete of parts acknowledges what they became, whatever comes over it', async () => {
    await rig.reserve('a', 3, { upload_method: 'multipart' });
    const { upload } = await rig.row('a');
    const parts = { bucket: rig.bucket, key: 'a', upload_id: upload!.upload_id! };
    await rig.disk.putPart(parts, 1, Readable.from([Buffer.from('one')], { objectMode: false }), { size_bytes: 3 });
    const completing = interrupted('completeUpload', () => rig.put({ bucket: rig.bucket, key: 'a' }, 'two'));
    const { artifact } = await completeUpload(completing, 'a', {});
    expect(await read('a', artifact.version_id)).toBe('one');
    await expectAgreed('a');
  });

  describe('where the bucket has object lock', () => {
    const HELD = { legal_hold: true };
    const RETAINED = { mode: 'GOVERNANCE' as const, retain_until: '2026-06-01T00:00:00.000Z' };
    const locked = async (sent: string) => {
      await rig.reserve('a', Buffer.byteLength(sent), { bucket: 'locked' });
      return (await rig.upload('a', sent)).artifact;
    };
    const lockInStore = async () => {
      const { bucket, key, version_id } = await rig.row('a');
      return rig.disk.lockOf({ bucket, key, version_id: version_id! });
    };

    it('what is held while a further version is sent stays held', async () => {
      await locked('one');
      const putting = interrupted('put', () => holdArtifact(system(), 'a', { ...HELD, retention: RETAINED }));
      const { artifact } = await putContent(putting, 'a', content('two'));
      expect(artifact).toMatchObject({ ...HELD, retention: RETAINED, version_count: 2 });
      expect(await lockInStore()).toEqual({ ...HELD, retention: RETAINED });
      await expect(deleteArtifact(system(), 'a')).rejects.toMatchObject({ code: 'artifact:held' });
    });

    it('a hold that is overtaken by a further version holds that one', async () => {
      await locked('one');
      const holding = interrupted('setLegalHold', () => rig.upload('a', 'two'));
      const { artifact } = await holdArtifact(holding, 'a', { ...HELD, retention: RETAINED });
      expect(artifact).toMatchObject({ ...HELD, retention: RETAINED, version_count: 2 });
      expect(await lockInStore()).toEqual({ ...HELD, retention: RETAINED });
    });

    it.each([true, false])(
      'a hold that If-Match refuses at its end leaves the store as the pointer says: %s',
      async (on) => {
        await locked('one');
        const { artifact } = await holdArtifact(system(), 'a', { legal_hold: !on });
        const holding = interrupted('setLegalHold', () =>
          patchArtifact(system(), 'a', { metadata: { by: 'another' } }),
        );
        const held = holdArtifact(holding, 'a', { legal_hold: on }, artifact.revision);
        await expect(held).rejects.toMatchObject({ code: 'revision:mismatch' });
        expect(await rig.row('a')).toMatchObject({ legal_hold: !on, metadata: { by: 'another' } });
        expect(await lockInStore()).toMatchObject({ legal_hold: !on });
      },
    );

    it('a hold on what is deleted meanwhile is told so', async () => {
      await locked('one');
      rig.advance(31 * 24 * HOUR);
      const holding = interrupted('setLegalHold', () => deleteArtifact(system(), 'a'));
      await expect(holdArtifact(holding, 'a', HELD)).rejects.toMatchObject({ code: 'artifact:not_found' });
    });

    it('what lies over the artifact and cannot go is covered by a copy of it', async () => {
      const first = await locked('one');
      const object = { bucket: 'locked', key: 'a' };
      const stray = await rig.put(object, 'stray');
      expect((await rig.look()).findings).toMatchObject([{ kind: 'stray_version', settled: false }]);
      rig.advance(2 * HOUR);
      await rig.settle();
      const row = await rig.row('a');
      expect(row).toMatchObject({ status: 'stored', sha256: first.sha256, version_count: 2 });
      const versions = (await rig.disk.versions(object)).map(({ version_id }) => version_id);
      expect(versions).toEqual([row.version_id, stray.version_id, first.version_id]);
      expect(await rig.look()).toMatchObject({ left: 0, findings: [] });
    });

    it('a running retention of another mode is not in the way of a further version', async () => {
      const { version_id } = await locked('one');
      rig.advance(31 * 24 * HOUR);
      const own = { mode: 'COMPLIANCE' as const, retain_until: '2026-08-01T00:00:00.000Z' };
      await holdArtifact(system(), 'a', { retention: own });
      expect((await rig.upload('a', 'two')).artifact).toMatchObject({
        retention: { ...own, mode: 'GOVERNANCE' },
      });
      const old = { bucket: 'locked', key: 'a', version_id: version_id! };
      expect(await rig.disk.lockOf(old)).toMatchObject({ retention: own });
    });
  });

  it('what an event confirmed first is not done again by a retry', async () => {
    await rig.reserve('a', 3);
    const operation = { id: 'retried', request_digest: 'x' };
    const putting = interrupted('put', async () => settleArtifact(system(), await rig.row('a'), { apply: true }));
    const first = await putContent({ ...putting, operation }, 'a', content('abc'));
    const second = await putContent({ ...system(), operation }, 'a', content('abc'));
    expect(second.audit_id).toBe(first.audit_id);
    expect(await rig.row('a')).toMatchObject({ version_count: 1, version_id: first.artifact.version_id });
    await expectAgreed('a');
  });

  it('an Idempotency-Key of another request stops a change before its first step', async () => {
    await stored('a', 'one');
    const operation = { id: 'shared', request_digest: 'of another' };
    await putContent({ ...system(), operation }, 'a', content('two'));
    const mine = { ...system(), operation: { id: 'shared', request_digest: 'mine' } };
    const reused = { code: 'idempotency:key_reused' };
    await expect(deleteArtifact(mine, 'a')).rejects.toMatchObject(reused);
    await expect(putContent(mine, 'a', content('three'))).rejects.toMatchObject(reused);
    const row = await rig.row('a');
    expect(row).toMatchObject({ status: 'stored', version_count: 2 });
    expect((await rig.disk.stat({ bucket: rig.bucket, key: 'a' })).version_id).toBe(row.version_id);
  });
});
