import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { settledCursor } from '../audit/reader.js';
import { faultPoints } from '../fault-points.js';
import type { Metrics } from '../health/metrics.js';
import type { Searched } from '../search/compile.js';
import type { Database } from '../surreal/database.js';
import { Follower, isInLog, LogCutError } from './follower.js';
import type { Identity, Measure, Place } from './messages.js';
import type { WarmReport, WarmState } from './port.js';
import { Refresher, type Stale } from './refresher.js';
import type { ReplicaLegs, ReplicaQuery } from './replica.js';
import { forgetSnapshots } from './snapshot/forget.js';
import { SnapshotKeeper } from './snapshot-keeper.js';
import { idsOf, readDocuments } from './source.js';
import { IndexThread } from './thread.js';

/**
 * So late at most a change of another node is found. The embedded engine has no other node: there every change tells of
 * itself, and the log is read for the place that the next snapshot names. It reads all of the window for each page.
 */
const POLL_MS = { server: 500, embedded: 5_000 };
/** The thread may be behind by so many readings before the next one waits for it. */
const MAX_WAITING = 8;
const PAGE_DOCUMENTS = 50;
/** Vectors from which on a graph is worth its memory and its making: fewer are compared one by one in a millisecond. */
const GRAPH_FROM = 10_000;
const MEASURE_MS = 2_000;
/** Of its memory: what is fuller without anything dead would soon have to be compacted again, which holds searches up. */
const ROOMY = 0.9;
/** Who is further behind what other nodes write leaves the answer to the database. */
const MAX_LAG_SECONDS = 5;
const CORPORA: readonly Searched[] = ['document', 'decision'];

export interface SessionOptions {
  db: Database;
  identity: Identity;
  dimensions: number;
  /** Where snapshots lie; undefined: none are kept. */
  directory: string | undefined;
  /** The memory that it may take, in bytes; undefined: as much as it needs. */
  maxMemoryBytes: number | undefined;
  /** Where a test wants it to end (src/fault-points.ts). */
  faultPoint: string | undefined;
  metrics: Metrics;
  log: Logger;
}

/** It would not fit into its memory. */
class DeclinedError extends Error {}

/** The life of one worker thread: built, following the log, answering, until it ends. */
export class Session {
  readonly #options: SessionOptions;
  readonly #thread: IndexThread;
  readonly #refresher: Refresher;
  readonly #ended: Promise<never>;
  #follower: Follower | undefined;
  #state: WarmState = 'building';
  #measure: Measure | undefined;
  #readyAtMs: number | undefined;
  #held = 0;
  /** The log could not be read when it was looked at last: it may tell of a write that was answered. */
  #isUnread = false;
  #closing = new AbortController();
  readonly #snapshots: SnapshotKeeper;
  #polling: Promise<void> = Promise.resolve();
  #nextPoll: Promise<void> | undefined;

  constructor(options: SessionOptions) {
    this.#options = options;
    let end: (cause: Error) => void = () => {};
    this.#ended = new Promise((_, reject) => {
      end = reject;
    });
    this.#ended.catch(() => undefined);
    this.#thread = new IndexThread(options.faultPoint, (cause) => {
      this.#state = 'failed';
      end(cause);
    });
    this.#refresher = new Refresher(async (of, ids) => {
      const unread = await this.#take(of, ids);
      if (unread.length > 0) throw new Error('a document changed faster than it could be read');
    });
    this.#snapshots = new SnapshotKeeper(async () => {
      const place = this.#follower?.place;
      if (place === undefined || options.directory === undefined) return false;
      await this.#thread.call('save', place);
      return true;
    }, options.log);
  }

  /** May searches ask it? */
  get answers(): boolean {
    const isWhole = this.#held === 0 && !this.#refresher.isBehind && !this.#isUnread;
    return this.#state === 'ready' && isWhole && this.#isCurrent;
  }

  /** Nobody else writes to an embedded database. */
  get #isCurrent(): boolean {
    const { engine } = this.#options.db;
    return engine.kind === 'embedded' || (this.#follower?.lagSeconds ?? 0) < MAX_LAG_SECONDS;
  }

  /** For how long it has been ready, or had been when it failed. */
  get readyForMs(): number {
    return this.#readyAtMs === undefined ? 0 : performance.now() - this.#readyAtMs;
  }

  /** Does it have to be told of changes? */
  get follows(): boolean {
    return this.#follower !== undefined && this.#state !== 'failed' && this.#state !== 'declined';
  }

  /** Builds the index and follows the log, until it is closed. @throws what ends it: the next one begins anew */
  async run(): Promise<void> {
    try {
      await Promise.race([this.#live(), this.#ended]);
    } catch (error) {
      const declined = error instanceof DeclinedError;
      this.#state = declined ? 'declined' : 'failed';
      const { directory, log, maxMemoryBytes } = this.#options;
      if (declined) {
        log.warn({ max_memory_bytes: maxMemoryBytes }, error.message);
        await this.#snapshots.settled();
      }
      // The next one uses the same files.
      await this.#thread.stop();
      this.#showNothing();
      if (!declined) throw error;
      // Nothing follows the log any more: what there was must not be taken for an index, nor outlive what is deleted.
      if (directory !== undefined) forgetSnapshots(directory, log);
    }
  }

  async #live(): Promise<void> {
    const startedMs = performance.now();
    const { db, log } = this.#options;
    const place = await this.#restored();
    const from = place ?? { cursor: await settledCursor(db) };
    if (place === undefined) await this.#scan();
    // From here on writes tell of themselves; what was written before is in the log by now.
    this.#follower = new Follower(db, this.#refresher, from);
    if (place === undefined) this.#snapshots.changed();
    await this.catchUp();
    // Its answer comes after those to all that was handed over: what could not be taken in is known by now.
    await this.#weigh();
    this.#closing.signal.throwIfAborted();
    this.#state = 'ready';
    this.#readyAtMs = performance.now();
    const { documents, vectors, memory_bytes } = this.#measure ?? {};
    const duration_ms = Math.round(performance.now() - startedMs);
    log.info(
      { restored: place !== undefined, documents, vectors, memory_bytes, duration_ms },
      'the warm index is ready',
    );
    await this.#follow();
  }

  /** What lies on disk, when the log has not lost anything that came after it. */
  async #restored(): Promise<Place | undefined> {
    const { db, log, identity, dimensions, directory } = this.#options;
    const open = { identity, dimensions, graphFrom: GRAPH_FROM, directory };
    const { place, refused } = await this.#thread.call('open', { ...open, restore: true });
    if (refused !== undefined) log.warn({ reason: refused }, 'the snapshot of the warm index cannot be used');
    if (place === undefined) return undefined;
    if (await isInLog(db, place.anchor)) return place;
    log.warn('the audit log no longer holds what the snapshot of the warm index ends with; it is built anew');
    await this.#thread.call('open', { ...open, restore: false });
    return undefined;
  }

  async #scan(): Promise<void> {
    let measuredMs = performance.now();
    const passFaultPoint = faultPoints(this.#options.faultPoint);
    for (const of of CORPORA)
      for await (const ids of idsOf(this.#options.db, of))
        for (let at = 0; at < ids.length; at += PAGE_DOCUMENTS) {
          this.#closing.signal.throwIfAborted();
          // Of what changes meanwhile the log tells, which is read from before the scan.
          await this.#take(of, ids.slice(at, at + PAGE_DOCUMENTS));
          passFaultPoint('warm-index:building');
          if (performance.now() - measuredMs < MEASURE_MS) continue;
          await this.#weigh();
          measuredMs = performance.now();
        }
  }

  /**
   * Reads documents as they are now and hands them to the thread, which works in the order of its calls.
   * @returns the ids of those that changed faster than they could be read
   */
  async #take(of: Searched, ids: string[]): Promise<readonly string[]> {
    const { db, identity } = this.#options;
    const { documents, missing, unread } = await readDocuments(db, { of, space: identity.space, ids });
    const transfer = documents.flatMap(({ vectors }) =>
      vectors.map(({ embedding }) => embedding.buffer as ArrayBuffer),
    );
    const applied = this.#thread.call('apply', { of, documents, removed: missing }, transfer);
    this.#snapshots.changed();
    if (this.#thread.waiting > MAX_WAITING) await applied;
    else applied.catch((error: unknown) => this.#fail(error));
    return unread;
  }

  /** What could not be applied has made it wrong: it ends, and is built anew. */
  #fail(error: unknown): void {
    // Nothing that it is asked after its end can be applied.
    if (this.#state === 'failed' || this.#state === 'declined' || this.#closing.signal.aborted) return;
    this.#state = 'failed';
    this.#options.log.error({ err: error }, 'the warm index could not take in a change');
    this.#closing.abort(error);
  }

  async #follow(): Promise<void> {
    let weighedMs = performance.now();
    const { signal } = this.#closing;
    while (!signal.aborted) {
      await sleep(POLL_MS[this.#options.db.engine.kind], undefined, { signal }).catch(() => undefined);
      if (signal.aborted) break;
      try {
        await this.catchUp();
      } catch (error) {
        if (error instanceof LogCutError) throw error;
        this.#options.log.debug({ err: error }, 'the audit log could not be read; trying again');
      }
      if (performance.now() - weighedMs < MEASURE_MS) continue;
      await this.#weigh();
      weighedMs = performance.now();
      this.#snapshots.saveWhenDue();
    }
    if (this.#state === 'failed') throw signal.reason;
  }

  /** Takes in what the log says, to its end. One reading at a time: all who ask meanwhile share the one that comes after. */
  catchUp(): Promise<void> {
    this.#nextPoll ??= this.#polling.then(() => {
      this.#nextPoll = undefined;
      const reading = this.#follower?.catchUp() ?? Promise.resolve();
      this.#polling = reading.then(
        () => {
          this.#isUnread = false;
        },
        () => {
          this.#isUnread = true;
        },
      );
      return reading;
    });
    return this.#nextPoll;
  }

  /** Takes in these documents. @param auditIds the rows of the log that tell of no more than that */
  async refresh(stale: Stale[], auditIds: readonly string[] = []): Promise<void> {
    await this.#refresher.refresh(stale);
    for (const id of auditIds) this.#follower?.applied(id);
  }

  /** Until this has come to an end, the database is asked. */
  holdUntil(taken: Promise<void>): void {
    this.#held += 1;
    const release = () => {
      this.#held -= 1;
    };
    taken.then(release, release);
  }

  has(auditId: string): boolean {
    return this.#follower?.has(auditId) ?? false;
  }

  /** @throws ThreadEndedError, Error */
  search(query: ReplicaQuery): Promise<ReplicaLegs | undefined> {
    return this.#thread.call('search', query);
  }

  /**
   * Makes it fit into its memory: first without what is dead, then with its vectors on disk.
   * @throws DeclinedError when it takes more than it may all the same; Error of the system when they could not be put there
   */
  async #weigh(): Promise<void> {
    const { maxMemoryBytes = Number.POSITIVE_INFINITY, log } = this.#options;
    if ((await this.#measured()).memory_bytes <= maxMemoryBytes) return;
    // Where it has to wait for a snapshot, it is weighed again soon.
    if (!(await this.#thread.call('compact', undefined))) return;
    if ((await this.#measured()).memory_bytes <= ROOMY * maxMemoryBytes) return;
    const moved = await this.#thread.call('move_to_disk', undefined);
    const { memory_bytes, disk_bytes } = await this.#measured();
    if (memory_bytes > maxMemoryBytes)
      throw new DeclinedError('the warm index does not fit into its memory; the database answers searches');
    if (moved) log.info({ memory_bytes, disk_bytes }, 'the vectors of the warm index lie on disk from now on');
  }

  async #measured(): Promise<Measure> {
    const measure = await this.#thread.call('measure', undefined);
    // The graph goes on growing when nothing changes any more, and takes long to make.
    if (this.#measure !== undefined && measure.indexed_vectors !== this.#measure.indexed_vectors)
      this.#snapshots.changed();
    this.#measure = measure;
    this.#show(measure);
    return measure;
  }

  #show({ documents, memory_bytes, disk_bytes }: Omit<Measure, 'vectors' | 'indexed_vectors'>): void {
    const { metrics } = this.#options;
    for (const of of CORPORA) metrics.warmIndexDocuments.set({ corpus: of }, documents[of]);
    metrics.warmIndexBytes.set(memory_bytes);
    metrics.warmIndexDiskBytes.set(disk_bytes);
    if (this.#follower !== undefined) metrics.warmIndexLag.set(this.#follower.lagSeconds);
  }

  /** There is no index any more. */
  #showNothing(): void {
    this.#measure = undefined;
    this.#follower = undefined;
    this.#show({ documents: { document: 0, decision: 0 }, memory_bytes: 0, disk_bytes: 0 });
    this.#options.metrics.warmIndexLag.set(0);
  }

  report(): WarmReport {
    const { maxMemoryBytes } = this.#options;
    const lag = this.#follower?.lagSeconds ?? Number.POSITIVE_INFINITY;
    return {
      state: this.#state,
      ...this.#measure,
      ...(Number.isFinite(lag) && { lag_seconds: lag }),
      ...(maxMemoryBytes !== undefined && { max_memory_bytes: maxMemoryBytes }),
    };
  }

  /** Saves what it holds, and ends its thread. */
  async close(): Promise<void> {
    const wasReady = this.#state === 'ready';
    this.#closing.abort(new Error('closed'));
    if (wasReady) await this.#snapshots.close();
    void this.#thread.stop();
  }
}
