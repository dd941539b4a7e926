import { setTimeout as sleep } from 'node:timers/promises';
import type { LegResult } from '../search/leg.js';
import type { BothLegs } from '../search/legs/both.js';
import type { SearchRequest } from '../search/plan.js';
import { staleOf } from './follower.js';
import type { WarmIndex, WarmReport } from './port.js';
import type { ReplicaLeg } from './replica.js';
import { Session, type SessionOptions } from './session.js';

/** A write waits for so long at most; what it wrote is then found through the database. */
const CHANGE_TIMEOUT_MS = 2_000;
/** A search waits for so long at most for a change of another node. */
const REACH_TIMEOUT_MS = 1_000;
const REACH_STEP_MS = 25;
const RESTART_MS = [1_000, 5_000, 30_000, 60_000];
/** After a session that was ready for so long the shortest pause comes again. */
const STEADY_MS = 60_000;

/** Runs one session of the index after the other: when its thread ends, a new one is built, and the database answers meanwhile. */
export class InProcessWarmIndex implements WarmIndex {
  readonly #options: SessionOptions;
  #session: Session | undefined;
  #closed = false;
  #wake = new AbortController();
  #running: Promise<void> | undefined;

  constructor(options: SessionOptions) {
    this.#options = options;
  }

  /** Begins to build; until it is ready the database answers. */
  start(): void {
    this.#running ??= this.#run();
  }

  async #run(): Promise<void> {
    const { log, metrics } = this.#options;
    let options = this.#options;
    for (let failures = 0; !this.#closed; ) {
      let session: Session | undefined;
      try {
        // There may be no thread to be had.
        session = new Session(options);
        this.#session = session;
        // A test ends the first thread, and looks at what comes after it.
        options = { ...options, faultPoint: undefined };
        await session.run();
        return;
      } catch (error) {
        if (this.#closed) return;
        if ((session?.readyForMs ?? 0) > STEADY_MS) failures = 0;
        metrics.warmIndexRestarts.inc();
        log.warn({ err: error }, 'the warm index begins anew; the database answers meanwhile');
        const pauseMs = RESTART_MS[Math.min(failures, RESTART_MS.length - 1)];
        failures += 1;
        await sleep(pauseMs, undefined, { signal: this.#wake.signal }).catch(() => undefined);
      }
    }
  }

  async legs(request: SearchRequest, depth: number): Promise<BothLegs | undefined> {
    const session = this.#session;
    if (session === undefined || !session.answers) return undefined;
    const { metrics, log } = this.#options;
    try {
      const found = await session.search({
        of: request.corpus.of,
        words: request.mode === 'vector' ? undefined : request.words,
        match: request.match,
        vector: request.mode === 'text' || request.vector === undefined ? undefined : Float32Array.from(request.vector),
        filter: request.filter,
        minScore: request.minScore,
        require: [...request.require],
        depth,
      });
      if (found === undefined) return undefined;
      const leg = (name: 'text' | 'vector', result: ReplicaLeg | undefined) => {
        if (result === undefined) return undefined;
        metrics.searchDuration.observe({ leg: name }, result.duration_ms / 1000);
        return legResult(name, result);
      };
      return { text: leg('text', found.text), vector: leg('vector', found.vector) };
    } catch (error) {
      log.warn({ err: error }, 'the warm index did not answer; the database does');
      return undefined;
    }
  }

  async changed(change: { resources: string[]; audit_ids?: string[] } | undefined): Promise<void> {
    const session = this.#session;
    if (session === undefined || !session.follows) return;
    const stale = change?.resources.flatMap(staleOf);
    if (stale?.length === 0) return;
    const taken = stale === undefined ? session.catchUp() : session.refresh(stale, change?.audit_ids);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(() => {
        session.holdUntil(taken);
        resolve();
      }, CHANGE_TIMEOUT_MS);
    });
    await Promise.race([taken.catch(() => undefined), late]);
    clearTimeout(timer);
  }

  async reaches(auditId: string): Promise<boolean> {
    const deadline = performance.now() + REACH_TIMEOUT_MS;
    while (performance.now() < deadline) {
      const session = this.#session;
      if (session === undefined || !session.answers) return false;
      if (session.has(auditId)) return true;
      await session.catchUp().catch(() => undefined);
      if (session.has(auditId)) return true;
      await sleep(REACH_STEP_MS);
    }
    return false;
  }

  async report(): Promise<WarmReport> {
    return this.#session?.report() ?? { state: 'failed' };
  }

  /** Writes what is in memory to disk, and ends. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#wake.abort();
    await this.#session?.close();
    await this.#running;
  }
}

function legResult(leg: 'text' | 'vector', { documents, exhausted, ...did }: ReplicaLeg): LegResult {
  const report = { leg, ...did, found: documents.length, statements: [] };
  return { documents, exhausted, report };
}
