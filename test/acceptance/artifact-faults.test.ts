import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { artifactsOf, bytesOf, MIB, reconcile, reconciled, sendWell, sha256 } from '../support/artifacts.js';
import { objectsUnavailable, type ProductWithObjects, startProductWithObjects } from '../support/objects.js';
import { waitFor } from '../support/stack-servers.js';

type Api = ReturnType<typeof artifactsOf>;

/** What was acknowledged of an artifact when the process went, and what was being done. */
interface Walked {
  id: string;
  acknowledged: Buffer[];
  /** Bytes that may be there or not, but not half. */
  attempted?: Buffer;
  /** May it be deleted afterwards? */
  deleting?: true;
  /** Sends the cut request again, as a client would. */
  retry?: (api: Api) => Promise<{ status: number; text: string }>;
}

interface Scenario {
  name: string;
  points: string[];
  /** Done before the fault point is set. */
  prepare?: (api: Api, id: string) => Promise<unknown>;
  /** Ends the process; may come to its end when an event of the bucket was quicker, and is then done anew. */
  act: (api: Api, id: string) => Promise<unknown>;
  left: (id: string) => Omit<Walked, 'id'>;
}

const FIRST = bytesOf(1000, 1);
const SECOND = bytesOf(2000, 2);
const PARTED = bytesOf(11 * MIB, 3);
const keyed = (id: string) => ({ 'idempotency-key': `crash-${id}` });

const UPLOAD = ['upload:before_put', 'upload:bytes_put', 'upload:confirmed'];
const COMPLETE = ['complete:before_assembly', 'complete:assembled', 'complete:confirmed'];

const SCENARIOS: Scenario[] = [
  {
    name: 'reserve',
    points: ['reserve:pointer_made'],
    act: (api, id) => api.reserve({ id, size_bytes: FIRST.length }, keyed(id)),
    left: (id) => ({
      acknowledged: [],
      attempted: FIRST,
      retry: (api) => api.reserve({ id, size_bytes: FIRST.length }, keyed(id)),
    }),
  },
  {
    name: 'upload of the first version',
    points: UPLOAD,
    prepare: (api, id) => api.reserve({ id, size_bytes: FIRST.length }),
    act: (api, id) => api.put(id, FIRST, keyed(id)),
    left: (id) => ({ acknowledged: [], attempted: FIRST, retry: (api) => api.put(id, FIRST, keyed(id)) }),
  },
  {
    name: 'upload of a further version',
    points: UPLOAD,
    prepare: (api, id) => api.stored(FIRST, { id }),
    act: (api, id) => api.put(id, SECOND, keyed(id)),
    left: (id) => ({ acknowledged: [FIRST], attempted: SECOND, retry: (api) => api.put(id, SECOND, keyed(id)) }),
  },
  {
    name: 'complete of one request',
    points: COMPLETE,
    act: async (api, id) => {
      const { body } = await api.reserve({ id, size_bytes: FIRST.length });
      await sendWell(body.upload, FIRST);
      await api.complete(id);
    },
    left: (id) => ({ acknowledged: [], attempted: FIRST, retry: (api) => api.complete(id) }),
  },
  {
    name: 'complete of parts',
    points: COMPLETE,
    prepare: async (api, id) => {
      const { body } = await api.reserve({ id, size_bytes: PARTED.length, sha256: sha256(PARTED) });
      await sendWell(body.upload, PARTED);
    },
    act: (api, id) => api.complete(id, {}, keyed(id)),
    left: (id) => ({ acknowledged: [], attempted: PARTED, retry: (api) => api.complete(id, {}, keyed(id)) }),
  },
  {
    name: 'complete of parts of a further version',
    points: COMPLETE,
    prepare: async (api, id) => {
      await api.stored(FIRST, { id });
      const { body } = await api.upload(id, { size_bytes: PARTED.length });
      await sendWell(body.upload, PARTED);
    },
    act: (api, id) => api.complete(id, {}, keyed(id)),
    left: (id) => ({ acknowledged: [FIRST], attempted: PARTED, retry: (api) => api.complete(id, {}, keyed(id)) }),
  },
  {
    name: 'delete',
    points: ['delete:marked', 'delete:removed', 'delete:confirmed'],
    prepare: (api, id) => api.stored(FIRST, { id }),
    act: (api, id) => api.remove(id, keyed(id)),
    left: () => ({ acknowledged: [FIRST], deleting: true }),
  },
  {
    name: 'delete of a reservation with parts',
    points: ['delete:marked', 'delete:removed'],
    prepare: async (api, id) => {
      const { body } = await api.reserve({ id, size_bytes: PARTED.length });
      await sendWell(body.upload, PARTED, [1]);
    },
    act: (api, id) => api.remove(id),
    left: () => ({ acknowledged: [], deleting: true }),
  },
  {
    name: 'undelete',
    points: ['undelete:marked', 'undelete:brought_back', 'undelete:confirmed'],
    prepare: async (api, id) => {
      await api.stored(FIRST, { id });
      await api.remove(id);
    },
    act: (api, id) => api.undelete(id, keyed(id)),
    left: (id) => ({ acknowledged: [FIRST], deleting: true, retry: (api) => api.undelete(id, keyed(id)) }),
  },
  {
    name: 'restore',
    points: ['restore:copied', 'restore:confirmed'],
    prepare: async (api, id) => {
      await api.stored(FIRST, { id });
      await api.put(id, SECOND);
    },
    act: async (api, id) => api.restore(id, (await api.versions(id)).body.versions[1]!.version_id, keyed(id)),
    left: () => ({ acknowledged: [FIRST, SECOND] }),
  },
];

/** They need reservations that are over at once. */
const SHORT: Scenario[] = [
  {
    name: 'reserve of parts',
    points: ['reserve:pointer_made', 'reserve:upload_started'],
    act: (api, id) => api.reserve({ id, size_bytes: PARTED.length }, keyed(id)),
    left: () => ({ acknowledged: [] }),
  },
  {
    name: 'upload that nobody goes on with',
    points: ['abandon:aborted'],
    prepare: async (api, id) => {
      const { body } = await api.reserve({ id, size_bytes: PARTED.length });
      await sendWell(body.upload, PARTED, [1]);
      await waitFor('the reservation to be over', async () => Date.now() > Date.parse(body.upload.expires_at));
    },
    act: () => Promise.resolve(),
    left: () => ({ acknowledged: [] }),
  },
];

/** The list as the product has it; read as text, since these tests import nothing of it. */
function faultPoints(): string[] {
  const source = readFileSync(new URL('../../src/fault-points.ts', import.meta.url), 'utf8');
  const list = /FAULT_POINTS = \[([^\]]*)\]/.exec(source)?.[1] ?? '';
  return [...list.matchAll(/'([^']+)'/g)].map((match) => match[1]!);
}

const steps = (scenarios: Scenario[]) =>
  scenarios.flatMap((scenario) => scenario.points.map((point) => ({ ...scenario, point })));

describe.skipIf(objectsUnavailable)('kill -9 at every step', () => {
  let all: ProductWithObjects;
  const ledger: Walked[] = [];
  let walked = 0;

  beforeAll(async () => {
    all = await startProductWithObjects({ ACERVO_RECONCILE_GRACE_SECONDS: '0' });
  });
  afterAll(() => all?.stop());

  /** Every acknowledged byte is readable, and what was not is wholly there or not at all. */
  async function check({ id, acknowledged, attempted, deleting }: Walked): Promise<string> {
    const api = artifactsOf(all.product);
    const answer = await api.get(id);
    expect(answer.status, answer.text).toBe(200);
    const { status, sha256: digest, version_count } = answer.body;
    const { versions } = (await api.versions(id)).body;
    expect(versions).toHaveLength(version_count);
    const digests = versions.map((version) => version.sha256);
    for (const bytes of acknowledged) expect(digests).toContain(sha256(bytes));
    if (status === 'stored') {
      expect([...acknowledged, ...(attempted === undefined ? [] : [attempted])].map(sha256)).toContain(digest);
      expect(sha256(await api.bytes(id))).toBe(digest);
      for (const version of versions) expect(sha256(await api.bytes(id, version.version_id))).toBe(version.sha256);
    } else {
      expect(deleting === true ? ['deleted'] : ['reserved', 'abandoned']).toContain(status);
      expect((await api.content(id)).ok).toBe(false);
      if (deleting !== true) expect(acknowledged).toEqual([]);
    }
    return status;
  }

  /** Drives the scenario until the process is gone. @returns the artifact at which it went */
  async function drive(point: string, { prepare, act }: Scenario): Promise<string> {
    const tries = 5;
    const ids = Array.from({ length: tries }, (_, n) => `walk-${String(walked).padStart(2, '0')}-${n}`);
    walked += 1;
    if (prepare !== undefined) for (const id of ids.slice(0, 1)) await prepare(artifactsOf(all.product), id);
    await all.product.stop();
    await all.restart({ ACERVO_FAULT_POINT: point });
    const { product } = all;
    for (const id of prepare === undefined ? ids : ids.slice(0, 1)) {
      const cut = await act(artifactsOf(product), id).then(
        () => false,
        () => true,
      );
      if (!cut) continue;
      await product.exited;
      expect(product.process.signalCode).toBe('SIGKILL');
      return id;
    }
    throw new Error(`${point} was not reached`);
  }

  async function walk(step: Scenario & { point: string }, id: string): Promise<void> {
    await all.restart({ ACERVO_FAULT_POINT: '' });
    await reconciled(all.product);
    const one: Walked = { id, ...step.left(id) };
    const status = await check(one);
    const api = artifactsOf(all.product);
    if (one.retry !== undefined) {
      const again = await one.retry(api);
      expect([200, 201], again.text).toContain(again.status);
      if (again.status === 200) expect(await check(one)).toBe('stored');
    } else if (status === 'deleted' && one.acknowledged.length > 0) {
      expect((await api.undelete(id)).body.status).toBe('stored');
      expect(await api.bytes(id)).toEqual(one.acknowledged.at(-1));
    }
    ledger.push(one);
  }

  it.each(steps(SCENARIOS))('$name: $point', async (step) => {
    await walk(step, await drive(step.point, step));
  });

  it.each(steps(SHORT))('$name: $point', async (step) => {
    await all.product.stop();
    await all.restart({ ACERVO_UPLOAD_URL_TTL_SECONDS: '1', ACERVO_UPLOAD_MAX_SECONDS: '0' });
    const act: Scenario['act'] = (api, id) =>
      step.point === 'abandon:aborted' ? reconcile(all.product, true) : step.act(api, id);
    const id = await drive(step.point, { ...step, act });
    await all.restart({ ACERVO_FAULT_POINT: '' });
    const api = artifactsOf(all.product);
    await waitFor('it to be abandoned', async () => {
      await reconcile(all.product, true);
      return (await api.get(id)).body.status === 'abandoned';
    });
    await waitFor('its parts to be gone', async () => (await reconcile(all.product, true)).findings.length === 0);
    await all.product.stop();
    await all.restart({ ACERVO_UPLOAD_URL_TTL_SECONDS: '', ACERVO_UPLOAD_MAX_SECONDS: '' });
    await reconciled(all.product);
    ledger.push({ id, ...step.left(id) });
    // Late is not lost: the upload can be made again.
    const { body } = await artifactsOf(all.product).upload(id, {});
    await sendWell(body.upload, PARTED);
    expect((await artifactsOf(all.product).complete(id)).body.sha256).toBe(sha256(PARTED));
    ledger.at(-1)!.acknowledged = [PARTED];
  });

  it('leaves nothing to do, and every acknowledged byte, at the end of the walk', async () => {
    const covered = new Set([...steps(SCENARIOS), ...steps(SHORT)].map(({ point }) => point));
    expect([...covered].sort()).toEqual(faultPoints().sort());
    expect(ledger).toHaveLength(steps(SCENARIOS).length + steps(SHORT).length);
    await reconciled(all.product);
    for (const one of ledger) await check(one);
    const dead = await all.product.call<{ events: unknown[] }>('GET', '/v1/bucket-events?status=dead');
    if (dead.status === 200) expect(dead.body.events).toEqual([]);
  });
});
