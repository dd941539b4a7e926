import { setTimeout as sleep } from 'node:timers/promises';
import { beforeEach, expect, it, vi } from 'vitest';
import { SnapshotKeeper } from '../../../src/warm-index/snapshot-keeper.js';

vi.mock('node:timers/promises', () => ({ setTimeout: vi.fn() }));

const warn = vi.fn();
const keeper = (save: () => Promise<boolean>) => new SnapshotKeeper(save, { warn } as never);
/** Time that passes only when somebody gives up waiting for it. */
const untilAborted: typeof sleep = (_ms, _value, options) =>
  new Promise((_, reject) => options?.signal?.addEventListener('abort', () => reject(options.signal?.reason)));

beforeEach(() => {
  warn.mockReset();
  vi.mocked(sleep).mockReset().mockImplementation(untilAborted);
});

it('saves at its end what has changed, once, and waits for it', async () => {
  const saved: number[] = [];
  const keeping = keeper(async () => {
    await Promise.resolve();
    saved.push(1);
    return true;
  });
  await keeping.close();
  expect(saved).toEqual([]);
  keeping.changed();
  await keeping.close();
  await keeping.close();
  expect([saved, warn.mock.calls]).toEqual([[1], []]);
});

it('ends without the last snapshot when that takes too long, and says so', async () => {
  vi.mocked(sleep).mockResolvedValue(undefined);
  const keeping = keeper(() => new Promise(() => {}));
  keeping.changed();
  await keeping.close();
  expect(warn.mock.calls).toEqual([[expect.stringContaining('an older one stays')]]);
});

it('tries again what could not be written', async () => {
  const save = vi.fn<() => Promise<boolean>>().mockRejectedValueOnce(new Error('ENOSPC')).mockResolvedValueOnce(false);
  save.mockResolvedValue(true);
  const keeping = keeper(save);
  keeping.changed();
  for (let n = 0; n < 4; n += 1) await keeping.close();
  expect(save).toHaveBeenCalledTimes(3);
  expect(warn.mock.calls.map(([, message]) => message)).toEqual([expect.stringContaining('could not be written')]);
});
