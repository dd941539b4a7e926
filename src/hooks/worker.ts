import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Services } from '../context.js';
import { withLease } from '../surreal/lease.js';
import { Pump } from './pump.js';
import { findHook } from './row.js';
import { installationSecret } from './secret.js';
import { Sender } from './sender.js';

/** Another node takes over so long after one has died. */
const LEASE_TTL_MS = 10_000;
const LEASE_RETRY_MS = 2_000;
/** So late at most a change of a hook is seen. */
const LOOK_MS = 1_000;

const pause = (ms: number, signal: AbortSignal) => sleep(ms, undefined, { signal }).catch(() => undefined);

/** The hooks that this node delivers, while it is the one that does. */
class Deliveries {
  readonly #services: Services;
  readonly #installation: Buffer;
  readonly #sender: Sender;
  readonly #pumps = new Map<string, Pump>();

  constructor(services: Services, installation: Buffer) {
    this.#services = services;
    this.#installation = installation;
    this.#sender = new Sender(services);
  }

  /** Begins what is new, begins anew what was changed, and ends what is disabled or gone. */
  async look(): Promise<void> {
    const enabled = await this.#services.db.query<{ id: string; revision: number }[]>('hooks/enabled');
    const revisions = new Map(enabled.map(({ id, revision }) => [id, revision]));
    for (const [id, pump] of this.#pumps)
      if (revisions.get(id) !== pump.revision || pump.hasEnded) this.#drop(id, pump);
    for (const id of revisions.keys()) if (!this.#pumps.has(id)) await this.#begin(id);
    this.#tell();
  }

  /** One that has been told to stop is out of the way when it has: until then its hook is not begun anew. */
  #drop(id: string, pump: Pump): void {
    void pump.stop().then(() => {
      if (this.#pumps.get(id) === pump) this.#pumps.delete(id);
    });
  }

  async #begin(id: string): Promise<void> {
    const hook = await findHook(this.#services, id);
    if (!hook?.row.enabled) return;
    const options = { ...hook, sender: this.#sender, installation: this.#installation };
    this.#pumps.set(id, new Pump(this.#services, options));
  }

  #tell(): void {
    const { metrics, clock } = this.#services;
    const since = [...this.#pumps.values()].flatMap(({ waitingSince }) => waitingSince?.getTime() ?? []);
    const nowMs = clock().getTime();
    metrics.hooksDelivering.set(this.#pumps.size);
    metrics.hooksLag.set(since.length === 0 ? 0 : Math.max(0, (nowMs - Math.min(...since)) / 1000));
  }

  async end(): Promise<void> {
    await Promise.all([...this.#pumps.values()].map((pump) => pump.stop()));
    this.#pumps.clear();
    this.#tell();
    this.#sender.close();
  }
}

async function deliverAll(services: Services, signal: AbortSignal): Promise<void> {
  const deliveries = new Deliveries(services, await installationSecret(services.control));
  try {
    while (!signal.aborted) {
      await deliveries.look().catch((error: unknown) => {
        services.log.debug({ err: error }, 'the hooks could not be read; trying again');
      });
      await pause(LOOK_MS, signal);
    }
  } finally {
    await deliveries.end();
  }
}

/**
 * Delivers all hooks, on the one node that holds the lease, until stopped.
 * @returns stop; resolves when nothing is under way and it is saved how far each hook is
 */
export function startHookWorker(services: Services): () => Promise<void> {
  const stopping = new AbortController();
  const lease = { name: 'hooks', holder: randomUUID(), ttlMs: LEASE_TTL_MS, stop: stopping.signal };
  const work = async () => {
    while (!stopping.signal.aborted) {
      try {
        await withLease(services.control, lease, (signal) => deliverAll(services, signal));
      } catch (error) {
        services.log.debug({ err: error }, 'hooks cannot be delivered for now; trying again');
      }
      await pause(LEASE_RETRY_MS, stopping.signal);
    }
  };
  const working = work();
  return async () => {
    stopping.abort();
    await working;
  };
}
