import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  artifactsOf,
  bytesOf,
  digestHeader,
  MIB,
  reconcile,
  reconciled,
  sendBytes,
  sendWell,
  sha256,
} from '../support/artifacts.js';
import { expectProblem, rawRequest } from '../support/knowledge.js';
import { objectsUnavailable, type ProductWithObjects, startProductWithObjects } from '../support/objects.js';

const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/;
const HELLO = Buffer.from('hello, herons');

describe.skipIf(objectsUnavailable)('artifacts', () => {
  let all: ProductWithObjects;
  let api: ReturnType<typeof artifactsOf>;

  beforeAll(async () => {
    all = await startProductWithObjects({ ACERVO_MAX_ARTIFACT_BYTES: '50000000' });
    api = artifactsOf(all.product);
  });
  afterAll(() => all?.stop());

  /** PUT of a body in pieces, with the headers as given: fetch always says how long it is. */
  async function putInPieces(id: string, pieces: Buffer[], headers: Record<string, string>) {
    const path = `/v1/artifacts/${id}/content`;
    const { request, response } = rawRequest(all.product, 'PUT', path, headers);
    request.on('error', () => undefined);
    for (const piece of pieces) request.write(piece);
    request.end();
    const answer = await response;
    let text = '';
    for await (const bytes of answer) text += String(bytes);
    return { status: answer.statusCode, body: JSON.parse(text) as Record<string, unknown> };
  }

  describe('through the server', () => {
    it('reserves, takes the bytes, and tells all that is known of them', async () => {
      await all.product.call('POST', '/v1/sessions', { id: 'run-1' });
      const reserved = await api.reserve({
        id: 'budget-1',
        name: 'budget 2026.xlsx',
        entity: 'invoices',
        user: 'ana',
        agent_id: 'analyst',
        session_id: 'run-1',
        content_type: 'text/plain; charset=utf-8',
        size_bytes: HELLO.length,
        metadata: { year: 2026, deep: { list: [1, null] } },
      });
      expect(reserved.status, reserved.text).toBe(201);
      expect(reserved.headers.get('location')).toBe('/v1/artifacts/budget-1');
      expect(reserved.body).toMatchObject({ id: 'budget-1', status: 'reserved', checksum: 'unverified' });
      expect(reserved.body.upload).toMatchObject({
        url: expect.any(String),
        expires_at: expect.stringMatching(INSTANT),
      });
      expectProblem(await api.complete('budget-1'), 409, 'artifact:upload_incomplete');
      const put = await api.put('budget-1', HELLO, { 'content-digest': digestHeader(HELLO) });
      expect(put.status, put.text).toBe(200);
      expect(put.headers.get('acervo-audit-id')).toMatch(/\S/);
      const read = await api.get('budget-1');
      const [year, month] = String(reserved.body.key).split('/');
      expect(read.body).toEqual({
        id: 'budget-1',
        bucket: 'agents-artifacts',
        key: `${year}/${month}/invoices/budget-1/budget 2026.xlsx`,
        name: 'budget 2026.xlsx',
        entity: 'invoices',
        user: 'ana',
        agent_id: 'analyst',
        session_id: 'run-1',
        metadata: { year: 2026, deep: { list: [1, null] } },
        status: 'stored',
        content_type: 'text/plain; charset=utf-8',
        size_bytes: HELLO.length,
        sha256: sha256(HELLO),
        checksum: 'verified',
        version_id: expect.stringMatching(/\S/),
        version_count: 1,
        etag: expect.stringMatching(/\S/),
        legal_hold: false,
        created_at: expect.stringMatching(INSTANT),
        updated_at: expect.stringMatching(INSTANT),
        stored_at: expect.stringMatching(INSTANT),
        revision: expect.any(Number),
      });
      expect(put.body).toEqual(read.body);
      expect(await api.bytes('budget-1')).toEqual(HELLO);
    });

    it('takes an empty file, and one of 30 MB that is sent in pieces', async () => {
      const empty = await api.stored(Buffer.alloc(0));
      expect(empty).toMatchObject({ size_bytes: 0, sha256: sha256(Buffer.alloc(0)) });
      expect(await api.bytes(empty.id)).toHaveLength(0);
      const large = bytesOf(30_000_000);
      const { body } = await api.reserve({ size_bytes: large.length });
      const pieces = [large.subarray(0, 1), large.subarray(1, 9_999_999), large.subarray(9_999_999)];
      const put = await putInPieces(body.id, pieces, { 'transfer-encoding': 'chunked' });
      expect(put).toMatchObject({ status: 200, body: { size_bytes: large.length, sha256: sha256(large) } });
      expect((await api.bytes(body.id)).equals(large)).toBe(true);
    });

    it('takes no other size than was said: fewer, more, chunked', async () => {
      const { body } = await api.reserve({ size_bytes: 5 });
      expectProblem(await api.put(body.id, Buffer.from('four')), 400, 'artifact:size_mismatch');
      expectProblem(await api.put(body.id, Buffer.from('sixsix')), 400, 'artifact:size_mismatch');
      for (const text of ['four', 'sixsix', '']) {
        const chunked = await putInPieces(body.id, text === '' ? [] : [Buffer.from(text)], {
          'transfer-encoding': 'chunked',
        });
        expect(chunked).toMatchObject({ status: 400, body: { code: 'artifact:size_mismatch' } });
      }
      expect((await api.get(body.id)).body).toMatchObject({ status: 'reserved', version_count: 0 });
      expectProblem(await api.complete(body.id), 409, 'artifact:upload_incomplete');
      expect((await api.put(body.id, Buffer.from('fives'))).body).toMatchObject({ status: 'stored', version_count: 1 });
      const unknown = await putInPieces(body.id, [HELLO], { 'transfer-encoding': 'chunked' });
      expect(unknown).toMatchObject({ status: 411, body: { code: 'request:length_required' } });
      expect(await api.bytes(body.id)).toEqual(Buffer.from('fives'));
    });

    it('takes no other bytes than were said, by reservation or by Content-Digest', async () => {
      const { body } = await api.reserve({ size_bytes: HELLO.length, sha256: sha256(HELLO).toUpperCase() });
      const other = Buffer.from('hello, storks');
      expectProblem(await api.put(body.id, other), 400, 'artifact:checksum_mismatch');
      const wrong = { 'content-digest': digestHeader(other) };
      expectProblem(await api.put(body.id, HELLO, wrong), 400, 'artifact:checksum_mismatch');
      expect((await api.get(body.id)).body.status).toBe('reserved');
      expect((await api.put(body.id, HELLO)).body).toMatchObject({ status: 'stored', sha256: sha256(HELLO) });
      expectProblem(await api.put(body.id, HELLO, wrong), 400, 'artifact:checksum_mismatch');
      for (const digest of ['sha-256=:AAAA:', 'sha-256=:*:', 'sha-256=abc', `sha-256=${sha256(HELLO)}`])
        expectProblem(await api.put(body.id, other, { 'content-digest': digest }), 400, 'request:invalid');
      expect((await api.get(body.id)).body).toMatchObject({ version_count: 1, sha256: sha256(HELLO) });
      const several = { 'content-digest': `sha-512=:AAAA:, ${digestHeader(other)}` };
      expect((await api.put(body.id, other, several)).body).toMatchObject({ version_count: 2, sha256: sha256(other) });
    });

    it('keeps the type of the reservation, and takes only media types for a further version', async () => {
      const { id } = await api.stored(HELLO, { content_type: 'application/pdf' });
      expect((await api.get(id)).body.content_type).toBe('application/pdf');
      expect((await api.put(id, HELLO, { 'content-type': 'text/csv' })).body.content_type).toBe('text/csv');
      for (const type of ['nonsense', `text/${'x'.repeat(300)}`, 'text/plain; a="\u00ff"'])
        expectProblem(await api.put(id, HELLO, { 'content-type': type }), 400, 'request:invalid');
      expect((await api.get(id)).body.content_type).toBe('text/csv');
    });

    it('takes nothing larger than the server may', async () => {
      expectProblem(await api.reserve({ size_bytes: 50_000_001 }), 413, 'artifact:too_large');
      const { id } = await api.stored(HELLO);
      const { request, response } = rawRequest(all.product, 'PUT', `/v1/artifacts/${id}/content`, {
        'content-length': '50000001',
      });
      request.on('error', () => undefined);
      request.write('x');
      expect((await response).statusCode).toBe(413);
      request.destroy();
      expect((await api.get(id)).body.version_count).toBe(1);
      expectProblem(await api.upload(id, { size_bytes: 50_000_001 }), 413, 'artifact:too_large');
    });
  });

  describe('past the server', () => {
    it.each(['auto', 'PUT', 'POST', 'multipart'])('takes an upload by %s', async (upload_method) => {
      const { body } = await api.reserve({ size_bytes: HELLO.length, upload_method, content_type: 'text/plain' });
      await sendWell(body.upload, HELLO);
      const completed = await api.complete(body.id);
      expect(completed.status, completed.text).toBe(200);
      expect(completed.body).toMatchObject({
        status: 'stored',
        size_bytes: HELLO.length,
        sha256: sha256(HELLO),
        checksum: 'verified',
        version_count: 1,
      });
      expect(completed.body).not.toHaveProperty('upload');
      expect(await api.bytes(body.id)).toEqual(HELLO);
      const again = await api.complete(body.id);
      expect([again.status, again.body]).toEqual([200, completed.body]);
      expect(again.headers.get('acervo-audit-id')).toBeNull();
    });

    it('limits type and size of a signed upload', async () => {
      const { body } = await api.reserve({ size_bytes: 5, content_type: 'text/plain', upload_method: 'POST' });
      const [tooLarge] = await sendBytes(body.upload, Buffer.from('sixsix'));
      expect([400, 413], await tooLarge!.text()).toContain(tooLarge!.status);
      const { upload } = body;
      const other =
        upload.method === 'POST'
          ? { ...upload, fields: { ...upload.fields, 'Content-Type': 'text/html' } }
          : { ...upload, headers: { 'content-type': 'text/html' } };
      const [wrongType] = await sendBytes(other, Buffer.from('fives'));
      expect([400, 403], await wrongType!.text()).toContain(wrongType!.status);
      expectProblem(await api.complete(body.id), 409, 'artifact:upload_incomplete');
      await sendWell(upload, Buffer.from('fives'));
      expect((await api.complete(body.id)).body).toMatchObject({ status: 'stored', content_type: 'text/plain' });
    });

    it.each([
      ['fewer', { size_bytes: 13, upload_method: 'PUT' }, 'fewer', 'artifact:size_mismatch'],
      ['more', { size_bytes: 2, upload_method: 'PUT' }, 'more', 'artifact:size_mismatch'],
      ['other', { size_bytes: 5, sha256: '0'.repeat(64), upload_method: 'PUT' }, 'other', 'artifact:checksum_mismatch'],
    ])('refuses %s bytes than were declared, and takes the right ones afterwards', async (_, declared, text, code) => {
      const { body } = await api.reserve(declared);
      const [put] = await sendBytes(body.upload, Buffer.from(text));
      // A signed PUT of the disk driver knows the size, one of S3 does not.
      if (put!.ok) expectProblem(await api.complete(body.id), 400, code);
      else expectProblem(await api.complete(body.id), 409, 'artifact:upload_incomplete');
      expect((await api.get(body.id)).body).toMatchObject({ status: 'reserved', version_count: 0 });
      expectProblem(await api.upload(body.id, { size_bytes: 'x' }), 400, 'request:invalid');
      const right = bytesOf(4);
      const again = await api.upload(body.id, { size_bytes: 4, sha256: sha256(right), upload_method: 'PUT' });
      await sendWell(again.body.upload, right);
      expect((await api.complete(body.id)).body).toMatchObject({ status: 'stored', sha256: sha256(right) });
      expect(await api.bytes(body.id)).toEqual(right);
    });

    it('assembles parts, names those that are missing, and goes on where an upload broke off', async () => {
      const bytes = bytesOf(20 * MIB + 5);
      const { body } = await api.reserve({ size_bytes: bytes.length, sha256: sha256(bytes) });
      expect(body.upload.method).toBe('multipart');
      const numbers = body.upload.parts!.map(({ part_number }) => part_number);
      expect(numbers).toEqual([1, 2, 3]);
      expect(body.upload.parts!.reduce((sum, { size_bytes }) => sum + size_bytes, 0)).toBe(bytes.length);
      expectProblem(await api.complete(body.id), 409, 'artifact:upload_incomplete');
      await sendWell(body.upload, bytes, [1, 3]);
      const incomplete = expectProblem(await api.complete(body.id), 409, 'artifact:upload_incomplete');
      expect(incomplete).toMatchObject({ retryable: true, detail: expect.stringMatching(/^1 of 3 parts .*: 2\.$/) });
      const again = (await api.upload(body.id)).body.upload;
      expect(again.parts!.map(({ part_number }) => part_number)).toEqual([2]);
      expect(again.arrived_parts!.map(({ part_number }) => part_number)).toEqual([1, 3]);
      await sendWell(again, bytes);
      const listed = (await api.upload(body.id)).body.upload;
      expect(listed.parts).toEqual([]);
      const parts = listed.arrived_parts!.map(({ part_number, etag }) => ({ part_number, etag }));
      const wrong = [{ ...parts[0]!, etag: parts[1]!.etag }, ...parts.slice(1)];
      for (const named of [wrong, parts.slice(1), [...parts, { part_number: 4, etag: 'x' }]])
        expectProblem(await api.complete(body.id, { parts: named }), 400, 'artifact:part_invalid');
      const completed = await api.complete(body.id, { parts });
      expect(completed.body).toMatchObject({ status: 'stored', sha256: sha256(bytes), checksum: 'verified' });
      expect((await api.bytes(body.id)).equals(bytes)).toBe(true);
      const [late] = await sendBytes({ ...body.upload, parts: body.upload.parts!.slice(0, 1) }, bytes);
      expect(late!.status).toBe(404);
    });

    it('goes on with a digest that is declared meanwhile, and begins anew with another', async () => {
      const [right, wrong] = [Buffer.from('right'), Buffer.from('wrong')];
      const { body } = await api.reserve({ size_bytes: 5, upload_method: 'multipart' });
      await sendWell(body.upload, wrong);
      const declared = await api.upload(body.id, { sha256: sha256(right) });
      expect(declared.body.upload).toMatchObject({ parts: [], arrived_parts: [{ part_number: 1 }] });
      expectProblem(await api.complete(body.id), 400, 'artifact:checksum_mismatch');
      const again = await api.upload(body.id);
      await sendWell(again.body.upload, right);
      expect((await api.upload(body.id)).body.upload.parts).toEqual([]);
      const other = await api.upload(body.id, { sha256: sha256(wrong), upload_method: 'multipart' });
      expect(other.body.upload).toMatchObject({ parts: [{ part_number: 1 }], arrived_parts: [] });
      await sendWell(other.body.upload, wrong);
      expect((await api.complete(body.id)).body).toMatchObject({ status: 'stored', sha256: sha256(wrong) });
    });

    it.each(['PUT', 'multipart'])(
      'keeps the digest of a further version when it goes on: %s',
      async (upload_method) => {
        const { id } = await api.stored(HELLO);
        await api.upload(id, { size_bytes: 5, sha256: sha256(Buffer.from('right')), upload_method });
        const { body } = await api.upload(id, { upload_method });
        await sendWell(body.upload, Buffer.from('wrong'));
        expectProblem(await api.complete(id), 400, 'artifact:checksum_mismatch');
      },
    );

    it('forgets the digest of a reservation whose size is declared anew', async () => {
      const bytes = bytesOf(20);
      for (const goesOn of [false, true]) {
        const { body } = await api.reserve({ size_bytes: HELLO.length, sha256: sha256(HELLO) });
        await api.upload(body.id, { size_bytes: bytes.length });
        if (goesOn) await api.upload(body.id);
        const put = await api.put(body.id, bytes);
        expect(put.body).toMatchObject({ status: 'stored', size_bytes: 20, sha256: sha256(bytes) });
      }
    });

    it('takes a part of another size for one that is missing', async () => {
      const bytes = bytesOf(20 * MIB);
      const { body } = await api.reserve({ size_bytes: bytes.length });
      const short = body.upload.parts!.map((part) => ({ ...part, size_bytes: Math.min(part.size_bytes, 100) }));
      await sendWell({ ...body.upload, parts: short }, bytes, [2]);
      await sendWell(body.upload, bytes, [1, 3]);
      expectProblem(await api.complete(body.id), 409, 'artifact:upload_incomplete');
      const again = (await api.upload(body.id)).body.upload;
      expect(again.parts!.map(({ part_number }) => part_number)).toEqual([2]);
      await sendWell(again, bytes);
      expect((await api.complete(body.id)).body.sha256).toBe(sha256(bytes));
    });

    it('leaves the content alone when a signed PUT is used again after complete, and reports it', async () => {
      const { body } = await api.reserve({ size_bytes: HELLO.length, upload_method: 'PUT' });
      await sendWell(body.upload, HELLO);
      const before = (await api.complete(body.id)).body;
      const [again] = await sendBytes(body.upload, Buffer.from('hello, storks'));
      expect(again!.ok).toBe(true);
      expect((await api.get(body.id)).body).toEqual(before);
      expect(await api.bytes(body.id)).toEqual(HELLO);
      expect(Buffer.from(await (await fetch((await api.url(body.id)).body.url)).arrayBuffer())).toEqual(HELLO);
      const { findings } = await reconcile(all.product, true);
      const stray = { kind: 'stray_version', artifact_id: body.id, settled: false };
      expect(findings.filter(({ artifact_id }) => artifact_id === body.id)).toMatchObject([stray]);
      // Once it is old enough, it goes.
      await all.product.stop();
      await all.restart({ ACERVO_RECONCILE_GRACE_SECONDS: '0' });
      await reconciled(all.product);
      expect((await api.get(body.id)).body).toEqual(before);
      expect(await api.bytes(body.id)).toEqual(HELLO);
      await all.product.stop();
      await all.restart({ ACERVO_RECONCILE_GRACE_SECONDS: '' });
    });

    it('begins a further version, while the artifact stays as it is', async () => {
      const { id } = await api.stored(HELLO);
      expectProblem(await api.upload(id), 400, 'request:invalid');
      const next = bytesOf(11 * MIB);
      const begun = await api.upload(id, { size_bytes: next.length, content_type: 'audio/ogg' });
      expect(begun.body).toMatchObject({ status: 'stored', size_bytes: HELLO.length, upload: { method: 'multipart' } });
      await sendWell(begun.body.upload, next);
      expect(await api.bytes(id)).toEqual(HELLO);
      const completed = await api.complete(id);
      expect(completed.body).toMatchObject({ version_count: 2, size_bytes: next.length, content_type: 'audio/ogg' });
      expect((await api.bytes(id)).equals(next)).toBe(true);
    });
  });
});
