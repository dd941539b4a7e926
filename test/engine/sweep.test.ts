import { expect, it } from 'vitest';
import { sweepOperations } from '../../src/sweep.js';
import { openEngine, unavailable } from './support/engine.js';

it.skipIf(unavailable)('forgets all operations whose time is over, page after page, and no others', async () => {
  const { db, control } = await openEngine();
  const fill = (from: number, to: number, expires: string) =>
    db.run({
      text: `INSERT INTO idempotency (SELECT VALUE {
        id: 'op' + <string> $this, request_digest: '', created_at: time::now(), expires_at: time::now() ${expires}
      } FROM array::range(${from}, ${to}))`,
      params: {},
    });
  const left = () => db.run<number>({ text: 'RETURN array::len((SELECT VALUE id FROM idempotency))', params: {} });
  await fill(0, 1200, '- 1s');
  await fill(2000, 2007, '+ 1h');
  expect(await left()).toBe(1207);

  // While another node holds the lease, nothing happens here.
  const lease = { name: 'sweep', ttl_ms: 60_000 };
  expect(await control.query('leases/acquire', { ...lease, holder: 'other' })).toBe(true);
  expect(await sweepOperations({ db, control }, 'me')).toBe(0);
  expect(await left()).toBe(1207);
  await control.query('leases/release', { ...lease, holder: 'other' });

  expect(await sweepOperations({ db, control }, 'me')).toBe(1200);
  expect(await left()).toBe(7);
  expect(await sweepOperations({ db, control }, 'me')).toBe(0);
});
