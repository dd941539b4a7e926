import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { HookEvent } from '../../../src/hooks/event.js';
import { sendInLanes } from '../../../src/hooks/lanes.js';

const eventsOf = (resources: string[]): HookEvent[] =>
  resources.map((resource, n) => ({ id: `${n}`, type: 't', resource, timestamp: '', body: '' }));
const taken = { delivered: true, duration_ms: 1, retryAfterMs: 0 };
const refused = { ...taken, delivered: false };
const resourcesOf = fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { minLength: 1, maxLength: 30 });

/** Sends with turns of chance; tells what was begun, and how many were under way of one resource and of all. */
function sender(turns: number[], outcome: (event: HookEvent) => typeof taken | undefined) {
  const begun: HookEvent[] = [];
  const underWay = new Map<string, number>();
  const most = { resource: 0, all: 0 };
  const send = async (event: HookEvent) => {
    begun.push(event);
    underWay.set(event.resource, (underWay.get(event.resource) ?? 0) + 1);
    most.resource = Math.max(most.resource, ...underWay.values());
    most.all = Math.max(
      most.all,
      [...underWay.values()].reduce((a, b) => a + b, 0),
    );
    for (let n = turns[begun.length % turns.length] ?? 0; n > 0; n -= 1) await turn();
    underWay.set(event.resource, (underWay.get(event.resource) ?? 0) - 1);
    return outcome(event);
  };
  return { begun, most, send };
}

describe('lanes', () => {
  const turnsOf = fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 10 });

  test('send all, each resource in its order and one at a time', async () => {
    await fc.assert(
      fc.asyncProperty(resourcesOf, turnsOf, fc.integer({ min: 1, max: 3 }), async (resources, turns, concurrency) => {
        const events = eventsOf(resources);
        const { begun, most, send } = sender(turns, () => taken);
        const { delivered, failure } = await sendInLanes(events, concurrency, send);
        expect([new Set(delivered), failure]).toEqual([new Set(events), undefined]);
        for (const resource of 'abcd')
          expect(begun.filter((event) => event.resource === resource)).toEqual(
            events.filter((event) => event.resource === resource),
          );
        expect(most.resource).toBe(1);
        expect(most.all).toBeLessThanOrEqual(concurrency);
      }),
    );
  });

  test('begin nothing after a failure, and deliver nothing of a resource behind one that was not', async () => {
    await fc.assert(
      fc.asyncProperty(resourcesOf, turnsOf, fc.nat(), async (resources, turns, which) => {
        const events = eventsOf(resources);
        const bad = events[which % events.length]!;
        const { begun, send } = sender(turns, (event) => (event === bad ? refused : taken));
        const { delivered, failure } = await sendInLanes(events, 3, send);
        expect(failure).toEqual({ event: bad, attempt: refused });
        expect(new Set([...delivered, bad])).toEqual(new Set(begun));
        const behind = events.slice(events.indexOf(bad) + 1).filter(({ resource }) => resource === bad.resource);
        expect(begun.filter((event) => behind.includes(event))).toEqual([]);
      }),
    );
  });

  test('begin nothing when they are stopped', async () => {
    const events = eventsOf(['a', 'a', 'a']);
    const { begun, send } = sender([1], () => undefined);
    expect(await sendInLanes(events, 3, send)).toEqual({ delivered: [], failure: undefined });
    expect(begun).toHaveLength(1);
  });
});
