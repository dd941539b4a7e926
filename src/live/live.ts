import type { Logger } from 'pino';
import { AcervoError } from '../errors/error.js';
import type { Metrics } from '../health/metrics.js';
import type { CursorSigner } from '../http/cursor.js';
import type { Database } from '../surreal/database.js';
import { KeyWatch } from './key-watch.js';
import { Tail } from './tail.js';

interface LiveOptions {
  db: Database;
  control: Database;
  cursors: CursorSigner;
  metrics: Metrics;
  log: Logger;
  clock: () => Date;
  maxConnections: number;
}

/** What all who follow changes on this node share. */
export class Live {
  readonly tail: Tail;
  readonly keys: KeyWatch;
  readonly #stopping = new AbortController();
  readonly #maxConnections: number;
  readonly #metrics: Metrics;
  #open = 0;

  constructor(options: LiveOptions) {
    this.tail = new Tail(options);
    this.keys = new KeyWatch(options);
    this.#maxConnections = options.maxConnections;
    this.#metrics = options.metrics;
  }

  /** Aborted when the node stops: streams say where they were, and end. */
  get stopping(): AbortSignal {
    return this.#stopping.signal;
  }

  /**
   * A place for a socket, a stream or a request that waits.
   * @returns gives it back
   * @throws AcervoError `request:overloaded`
   */
  enter(): () => void {
    if (this.#open >= this.#maxConnections || this.stopping.aborted)
      throw new AcervoError('request:overloaded', { retryAfterSeconds: 5 });
    this.#open += 1;
    this.#metrics.liveConnections.set(this.#open);
    let left = false;
    return () => {
      if (left) return;
      left = true;
      this.#open -= 1;
      this.#metrics.liveConnections.set(this.#open);
    };
  }

  /** Ends all streams; what follows them ends by itself. */
  close(): void {
    this.#stopping.abort();
    this.tail.close();
    this.keys.close();
  }
}
