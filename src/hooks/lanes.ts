import type { HookEvent } from './event.js';
import type { Attempt } from './sender.js';

export interface Failure {
  event: HookEvent;
  attempt: Attempt;
}

/**
 * Sends events side by side, but those of one resource one after the other in their order. After the first failure no
 * further one is begun.
 * @param send resolves with undefined when it was stopped: then nothing more is begun either
 * @returns what was delivered, and the first failure
 */
export async function sendInLanes(
  events: readonly HookEvent[],
  concurrency: number,
  send: (event: HookEvent) => Promise<Attempt | undefined>,
): Promise<{ delivered: HookEvent[]; failure: Failure | undefined }> {
  const lanes = new Map<string, HookEvent[]>();
  for (const event of events) {
    const lane = lanes.get(event.resource);
    if (lane === undefined) lanes.set(event.resource, [event]);
    else lane.push(event);
  }
  const delivered: HookEvent[] = [];
  let failure: Failure | undefined;
  let stopped = false;
  const waiting = lanes.values();
  const work = async () => {
    for (const lane of waiting)
      for (const event of lane) {
        if (failure !== undefined || stopped) return;
        const attempt = await send(event);
        if (attempt?.delivered) delivered.push(event);
        else if (attempt === undefined) stopped = true;
        else failure ??= { event, attempt };
      }
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, lanes.size) }, work));
  return { delivered, failure };
}
