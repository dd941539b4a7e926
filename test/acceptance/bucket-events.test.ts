import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { artifactsOf, reconciled, sendWell, sha256 } from '../support/artifacts.js';
import { objectsUnavailable, type ProductWithObjects, startProductWithObjects } from '../support/objects.js';
import { onStack, type Product, startProduct } from '../support/product.js';
import { startSurreal, waitFor } from '../support/stack-servers.js';

interface BucketEvent {
  id: string;
  bucket?: string;
  key?: string;
  event_name?: string;
  received_at: string;
  status: string;
  outcome?: string;
  attempts: number;
  error?: string;
  raw?: string;
}

interface Page {
  events: BucketEvent[];
  cursor?: string;
}

let sequence = 0x18ea0c65bd891bdbn;
/** A record as MinIO writes it, of an object that need not exist. */
function record(key: string, fields: Record<string, unknown> = {}, bucket = 'documents') {
  sequence += 1n;
  return {
    eventVersion: '2.0',
    eventSource: 'minio:s3',
    eventTime: new Date().toISOString(),
    eventName: 's3:ObjectCreated:Put',
    s3: {
      bucket: { name: bucket },
      object: {
        key: encodeURIComponent(key).replaceAll('%20', '+'),
        versionId: 'v1',
        sequencer: sequence.toString(16).toUpperCase(),
      },
    },
    source: { userAgent: 'MinIO (linux; x64)' },
    ...fields,
  };
}
const letter = (...records: unknown[]) => JSON.stringify({ Records: records });

describe.skipIf(objectsUnavailable)('events of the object store', () => {
  let all: ProductWithObjects;
  beforeAll(async () => {
    all = await startProductWithObjects();
  });
  afterAll(() => all.stop());

  const tell = (body: string | Uint8Array, headers: Record<string, string> = {}, product: Product = all.product) =>
    fetch(`${product.url}/api/minio-webhook`, {
      method: 'POST',
      headers: { authorization: `Bearer ${all.webhookToken}`, 'content-type': 'application/json', ...headers },
      body: typeof body === 'string' ? body : Buffer.from(body),
    });
  const taken = async (body: string | Uint8Array, headers?: Record<string, string>) => {
    const answer = await tell(body, headers);
    expect([answer.status, await answer.text()]).toEqual([204, '']);
  };
  async function events(query: Record<string, string>, key?: string): Promise<Page> {
    const path = `/v1/bucket-events?${new URLSearchParams({ limit: '100', ...query })}`;
    const { status, body, text } = await all.product.call<Page>('GET', path, undefined, key ? { key } : {});
    expect(status, text).toBe(200);
    return body;
  }
  const dead = async () => (await events({ status: 'dead' })).events;
  const replay = (id: string) => all.product.call<BucketEvent>('POST', `/v1/bucket-events/${id}/replay`);
  const metrics = async () => (await all.product.call('GET', '/metrics')).text;

  it('takes nothing without its token, and keeps nothing of it', async () => {
    const body = letter(record('forged.txt', {}, 'forged'));
    const refused: [Record<string, string>, string][] = [
      [{ authorization: 'Bearer ' }, 'auth:invalid'],
      [{ authorization: `Bearer ${all.webhookToken}x` }, 'auth:invalid'],
      [{ authorization: `Bearer ${all.webhookToken.slice(1)}` }, 'auth:invalid'],
      [{ authorization: `Basic ${all.webhookToken}` }, 'auth:invalid'],
      [{ authorization: `Bearer ${all.product.key}` }, 'auth:invalid'],
      [{ authorization: all.webhookToken }, 'auth:invalid'],
    ];
    for (const [headers, code] of refused) {
      const answer = await tell(body, headers);
      expect([answer.status, ((await answer.json()) as { code: string }).code], JSON.stringify(headers)).toEqual([
        401,
        code,
      ]);
    }
    const bare = await fetch(`${all.product.url}/api/minio-webhook`, { method: 'POST', body });
    expect([bare.status, ((await bare.json()) as { code: string }).code]).toEqual([401, 'auth:missing']);
    expect((await events({ status: 'ignored', bucket: 'forged' })).events).toEqual([]);
    expect(await dead()).toEqual([]);
    expect(await metrics()).toMatch(/acervo_auth_denied_total\{code="auth:missing"\} 1/);
    expect(await metrics()).toMatch(/acervo_auth_denied_total\{code="auth:invalid"\} 6/);
  });

  it('is shut where no token is configured', async () => {
    const product = await startProduct();
    for (const token of ['', 'undefined', all.webhookToken]) {
      const answer = await tell(letter(record('x')), { authorization: `Bearer ${token}` }, product);
      expect(answer.status).toBe(401);
    }
    await product.stop();
  });

  it('an upload that its client never completed is completed by the event, wherever the bytes went', async () => {
    const api = artifactsOf(all.product);
    const bytes = randomBytes(2000);
    const reserved = await api.reserve({ size_bytes: bytes.length, upload_method: 'PUT', name: 'left alone.bin' });
    await sendWell(reserved.body.upload, bytes);
    const { id } = reserved.body;
    await waitFor('the pointer', async () => (await api.get(id)).body.status === 'stored');
    expect((await api.get(id)).body).toMatchObject({ size_bytes: 2000, sha256: sha256(bytes), checksum: 'verified' });
    expect(await api.bytes(id)).toEqual(bytes);
    expect(await reconciled(all.product)).toEqual([]);
  });

  it('what it is told is asked of the store: forged removals and creations change nothing', async () => {
    const api = artifactsOf(all.product);
    const bytes = randomBytes(500);
    const { id, bucket, key, version_id, revision } = await api.stored(bytes);
    const fields = { eventName: 's3:ObjectRemoved:Delete', source: { userAgent: 'Internal: [ILM-Expiry]' } };
    const forged = record(key, fields, bucket);
    forged.s3.object.versionId = version_id ?? '';
    await taken(letter(forged, record(key, { eventName: 'ObjectRemoved:DeleteMarkerCreated' }, bucket)));
    await taken(letter(record(key, {}, bucket)));
    await waitFor('them to be applied', async () => {
      const { events: agreed } = await events({ status: 'applied', outcome: 'agreed', bucket });
      return agreed.filter((event) => event.key === key).length === 3;
    });
    expect((await api.get(id)).body).toMatchObject({ status: 'stored', version_id, revision });
    expect(await api.bytes(id)).toEqual(bytes);
  });

  it('objects that nobody announced are listed, once, under the key that they have', async () => {
    const keys = ['a+b c%20d&e=f.txt', 'relatórios/ação 2026 ça.txt', 'שלום/مرحبا-日本語😀.txt'];
    const body = letter(...keys.map((key) => record(key)));
    await taken(body);
    await taken(body, { 'content-type': 'text/plain' });
    await waitFor(
      'them',
      async () => (await events({ status: 'ignored', outcome: 'unknown_object' })).events.length === 3,
    );
    const { events: unknown } = await events({ status: 'ignored', outcome: 'unknown_object', bucket: 'documents' });
    expect(unknown.map(({ key }) => key).toSorted()).toEqual(keys.toSorted());
    expect(unknown[0]).toMatchObject({ event_name: 's3:ObjectCreated:Put', attempts: 0 });
    expect(Object.keys(unknown[0] ?? {})).not.toContain('due_at');
    expect(await metrics()).toMatch(/acervo_bucket_events_total\{outcome="unknown_object"\} 3/);
  });

  it('what cannot be read is answered 204 and kept as one dead letter, however often it comes', async () => {
    const foreign = '{"hello":"world"}';
    const large = `{"Records":[${'0,'.repeat(1_000_000)}0]}`;
    const many = letter(...Array.from({ length: 1001 }, (_, index) => record(`many-${index}`)));
    const binary = Buffer.from([0x7b, 0xff, 0x00, 0xfe]);
    for (const body of ['', '{', foreign, large, many, binary, '{', foreign, large]) await taken(body);
    // One record that cannot be read, between two that can.
    await taken(letter(record('before'), { s3: 'no' }, record('after')));
    const letters = await dead();
    expect(letters.map(({ error }) => error).toSorted()).toEqual([
      'request:invalid',
      'request:invalid',
      'request:malformed_json',
      'request:malformed_json',
      'request:malformed_utf8',
      'request:too_large',
      'request:too_large',
    ]);
    for (const { status, outcome, raw } of letters) {
      expect([status, outcome]).toEqual(['dead', 'unreadable']);
      expect((raw ?? '').length).toBeLessThanOrEqual(16_384);
    }
    const raws = letters.map(({ raw }) => raw);
    expect(raws).toContain(foreign);
    expect(raws).toContain(many.slice(0, 16_384));
    expect(raws).toContain(letter({ s3: 'no' }));
    await waitFor('the readable two', async () => {
      const { events: unknown } = await events({ status: 'ignored', outcome: 'unknown_object' });
      return ['before', 'after'].every((key) => unknown.some((event) => event.key === key));
    });
    await waitFor('the gauge', async () => (await metrics()).includes('acervo_bucket_events_dead 7'));
  });

  it('a body of 1 000 records is taken whole; the test event of AWS and a bucket of others do nothing', async () => {
    await taken(letter(...Array.from({ length: 1000 }, (_, index) => record(`whole-${index}`, {}, 'elsewhere'))));
    await taken(JSON.stringify({ Service: 'Amazon S3', Event: 's3:TestEvent', Bucket: 'documents' }));
    const keys: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await events({ status: 'ignored', bucket: 'elsewhere', ...(cursor && { cursor }) });
      keys.push(...page.events.map(({ key }) => key ?? ''));
      for (const event of page.events) expect(event.outcome).toBe('unknown_bucket');
      cursor = page.cursor;
    } while (cursor !== undefined);
    expect(keys).toHaveLength(1000);
    expect(new Set(keys)).toEqual(new Set(Array.from({ length: 1000 }, (_, index) => `whole-${index}`)));
    expect(await dead()).toHaveLength(7);
  });

  it('lists newest first, and a cursor opens only the list that it is of', async () => {
    const first = await events({ status: 'dead', limit: '3' });
    expect(first.events).toHaveLength(3);
    const rest = await events({ status: 'dead', limit: '100', cursor: first.cursor ?? '' });
    const times = [...first.events, ...rest.events].map(({ received_at }) => received_at);
    expect(times).toHaveLength(7);
    expect(times).toEqual(times.toSorted().reverse());
    expect(rest.cursor).toBeUndefined();
    const path = `/v1/bucket-events?status=ignored&cursor=${first.cursor}`;
    expect((await all.product.call('GET', path)).body).toMatchObject({ status: 400, code: 'cursor:invalid' });
  });

  it('a key that is bound to an agent sees no events and replays none', async () => {
    const made = await all.product.call<{ token: string }>('POST', '/v1/keys', {
      name: 'bound',
      scopes: ['objects:manage'],
      agent_id: 'someone',
    });
    const key = made.body.token;
    expect(await events({ status: 'dead' }, key)).toEqual({ events: [] });
    const [one] = await dead();
    const answer = await all.product.call('POST', `/v1/bucket-events/${one?.id}/replay`, undefined, { key });
    expect(answer.body).toMatchObject({ status: 404, code: 'event:not_found' });
  });

  it('a dead letter is replayed; what still cannot be read is dead again', async () => {
    const { id } = (await dead()).find(({ raw }) => raw === '{') ?? { id: '' };
    const answer = await replay(id);
    expect([answer.status, answer.body.id, answer.body.status]).toEqual([200, id, 'pending']);
    await waitFor('it to be dead again', async () => (await dead()).some((event) => event.id === id));
    expect((await dead()).find((event) => event.id === id)).toMatchObject({
      error: 'request:malformed_json',
      raw: '{',
    });
    expect((await replay('0'.repeat(64))).body).toMatchObject({ status: 404, code: 'event:not_found' });
    const [ignored] = (await events({ status: 'ignored' })).events;
    expect((await replay(ignored?.id ?? '')).body).toMatchObject({ status: 409, code: 'event:not_dead' });
  });

  it('an event that was answered is there after kill -9, and applied', async () => {
    const keys = Array.from({ length: 20 }, (_, index) => `killed-${index}`);
    await Promise.all(keys.map((key) => taken(letter(record(key)))));
    await all.product.stop('SIGKILL');
    await all.restart();
    await waitFor('them to be applied', async () => {
      const { events: unknown } = await events({ status: 'ignored', outcome: 'unknown_object' });
      return keys.every((key) => unknown.some((event) => event.key === key));
    });
    expect((await events({ status: 'pending' })).events).toEqual([]);
  });
});

describe.skipIf(objectsUnavailable || !onStack)('while the database is away', () => {
  it('nothing is answered 2xx, and the store can send it again', async () => {
    const database = await startSurreal(inject('surrealBin'));
    const MINIO_WEBHOOK_TOKEN = randomBytes(24).toString('hex');
    const product = await startProduct({ SURREALDB_URL: database.url, MINIO_WEBHOOK_TOKEN });
    const tell = () =>
      fetch(`${product.url}/api/minio-webhook`, {
        method: 'POST',
        headers: { authorization: `Bearer ${MINIO_WEBHOOK_TOKEN}` },
        body: letter(record('away.txt', {}, 'elsewhere')),
      });
    await database.stop('SIGKILL');
    await waitFor('503', async () => (await tell()).status === 503);
    const back = await startSurreal(inject('surrealBin'), database);
    await waitFor('204', async () => (await tell()).status === 204);
    const { body } = await product.call<Page>('GET', '/v1/bucket-events?status=ignored&bucket=elsewhere');
    expect(new Set(body.events.map(({ key }) => key))).toEqual(new Set(['away.txt']));
    await product.stop();
    await back.stop();
  });
});
