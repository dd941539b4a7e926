import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { completeUpload } from '../../src/artifacts/complete.js';
import { deleteArtifact } from '../../src/artifacts/delete.js';
import { holdArtifact } from '../../src/artifacts/hold.js';
import { putContent } from '../../src/artifacts/put-content.js';
import { uploadSchema } from '../../src/artifacts/schemas.js';
import { settleArtifact } from '../../src/artifacts/settle.js';
import { systemContext } from '../../src/artifacts/system.js';
import { undeleteArtifact } from '../../src/artifacts/undelete.js';
import { uploadAgain } from '../../src/artifacts/upload-again.js';
import type { Context } from '../../src/context.js';
import type { ObjectStore } from '../../src/objects/port.js';
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

  /** A context whose store lets `between` happen once: after a `put` or a `setLegalHold`, or before a `stat`. */
  function interrupted(method: 'put' | 'setLegalHold' | 'stat', between: () => Promise<unknown>): Context {
    let pending: (() => Promise<unknown>) | undefined = between;
    const once = async () => {
      const run = pending;
      pending = undefined;
      await run?.();
    };
    const { objects } = rig.services;
    const put: ObjectStore['put'] = async (...args) => {
      const done = await objects.put(...args);
      await once();
      return done;
    };
    const stat: ObjectStore['stat'] = async (...args) => {
      await once();
      return objects.stat(...args);
    };
    const setLegalHold: ObjectStore['setLegalHold'] = async (...args) => {
      await objects.setLegalHold(...args);
      await once();
    };
    const own = { put: { put }, setLegalHold: { setLegalHold }, stat: { stat } }[method];
    const store = new Proxy(objects, {
      get: (target, name) => {
        if (name in own) return own[name as keyof typeof own];
        const value = Reflect.get(target, name);
        return typeof value === 'function' ? value.bind(target) : value;
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

    it('a hold on what is deleted meanwhile is told so', async () => {
      await locked('one');
      rig.advance(31 * 24 * HOUR);
      const holding = interrupted('setLegalHold', () => deleteArtifact(system(), 'a'));
      await expect(holdArtifact(holding, 'a', HELD)).rejects.toMatchObject({ code: 'artifact:not_found' });
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
