import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { deleteArtifact } from '../../src/artifacts/delete.js';
import { systemContext } from '../../src/artifacts/system.js';
import type { ObjectStore } from '../../src/objects/port.js';
import { reconcile, reconcileStatus } from '../../src/reconcile/reconcile.js';
import { settleDueNow, walkWhenDue } from '../../src/reconcile/schedule.js';
import { unavailable } from './support/engine.js';
import { openRig, type PlainPointer, type Rig } from './support/reconcile.js';

const HOUR = 3600;
const AGREED = { counts: {}, left: 0, reported: 0, findings: [], truncated: false };

describe.skipIf(unavailable)('reconcile', () => {
  let rig: Rig;
  const named = (key: string) => ({ bucket: rig.bucket, key });
  const stored = async (id: string, text = 'abc') => {
    await rig.reserve(id, Buffer.byteLength(text));
    return (await rig.upload(id, text)).artifact;
  };
  /** Looks, settles, looks again: the same is found, all of it is settled, and nothing is left. */
  const found = async (more: { checksums?: boolean } = {}) => {
    const looked = await rig.look(more);
    const settled = await rig.settle(more);
    const kinds = (findings: typeof looked.findings) =>
      findings.map(({ kind, key, artifact_id }) => [kind, key, artifact_id]);
    expect(kinds(settled.findings)).toEqual(kinds(looked.findings));
    expect(looked.findings.filter((finding) => finding.settled)).toEqual([]);
    expect(settled.findings.filter((finding) => !finding.settled)).toEqual([]);
    expect(await rig.look(more)).toMatchObject(AGREED);
    return settled.findings;
  };
  beforeEach(async () => {
    rig = await openRig();
  });
  afterEach(() => rig.close());

  it('finds nothing where both sides agree, and asks the store for listings only', async () => {
    await stored('a');
    await stored('b');
    await rig.reserve('c', 5);
    await stored('d');
    await deleteArtifact(systemContext(rig.services, 'reconcile'), 'd');
    rig.requests();
    const report = await rig.settle();
    expect(report).toMatchObject({ ...AGREED, objects_seen: 2, pointers_seen: 4, objects_digested: 0, apply: true });
    expect(new Set(rig.requests())).toEqual(new Set(['list', 'unfinishedUploads']));
  });

  it('ghost: the object is gone, so the artifact is deleted', async () => {
    await stored('a');
    await rig.loseObject(named('a'));
    expect(await found()).toMatchObject([{ kind: 'ghost', ...named('a'), artifact_id: 'a' }]);
    expect(await rig.row('a')).toMatchObject({ status: 'deleted', version_count: 0 });
  });

  it('stray version: what nobody acknowledged goes, once it is old enough', async () => {
    const { version_id } = await stored('a');
    rig.advance(1);
    await rig.put(named('a'), 'other');
    const young = await rig.settle();
    expect(young).toMatchObject({ left: 1, counts: { stray_version: { found: 1, settled: 0 } } });
    rig.advance(2 * HOUR);
    expect(await found()).toMatchObject([{ kind: 'stray_version', key: 'a' }]);
    expect(await rig.disk.stat(named('a'))).toMatchObject({ version_id, size_bytes: 3 });
  });

  it('stray version: also when it has the same bytes', async () => {
    const { version_id } = await stored('a');
    rig.advance(1);
    await rig.put(named('a'), 'abc');
    rig.advance(2 * HOUR);
    expect(await found()).toMatchObject([{ kind: 'stray_version', key: 'a' }]);
    expect(await rig.disk.versions(named('a'))).toMatchObject([{ version_id }]);
  });

  it('landed: bytes came whose event was lost', async () => {
    await rig.reserve('a', 3);
    await rig.put(named('a'), 'abc');
    expect(await found()).toMatchObject([{ kind: 'landed', key: 'a', artifact_id: 'a' }]);
    expect(await rig.row('a')).toMatchObject({ status: 'stored', size_bytes: 3, checksum: 'verified' });
  });

  it('mismatch: bytes of another size are removed, and the reservation ends in its time', async () => {
    await rig.reserve('a', 3);
    await rig.put(named('a'), 'too many');
    rig.advance(2 * HOUR);
    expect(await found()).toMatchObject([{ kind: 'mismatch', key: 'a' }]);
    expect(await rig.disk.versions(named('a'))).toEqual([]);
    expect(await rig.row('a')).toMatchObject({ status: 'reserved' });
  });

  it('stuck reservation: nothing came in time', async () => {
    await rig.reserve('a', 3);
    await rig.reserve('parts', 3, { upload_method: 'multipart' });
    rig.advance(6 * HOUR);
    expect(await rig.look()).toMatchObject(AGREED);
    rig.advance(2 * HOUR);
    expect((await found()).map(({ kind, key }) => [kind, key])).toEqual([
      ['stuck_reservation', 'a'],
      ['stuck_reservation', 'parts'],
    ]);
    expect(await rig.row('a')).toMatchObject({ status: 'abandoned' });
    expect(await rig.disk.unfinishedUploads(rig.bucket, rig.services.clock())).toEqual([]);
  });

  it('stuck delete: begun, and ended by a crash; told once', async () => {
    await stored('a');
    const crash = () => {
      throw new Error('killed');
    };
    const services = { ...rig.services, passFaultPoint: crash };
    await expect(deleteArtifact(systemContext(services, 'reconcile'), 'a')).rejects.toThrow('killed');
    expect(await rig.look()).toMatchObject(AGREED);
    rig.advance(2 * HOUR);
    expect(await found()).toMatchObject([{ kind: 'stuck_delete', key: 'a' }]);
    expect(await rig.row('a')).toMatchObject({ status: 'deleted' });
    await expect(rig.disk.stat(named('a'))).rejects.toMatchObject({ code: 'artifact:not_found' });
  });

  it('undead: a deleted artifact whose object came back', async () => {
    await stored('a');
    await deleteArtifact(systemContext(rig.services, 'reconcile'), 'a');
    await rig.put(named('a'), 'again');
    rig.advance(2 * HOUR);
    expect(await found()).toMatchObject([{ kind: 'undead', key: 'a' }]);
  });

  it('abandoned parts: an upload that no reservation names, once it is older than any may be', async () => {
    await rig.disk.startUpload(named('nobody'), { content_type: 'text/plain' });
    await rig.reserve('mine', 3, { upload_method: 'multipart' });
    expect(await rig.look()).toMatchObject(AGREED);
    const ours = (await rig.row('mine')).upload?.upload_id;
    expect(ours).toBeDefined();
    rig.advance(6.9 * HOUR);
    await rig.reserve('later', 3, { upload_method: 'multipart' });
    rig.advance(0.2 * HOUR);
    expect((await found()).map(({ kind, key }) => [kind, key])).toEqual([
      ['stuck_reservation', 'mine'],
      ['abandoned_parts', 'nobody'],
    ]);
    const left = await rig.disk.unfinishedUploads(rig.bucket, rig.services.clock());
    expect(left.map(({ key }) => key)).toEqual(['later']);
  });

  it('orphan: reported, not counted as left to do, and left alone', async () => {
    await rig.put(named('nobody'), 'x');
    await rig.put({ bucket: 'documents', key: 'some/where' }, 'xy');
    const report = await rig.settle();
    expect(report).toMatchObject({ left: 0, reported: 2, counts: { orphan: { found: 2, settled: 0 } } });
    expect(report.findings).toEqual([
      { kind: 'orphan', ...named('nobody'), detail: '1 bytes', settled: false },
      { kind: 'orphan', bucket: 'documents', key: 'some/where', detail: '2 bytes', settled: false },
    ]);
    expect(await rig.disk.stat(named('nobody'))).toMatchObject({ size_bytes: 1 });
  });

  it('orphan: becomes an artifact where the configuration says so', async () => {
    await rig.close();
    rig = await openRig({ ACERVO_UNKNOWN_OBJECTS: 'adopt' });
    await rig.put(named('nobody'), 'xyz');
    expect(await rig.look()).toMatchObject({ left: 1, reported: 0 });
    expect(await found()).toMatchObject([{ kind: 'orphan', ...named('nobody') }]);
    const row = await rig.db.query('artifacts/of-object', named('nobody'));
    expect(row).toMatchObject({ status: 'stored', size_bytes: 3, version_count: 1 });
  });

  it('corrupt: seen when objects are read back, never settled', async () => {
    const { version_id = '' } = await stored('a');
    await stored('b');
    await rig.spoilBytes(named('a'), version_id, 'abX');
    expect(await rig.look()).toMatchObject(AGREED);
    const report = await rig.settle({ checksums: true });
    expect(report).toMatchObject({ left: 1, objects_digested: 2, counts: { corrupt: { found: 1, settled: 0 } } });
    expect(report.findings).toMatchObject([{ kind: 'corrupt', key: 'a', artifact_id: 'a', settled: false }]);
    expect(await rig.row('a')).toMatchObject({ status: 'stored' });
  });

  it('an unverified digest becomes verified once the bytes were read back', async () => {
    await stored('a');
    const unverified = { text: `UPDATE minio_references:a SET checksum = 'unverified'`, params: {} };
    await rig.db.run(unverified);
    await rig.look({ checksums: true });
    expect(await rig.row('a')).toMatchObject({ checksum: 'unverified', revision: 2 });
    await rig.settle({ checksums: true });
    expect(await rig.row('a')).toMatchObject({ checksum: 'verified', status: 'stored', revision: 3, version_count: 1 });
  });

  it('one that cannot be settled holds up no others', async () => {
    await stored('a');
    await stored('b');
    for (const key of ['a', 'b']) await rig.loseObject(named(key));
    const { objects } = rig.services;
    const failing: ObjectStore['stat'] = async (object) => {
      if (object.key === 'a') throw new Error('the disk has a bad sector');
      return objects.stat(object);
    };
    const services = { ...rig.services, objects: replaced(objects, { stat: failing }) };
    const report = await reconcile(services, { apply: true, signal: new AbortController().signal });
    expect(report.findings).toMatchObject([
      { kind: 'failed', key: 'a', detail: 'internal:unexpected', settled: false },
      { kind: 'ghost', key: 'b', settled: true },
    ]);
    expect(report.left).toBe(1);
    expect(rig.lines).toContainEqual(expect.objectContaining({ msg: 'an object could not be reconciled', key: 'a' }));
  });

  it('keys of any language, on both sides', async () => {
    const keys = ['z', 'Z', 'ä', 'é', 'e\u0301', 'ﬀ', '\u{ffff}', '\u{1f600}', '\u{10ffff}', 'שלום', '~', '!', 'a b'];
    for (const [at, name] of keys.entries()) {
      await rig.reserve(`id-${at}`, 3, { name });
      await rig.upload(`id-${at}`, 'abc');
      await rig.put({ bucket: 'documents', key: `o/${name}` }, 'x');
    }
    for (const key of ['ä', '\u{1f600}', '\u{10ffff}']) await rig.loseObject(named(key));
    const report = await rig.settle();
    expect(report).toMatchObject({ objects_seen: keys.length * 2 - 3, pointers_seen: keys.length });
    const ofKind = (kind: string) => report.findings.filter((one) => one.kind === kind).map(({ key }) => key);
    expect(ofKind('ghost')).toEqual(['ä', '\u{1f600}', '\u{10ffff}']);
    expect(ofKind('orphan').toSorted()).toEqual(keys.map((key) => `o/${key}`).toSorted());
  });

  it('goes on where it was broken off, over several pages', async () => {
    await manyStored(rig, 2500);
    await rig.loseObject(named('k00007'));
    await rig.loseObject(named('k02400'));
    const { objects } = rig.services;
    const broken = new AbortController();
    let lists = 0;
    const list: ObjectStore['list'] = async (bucket, options) => {
      lists += 1;
      if (lists === 2) broken.abort(new Error('killed'));
      return objects.list(bucket, options);
    };
    const services = { ...rig.services, objects: replaced(objects, { list }) };
    await expect(reconcile(services, { apply: true, signal: broken.signal })).rejects.toThrow('killed');
    expect(await reconcileStatus(rig.services)).toEqual({ run: null, running: false });
    expect(await rig.row('k00007')).toMatchObject({ status: 'deleted' });
    expect(await rig.row('k02400')).toMatchObject({ status: 'stored' });

    rig.requests();
    const report = await rig.settle({ resume: true });
    // Two pages of three that it had not walked, and the other bucket.
    expect(rig.requests().filter((name) => name === 'list')).toHaveLength(3);
    expect(report).toMatchObject({ objects_seen: 2498, pointers_seen: 2500, left: 0 });
    expect(report.findings.map(({ kind, key }) => [kind, key])).toEqual([
      ['ghost', 'k00007'],
      ['ghost', 'k02400'],
    ]);
    expect(await reconcileStatus(rig.services)).toEqual({ run: report, running: false });
    // Once finished there is nothing to go on with.
    expect(await rig.settle({ resume: true })).toMatchObject({ ...AGREED, pointers_seen: 2500 });
  });

  it('looks at everything again unless it is told to go on, and never goes on with a run of another kind', async () => {
    await stored('a');
    await rig.db.query('reconcile/save', {
      position: { pass: 'uploads', bucket: 'documents', key: '' },
      report: { ...(await rig.look()), pointers_seen: 77 },
    });
    expect(await rig.settle({ resume: true })).toMatchObject({ pointers_seen: 1, apply: true });
    await rig.db.query('reconcile/save', {
      position: { pass: 'uploads', bucket: 'documents', key: '' },
      report: { ...(await rig.settle()), pointers_seen: 77 },
    });
    expect(await rig.settle()).toMatchObject({ pointers_seen: 1 });
  });

  it('goes on in a page that has filled up meanwhile', async () => {
    for (const id of ['a', 'b', 'c', 'd']) await stored(id);
    const report = { ...(await rig.settle()), objects_seen: 0, pointers_seen: 0 };
    const position = { pass: 'walk', bucket: rig.bucket, key: 'c' };
    await rig.db.query('reconcile/save', { position, report });
    const { objects } = rig.services;
    const list: ObjectStore['list'] = (bucket, options) => objects.list(bucket, { ...options, limit: 2 });
    const services = { ...rig.services, objects: replaced(objects, { list }) };
    const signal = new AbortController().signal;
    const resumed = await reconcile(services, { apply: true, resume: true, signal });
    expect(resumed).toMatchObject({ ...AGREED, id: report.id, objects_seen: 1, pointers_seen: 1 });
  });

  it('the schedule walks when all was settled long enough ago, whoever did it; only to look postpones nothing', async () => {
    const { signal } = new AbortController();
    const last = async () => (await reconcileStatus(rig.services)).run?.id;
    await walkWhenDue(rig.services, HOUR, signal);
    const first = await last();
    expect(first).toBeDefined();
    rig.advance(HOUR - 1);
    await walkWhenDue(rig.services, HOUR, signal);
    expect(await last()).toBe(first);
    rig.advance(1);
    await walkWhenDue(rig.services, HOUR, signal);
    expect(await last()).not.toBe(first);
    const byHand = await rig.settle();
    rig.advance(HOUR - 1);
    await walkWhenDue(rig.services, HOUR, signal);
    expect(await last()).toBe(byHand.id);
    const looked = await rig.look();
    expect(await last()).toBe(looked.id);
    rig.advance(1);
    await walkWhenDue(rig.services, HOUR, signal);
    expect((await reconcileStatus(rig.services)).run).toMatchObject({
      id: expect.not.stringContaining(looked.id),
      apply: true,
    });
  });

  it('changes made while it walks are no findings', async () => {
    for (const id of ['deleted', 'replaced', 'same']) await stored(id);
    await rig.put(named('orphan'), 'x');
    const { objects } = rig.services;
    const list: ObjectStore['list'] = async (bucket, options) => {
      const page = await objects.list(bucket, options);
      if (bucket !== rig.bucket) return page;
      await deleteArtifact(systemContext(rig.services, 'reconcile'), 'deleted');
      await rig.upload('replaced', 'defg');
      await stored('new');
      await rig.reserve('reserved', 3);
      await rig.loseObject(named('orphan'));
      return page;
    };
    const services = { ...rig.services, objects: replaced(objects, { list }) };
    const report = await reconcile(services, { apply: true, signal: new AbortController().signal });
    expect(report).toMatchObject({ ...AGREED, objects_seen: 4, pointers_seen: 5 });
    const statuses = await Promise.all(['deleted', 'replaced', 'same', 'new', 'reserved'].map((id) => rig.row(id)));
    expect(statuses.map(({ status }) => status)).toEqual(['deleted', 'stored', 'stored', 'stored', 'reserved']);
  });

  it('one at a time', async () => {
    const lease = { name: 'reconcile', holder: randomUUID(), ttl_ms: 60_000 };
    await rig.services.control.query('leases/acquire', lease);
    await expect(rig.settle()).rejects.toMatchObject({ code: 'reconcile:running' });
    expect(await reconcileStatus(rig.services)).toEqual({ run: null, running: true });
    await rig.services.control.query('leases/release', lease);
    expect(await rig.settle()).toMatchObject(AGREED);
  });

  it('between walks reservations end all the same', async () => {
    const signal = new AbortController().signal;
    for (let at = 0; at < 205; at += 1) await rig.reserve(`r${at}`, 3);
    expect(await settleDueNow(rig.services, signal)).toBe(0);
    rig.advance(8 * HOUR);
    expect(await settleDueNow(rig.services, signal)).toBe(205);
    expect(await settleDueNow(rig.services, signal)).toBe(0);
    expect(await rig.row('r204')).toMatchObject({ status: 'abandoned' });
    expect(await reconcileStatus(rig.services)).toEqual({ run: null, running: false });
    const text = await rig.services.metrics.registry.metrics();
    expect(text).toContain('acervo_reconcile_findings_total{kind="stuck_reservation",settled="true"} 205');
  });
});

/** Objects and pointers k00000…, as if they had been uploaded; written at once, for speed. */
async function manyStored(rig: Rig, count: number): Promise<void> {
  const keys = Array.from({ length: count }, (_, at) => `k${String(at).padStart(5, '0')}`);
  const rows: PlainPointer[] = [];
  const writers = Array.from({ length: 8 }, async () => {
    for (let key = keys.pop(); key !== undefined; key = keys.pop()) {
      const body = Readable.from([Buffer.from('x')], { objectMode: false });
      const about = { size_bytes: 1, content_type: 'text/plain' };
      const { etag, version_id } = await rig.disk.put({ bucket: rig.bucket, key }, body, about);
      rows.push({ id: key, key, etag, version_id, size_bytes: 1 });
    }
  });
  await Promise.all(writers);
  await rig.writePointers(rig.bucket, rows);
}

/** A store with some of its methods in other words. */
function replaced(store: ObjectStore, methods: Partial<ObjectStore>): ObjectStore {
  return new Proxy(store, {
    get: (target, name) => Reflect.get(name in methods ? methods : target, name),
  });
}
