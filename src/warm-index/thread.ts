import { type TransferListItem, Worker } from 'node:worker_threads';
import type { Answer, Call, Calls } from './messages.js';

interface Waiting {
  resolve(answer: never): void;
  reject(error: Error): void;
}

/** The thread has ended: whatever it was asked will never be answered. */
export class ThreadEndedError extends Error {}

/** The worker thread that holds the replicas, as who asks it sees it. Calls are worked off in the order they were made. */
export class IndexThread {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  readonly #exited: Promise<void>;
  #last = 0;
  #ended = false;

  /**
   * @param faultPoint where a test wants it to end
   * @param onEnd called once when the thread ends without having been stopped
   */
  constructor(faultPoint: string | undefined, onEnd: (cause: Error) => void) {
    this.#worker = new Worker(new URL('./worker.js', import.meta.url), { workerData: { faultPoint } });
    // The server decides when the process ends, not this thread.
    this.#worker.unref();
    this.#worker.on('message', (answer: Answer) => this.#settle(answer));
    this.#exited = new Promise((resolve) => {
      this.#worker.once('exit', () => resolve());
    });
    const end = (cause: Error) => {
      if (this.#ended) return;
      this.#ended = true;
      for (const { reject } of this.#waiting.values()) reject(new ThreadEndedError(cause.message));
      this.#waiting.clear();
      onEnd(cause);
    };
    this.#worker.on('error', (error) => end(error instanceof Error ? error : new Error(String(error))));
    this.#worker.on('exit', (code) => end(new Error(`the thread ended with ${code}`)));
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** @throws ThreadEndedError; Error with what the thread said */
  call<Name extends keyof Calls>(
    name: Name,
    request: Calls[Name]['request'],
    transfer: TransferListItem[] = [],
  ): Promise<Calls[Name]['answer']> {
    if (this.#ended) return Promise.reject(new ThreadEndedError('the thread has ended'));
    this.#last += 1;
    const id = this.#last;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ id, name, request } as Call, transfer);
    });
  }

  #settle(answer: Answer): void {
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if ('error' in answer) waiting?.reject(new Error(answer.error));
    else waiting?.resolve(answer.answer as never);
  }

  /**
   * Asks the thread to end when it has done what it was asked before: ending it amid a native call ends the process.
   * @returns when it has ended, and uses its files no more
   */
  stop(): Promise<void> {
    this.#ended = true;
    for (const { reject } of this.#waiting.values()) reject(new ThreadEndedError('the thread was stopped'));
    this.#waiting.clear();
    this.#worker.postMessage('stop');
    return this.#exited;
  }
}
